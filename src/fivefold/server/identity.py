"""What the operating system knows of the server: the file with its process id."""

from __future__ import annotations

from dataclasses import dataclass

from ..configuration.setting import check, setting


@dataclass(frozen=True, kw_only=True)
class IdentitySettings:
    """By default those of the program. Raises `SettingsError`."""

    pid_file: str | None = setting(
        None,
        "A file with the supervisor's process id, from when the addresses are bound until the"
        " server has ended; PATH.oldbin while another server replaces this one (SIGUSR2).",
    )

    def __post_init__(self) -> None:
        check(self)
