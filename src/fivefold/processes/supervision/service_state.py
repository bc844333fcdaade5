"""What systemd is told of a server: it is ready, loads anew, is alive, ends (sd_notify(3)).

Choice.       `Type=notify-reload`: RELOADING=1 when SIGHUP has come, READY=1 when no slot has an
              old worker any more, so that `systemctl reload` ends when the reload has ended.
              The watchdog (`WatchdogSec=`): WATCHDOG=1 from a turn of the supervisor, at half of
              the interval, as sd_watchdog_enabled(3) recommends, while each address has a worker
              that is ready.  One that is missed for want of a worker is made good as soon as
              there is one.
Assumption.   A worker that was ready serves.  One that hangs is found by `stuck_s`, and then is not
              ready; without that setting systemd hears of the supervisor, and of deaths, only.
              With a broken application an old worker serves on: the reload has not ended, and
              `systemctl reload` fails after `TimeoutStartSec=`.
Cost.         A datagram per half interval; without NOTIFY_SOCKET and WATCHDOG_USEC nothing.
"""

from __future__ import annotations

import math
import os
import time

from ...isolation.reporting import logger
from ...linux import systemd
from .slots import Slots

log = logger("fivefold.supervisor")


class ServiceState:
    """Of one supervisor."""

    def __init__(self, slots: Slots) -> None:
        self._slots = slots
        self._alive_every_s = systemd.watchdog_s(os.environ) / 2
        self._alive_at = math.inf
        self._is_owed = False
        """Whether WATCHDOG=1 waits for a worker: its word wakes the supervisor."""
        self._is_ready = False
        self._reloads = False

    @property
    def due(self) -> float:
        """When `look` has to be called, if not before."""
        return math.inf if self._is_owed else self._alive_at

    def ready(self, now: float) -> None:
        """All slots have their workers, for the first time."""
        self._is_ready = True
        self._alive_at = now + self._alive_every_s
        systemd.notify("READY=1")

    def reloads(self) -> None:
        """Workers will be replaced; before it was ready that is no news."""
        if self._is_ready and not self._slots.stopping:
            log.info("reloading (SIGHUP): new workers replace the old ones, one after the other")
            self._reloads = True
            systemd.notify(f"RELOADING=1\nMONOTONIC_USEC={time.monotonic_ns() // 1000}")

    def look(self, now: float) -> None:
        """Say what there is to say now, while it serves."""
        if self._reloads and self._slots.renewed:
            self._reloads = False
            systemd.notify("READY=1")
            log.info("reloaded: all workers are new, and old ones finish what they have")
        if now >= self._alive_at:
            self._is_owed = not self._slots.all_served
            if not self._is_owed:
                self._alive_at = now + self._alive_every_s
                systemd.notify("WATCHDOG=1")

    def ends(self, words: str) -> None:
        """`words`: whether the service ends with this server. If it does not, the next WATCHDOG=1
        is that of another one, which has half an interval of its own until then."""
        alive = "WATCHDOG=1\n" if self._alive_every_s < math.inf else ""
        systemd.notify(f"{alive}{words}")
