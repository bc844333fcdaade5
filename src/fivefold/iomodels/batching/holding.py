"""Which answers are held until others leave, too: the rule, for each engine that holds any.

Two engines hold answers, each in a box of its own: where trying sends (`connection`), and where
the ring does (`aio/uring/silent_sends`).  They differ in how what is held leaves, in no more.
TLS cannot take back what it has sealed, and a record that is lost is the end of its connection:
so `send_soon` can be asked whether it would take an answer, and keeps its word.
"""

from __future__ import annotations

from abc import abstractmethod
from time import monotonic
from typing import Any, ClassVar

from ..budget import BURST
from ..interface import Connection
from .pace import HELD_S, Pace


class Held(Pace):
    """What is held in one turn of an I/O model: at most one piece of each connection."""

    def __init__(self) -> None:
        super().__init__()
        self.queued: dict[Any, bytes] = {}


class HoldingConnection(Connection):
    """A connection that may keep small answers until the end of the turn."""

    most_bytes: ClassVar[int]
    """Larger answers are not held."""
    _held: Held
    _occupied: bool
    """Whether an earlier answer is still on its way, or has failed: a send waits, or says so."""
    _burst: int = 0
    """How much has been done since others had their turn for certain."""

    def send_soon(self, data: bytes) -> bool:
        if self._occupied or len(data) > self.most_bytes:
            return False
        held = self._held
        queued = held.queued
        if not data:
            return self._has_room()
        if held.cautious:
            return self._send_now(data)
        if not queued:
            # The first of a turn reads the clock: the oldest answer is the one that must not get
            # late.
            held.since = monotonic()
            queued[self] = data
        elif self not in queued:
            queued[self] = data
            if monotonic() - held.since > HELD_S:
                self._let_go()
        elif self._burst <= BURST and len(queued[self]) < self.most_bytes:
            queued[self] += data  # answers to pipelined requests
            self._burst += 1
        else:
            return False  # a send gives others their turn
        return True

    def _has_room(self) -> bool:
        """Whether the next answer is taken, if nothing else happens meanwhile."""
        held = self._held
        return (
            not held.cautious
            and self._burst <= BURST
            and len(held.queued.get(self, b"")) < self.most_bytes
        )

    @abstractmethod
    def _send_now(self, data: bytes) -> bool:
        """Where no answer may wait for another: send it at once, if others had their turn."""

    @abstractmethod
    def _let_go(self) -> None:
        """Send all that is held, of whatever connection."""
