"""Whether the client of a silent websocket is still there: pings, and something in return."""

from __future__ import annotations

import asyncio
from collections.abc import Callable


class Keepalive:
    """Pings every `every_s` seconds, and tells if nothing was heard from one to the next,
    unless that is `excused`."""

    def __init__(
        self,
        every_s: float,
        ping: Callable[[], None],
        unanswered: Callable[[], None],
        excused: Callable[[], bool],
    ) -> None:
        self._every_s = every_s
        self._ping = ping
        self._unanswered = unanswered
        self._excused = excused
        self._timer: asyncio.TimerHandle | None = None
        self._waiting = False

    def start(self) -> None:
        """To be called in the loop."""
        loop = asyncio.get_running_loop()
        self._timer = loop.call_later(self._every_s, self._due)

    def heard(self) -> None:
        """The client has said something."""
        self._waiting = False

    def stop(self) -> None:
        if self._timer is not None:
            self._timer.cancel()

    def _due(self) -> None:
        if self._waiting and not self._excused():
            self._unanswered()
            return
        self._waiting = True
        self._ping()  # to a client that is gone it fails, sooner or later
        self.start()
