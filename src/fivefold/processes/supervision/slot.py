"""A place for one worker, as data: its sockets, its worker, the next one and the last one."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Protocol

from ..backoff import Backoff
from .demand import Demand
from .succession import Succession
from .worker import Worker


class End(Protocol):
    """Of something that another process has the other end of."""

    def close(self) -> None: ...


@dataclass
class Slot:
    """A place for one worker, and the sockets that stay when it is replaced."""

    sockets: list[socket.socket]
    number: int = 0
    worker: Worker | None = None
    """The worker that starts here, or serves."""
    successor: Worker | None = None
    """The worker that will replace it, once ready."""
    leaving: list[Worker] = field(default_factory=list)
    """The worker that was replaced, and still finishes."""
    backoff: Backoff = field(default_factory=Backoff)
    address: Any = field(init=False)
    """Of its first socket: those that have the same one serve the same."""
    adopted: list[list[socket.socket]] = field(default_factory=list)
    """The sockets of slots that were removed: a client may wait in their queues."""
    demand: Demand = field(default_factory=Demand)
    remains: list[Succession] = field(default_factory=list)
    """Of workers that served here and have died: what is left of them serves until another does."""

    def __post_init__(self) -> None:
        self.address = self.sockets[0].getsockname() if self.sockets else None

    @property
    def queues(self) -> list[socket.socket]:
        """Where its next worker listens."""
        return list(dict.fromkeys([*self.sockets, *(sock for row in self.adopted for sock in row)]))

    @property
    def workers(self) -> list[Worker]:
        """All of them."""
        present = [worker for worker in (self.worker, self.successor) if worker]
        return present + self.leaving

    @property
    def ends(self) -> Iterator[End]:
        """What the supervisor keeps here for itself."""
        for worker in self.workers:
            yield worker.pipe
            yield worker.succession
        yield from self.remains

    @property
    def served(self) -> bool:
        """Whether a worker is ready here."""
        return self.worker is not None and self.worker.was_ready

    def remove(self, gone: Worker) -> None:
        """It has died; a successor takes its place, ready or not."""
        if gone is self.worker:
            self.worker, self.successor = self.successor, None
            if gone.was_ready:
                self.remains.append(gone.succession)
                return
        elif gone is self.successor:
            self.successor = None
        else:
            self.leaving.remove(gone)
        gone.succession.end()

    def end_remains(self) -> None:
        """Another worker serves, or no client is to be served any more."""
        while self.remains:
            self.remains.pop().end()

    def promote(self) -> None:
        """The successor is ready: it serves. The one that it replaces leaves."""
        replaced, self.worker, self.successor = self.worker, self.successor, None
        if replaced is not None:
            self.leaving.append(replaced)
