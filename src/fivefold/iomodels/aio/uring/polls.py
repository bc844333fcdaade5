"""Waiting for foreign descriptors through the ring: one poll at a time for each.

Facts.        POLL_ADD looks at once, then completes with the first event and is over.  It
              holds the open file: until it is over, and collected, close(2) of the
              descriptor does not end the connection behind it.
Consequence.  A poll that is left armed would keep a peer waiting for the end of the stream,
              and armed while the descriptor is still ready it would complete at once.
Choice.       Armed only when the host found the descriptor not ready; each poll has a number
              of its own, so that a late completion says nothing about the next owner of the
              descriptor.  When the host lets go, the poll is cancelled on the spot.
Cost.         A submission per wait, in the io_uring_enter of the turn; one call more where a
              descriptor is let go while the poll is armed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ....linux.io_uring import abi
from ...base import Waiter
from .operations import OTHER, Target

if TYPE_CHECKING:
    from . import Uring


class ForeignPoll(Target):
    """One poll of one foreign descriptor, to its completion."""

    def __init__(self, io: Uring, fd: int, events: int) -> None:
        self.fd = fd
        self.user_data = io.register(self) << 2 | OTHER
        self._io = io
        self._armed = True
        io.ring.push(abi.sqe_word(abi.OP_POLL_ADD, fd), self.user_data, flags=events)

    def completed(self, kind: int, result: int, flags: int) -> None:
        self._armed = False
        self._io.targets.pop(self.user_data >> 2, None)
        self._io.polled(self)

    def pending(self) -> list[int]:
        return [self.user_data] if self._armed else []

    def waiters(self) -> list[Waiter]:
        return []
