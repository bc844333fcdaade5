"""Who asked what, when, and what came of it; and what was done to the servers meanwhile.

An exchange is right, wrong (another answer than the one that is known beforehand: never
explained), or failed: then only the death of the very process that served it explains it.
"""

from __future__ import annotations

import threading
from collections import Counter
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Kill:
    """A process of a server was killed; or (`pid` 0) its workers were told to leave."""

    server: str
    pid: int
    at: float
    begins_to_leave: bool = False
    """Whether others leave for it: workers after a reload, children whose forker has died."""


ENDLESS = ("events", "leaving", "websocket")
"""Streams and websockets are ended when their worker leaves, and come again; as everywhere."""

LEAVING_S = 30.0
"""After a reload the last worker has left by then (`--grace-s`)."""


@dataclass(frozen=True)
class Failure:
    server: str
    kind: str
    since: float
    """When the connection was last known to be well, or the request began."""
    until: float
    pid: int | None
    """Who had answered on this connection before, if anybody."""
    what: str

    def is_explained_by(self, kill: Kill) -> bool:
        if "refused" in self.what or kill.server != self.server:
            return False
        if self.kind in ENDLESS and kill.begins_to_leave:
            return self.until - LEAVING_S <= kill.at <= self.until
        same = self.pid == kill.pid if self.pid is not None else True
        return same and self.since <= kill.at <= self.until


@dataclass
class Ledger:
    """Written to by all clients."""

    right: Counter[tuple[str, str]] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)
    failures: list[Failure] = field(default_factory=list)
    kills: list[Kill] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def was_right(self, server: str, kind: str) -> None:
        with self._lock:
            self.right[server, kind] += 1

    def was_wrong(self, server: str, kind: str, what: str) -> None:
        with self._lock:
            self.wrong.append(f"{server} {kind}: {what}")

    def failed(self, failure: Failure) -> None:
        with self._lock:
            self.failures.append(failure)

    def killed(self, kill: Kill) -> None:
        with self._lock:
            self.kills.append(kill)

    def nearest(self, failure: Failure) -> Kill | None:
        """Where nothing explains it, this may."""
        with self._lock:
            mine = [kill for kill in self.kills if kill.server == failure.server]
        return min(mine, key=lambda kill: abs(kill.at - failure.since), default=None)

    def unexplained(self) -> list[Failure]:
        with self._lock:
            return [f for f in self.failures if not any(map(f.is_explained_by, self.kills))]
