"""How the server's own log speaks: `--log-level`, `--log-format`, `--log-config`.

The command line obeys; a program that embeds the server configures logging itself.
"""

from __future__ import annotations

from dataclasses import dataclass

from ..configuration.setting import check, setting

LOG_LEVELS = ("debug", "info", "warning", "error", "critical")
LOG_FORMATS = ("text", "json")


@dataclass(frozen=True, kw_only=True)
class LogSettings:
    """By default lines from INFO on, on standard error. Raises `SettingsError`."""

    log_level: str = setting(
        "info",
        "The lowest level that the server's own log shows, on standard error: debug, info, warning,"
        " error or critical.",
        choices=LOG_LEVELS,
    )
    log_format: str = setting(
        "text",
        "What a line of the server's own log is: text, or json, an object.",
        choices=LOG_FORMATS,
    )
    log_config: str | None = setting(
        None,
        "A file for logging.config.dictConfig, TOML or JSON (*.json), which says where the"
        " server's own log goes.",
    )

    def __post_init__(self) -> None:
        check(self)
