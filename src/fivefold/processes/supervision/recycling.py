"""Recycling: a worker that has answered many requests, is old or has grown large is replaced.

It is for applications that leak, or lose their way in time, and cannot be mended today.

Facts.        Only a look tells that a process has grown; a worker that is asked may be stuck.
Choice.       The supervisor looks at each worker once a second.  One that is worn out is treated
              as on SIGHUP (`slots`): its successor serves before it leaves, and no two workers are
              replaced at once.  It takes requests until then, so it may have more than asked for.
              Memory is PSS, the worker's and that of the processes it has forked (all of them
              under `process`): what several share counts once.  RSS, as `ps` has it, would count
              the interpreter and the application again for each connection process.
Assumption.   The supervisor may read /proc/PID/smaps_rollup (proc(5)) of its workers; where it may
              not, the log says so, and they are not replaced for their memory.
Cost.         0.1 ms for each process, and 6 ms for each GB in it; so that it stays below 1 % of a
              processor, the next look comes the later the longer this one took.
"""

from __future__ import annotations

import math
import random
import re
from dataclasses import dataclass
from pathlib import Path
from time import monotonic

from ...configuration.setting import check, setting
from ...errors import SettingsError
from ...isolation.reporting import logger
from ...linux.processes import forks_of, proportional_bytes
from ..draining import Draining
from ..request_count import RequestCount

log = logger("fivefold.supervisor")

LOOK_S = 1.0
"""Between two looks at one worker; also the least time until its successor may be worn out."""

LEAST_PAUSE = 100
"""Times as long as a look took, until the next one."""

SIZE = re.compile(r"([1-9][0-9]{0,14})([KMGT]?)", re.ASCII | re.IGNORECASE)
UNITS = {"": 1, "K": 2**10, "M": 2**20, "G": 2**30, "T": 2**40}
"""As systemd (MemoryMax) and `ulimit` have them."""


@dataclass(frozen=True, kw_only=True)
class RecyclingSettings:
    """By default no worker is replaced for its wear. Raises `SettingsError`."""

    max_requests: int | None = setting(
        None, "Replace a worker that has had so many requests; its successor serves first."
    )
    max_requests_jitter: int | None = setting(
        None,
        "For each worker, add a random number of requests, at most this one, so that they are not"
        " all replaced in a row. By default a tenth of --max-requests.",
    )
    max_worker_age_s: float | None = setting(
        None, "Replace a worker that has served for so many seconds; its successor serves first."
    )
    max_worker_rss: str | None = setting(
        None,
        "Replace a worker that takes more memory, with the processes that it has forked: bytes, or"
        " 500M, 2G; its successor serves first.",
    )

    def __post_init__(self) -> None:
        check(self)
        if self.max_requests_jitter is not None and self.max_requests is None:
            raise SettingsError("max_requests_jitter: it is for max_requests, which is not given")
        if self.max_worker_rss is not None:
            size(self.max_worker_rss)
            if not Path("/proc/self/smaps_rollup").exists():
                raise SettingsError("max_worker_rss: this system has no /proc/PID/smaps_rollup")

    def most_requests(self) -> float:
        """Of one worker, another number each time."""
        if self.max_requests is None:
            return math.inf
        jitter = self.max_requests_jitter or self.max_requests // 10
        return self.max_requests + random.randint(0, jitter)  # noqa: S311 - no secret


def size(text: str) -> int:
    """In bytes. Raises `SettingsError`."""
    match = SIZE.fullmatch(text)
    if match is None:
        raise SettingsError(f"max_worker_rss: {text!r} is no size such as 500M or 2G")
    return int(match[1]) * UNITS[match[2].upper()]


class Wear:
    """Of one worker; made before it is forked. Raises OSError (no memory)."""

    def __init__(self, settings: RecyclingSettings, draining: Draining | None = None) -> None:
        """`draining`: where the worker says that it hangs, if it may say so."""
        self._draining = draining
        self._settings = settings
        self._most_requests = settings.most_requests()
        self._most_s = settings.max_worker_age_s or math.inf
        self._most_bytes = size(settings.max_worker_rss) if settings.max_worker_rss else math.inf
        self.requests = RequestCount() if self._most_requests < math.inf else None
        """None if nobody wants to know."""
        bounded = min(self._most_requests, self._most_s, self._most_bytes) < math.inf
        self.due = monotonic() + LOOK_S if bounded or self._draining is not None else math.inf
        """When to look at it, once it is ready."""

    def look(self, pid: int, ready_at: float) -> str:
        """Why the worker is worn out; "" if it is not."""
        began = monotonic()
        reason = self._reason(pid, began - ready_at)
        now = monotonic()
        self.due = now + max(LOOK_S, (now - began) * LEAST_PAUSE)
        return reason

    def _reason(self, pid: int, age_s: float) -> str:
        if self._draining is not None and self._draining.is_hung:
            return "has requests that cannot be ended (--request-timeout-s)"
        requests = 0 if self.requests is None else self.requests.total
        if requests >= self._most_requests:
            return f"has had {requests} requests (--max-requests)"
        if age_s >= self._most_s:
            return f"has served for {age_s:.0f} s (--max-worker-age-s)"
        if self._most_bytes < math.inf and (taken := self._memory(pid)) > self._most_bytes:
            return f"takes {taken / UNITS['M']:.0f}M of memory (--max-worker-rss)"
        return ""

    def _memory(self, pid: int) -> int:
        try:
            return sum(map(proportional_bytes, {pid} | forks_of(pid)))
        except OSError as error:
            log.warning("max_worker_rss: the memory of worker %d cannot be seen: %s", pid, error)
            self._most_bytes = math.inf
            return 0

    def close(self) -> None:
        if self.requests is not None:
            self.requests.close()
            self.requests = None
