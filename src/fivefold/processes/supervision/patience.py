"""How long the server waits for an application: for its start, for a sign of life, for its answer,
and for the end of its requests."""

from __future__ import annotations

from dataclasses import dataclass

from ...configuration.setting import check, setting
from ...errors import SettingsError

LEAST_STUCK_S = 1.0
"""A worker shows that it lives once in a tick, which is up to a second (`upkeep.tick`)."""

GENTLY_S = 10.0
"""On top of `request_timeout_s`, for the gentle way: 503, and a successor that serves first."""


@dataclass(frozen=True, kw_only=True)
class SupervisionSettings:
    """By default it waits for ever, but for the end. Raises `SettingsError`."""

    grace_s: float = setting(30.0, "How long connections may finish when the server stops.")
    startup_s: float | None = setting(
        None,
        "How long a worker may take until it is ready, the application's import included. By"
        " default there is no limit, and the log says what the server waits for.",
    )
    stuck_s: float | None = setting(
        None,
        "Replace a worker, or one process of it, that seems stuck for this long: it is stopped, or"
        " C code holds the GIL. Where one thread runs all connections, no handler may take as"
        " long. By default ten seconds more than --request-timeout-s; without that, the server"
        " replaces no worker for this.",
    )
    request_timeout_s: float | None = setting(
        None,
        "Answer 503 for an application that does nothing about a request for this many seconds, and"
        " log where it is; replace the worker if the call cannot be ended. By default it may take"
        " for ever.",
    )

    def __post_init__(self) -> None:
        check(self)
        if self.stuck_s is not None and self.stuck_s < LEAST_STUCK_S:
            raise SettingsError(
                f"stuck_s: {self.stuck_s:g} is too short: a busy machine may keep a worker"
                f" for that long from showing that it lives; at least {LEAST_STUCK_S:g}"
            )

    @property
    def silence_s(self) -> float | None:
        """How long a process may show no sign of life; None for ever.

        Code that holds the GIL keeps the thread from looking that ends requests, too.
        """
        if self.stuck_s is not None or self.request_timeout_s is None:
            return self.stuck_s
        return self.request_timeout_s + GENTLY_S
