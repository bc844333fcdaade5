"""Polls in the ring: of the wake-up pipe, and of foreign descriptors, one at a time for each.

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

import select
from collections.abc import Callable

from ....linux.io_uring import abi
from ...interface import Waiter
from ...wakeup import WakePipe
from .operations import OTHER, Target
from .ring_scheduler import RingScheduler


class ForeignPoll(Target):
    """One poll of one foreign descriptor, to its completion."""

    def __init__(
        self, io: RingScheduler, fd: int, events: int, over: Callable[[ForeignPoll], None]
    ) -> None:
        """`over` hears of its completion, also after the poll was dropped."""
        self.fd = fd
        self.user_data = io.register(self) << 2 | OTHER
        self._io = io
        self._over = over
        self._armed = True
        io.ring.push(abi.sqe_word(abi.OP_POLL_ADD, fd), self.user_data, flags=events)

    def completed(self, kind: int, result: int, flags: int) -> None:
        self._armed = False
        self._io.targets.pop(self.user_data >> 2, None)
        self._over(self)

    def pending(self) -> list[int]:
        return [self.user_data] if self._armed else []


class WakePoll(Target):
    """A poll of the wake-up pipe, armed again each time it was emptied.

    Not a read: the pipe is non-blocking, and io_uring refuses to wait on such a one.
    """

    def __init__(self, io: RingScheduler, pipe: WakePipe) -> None:
        self._io = io
        self._pipe = pipe
        self._word = abi.sqe_word(abi.OP_POLL_ADD, pipe.fd)
        self._user_data = io.register(self) << 2 | OTHER
        self._armed = False
        self._arm()

    def _arm(self) -> None:
        self._armed = True
        self._io.ring.push(self._word, self._user_data, flags=select.POLLIN)

    def completed(self, kind: int, result: int, flags: int) -> None:
        self._armed = False
        if not self._io.ending:
            # In this order: POLL_ADD looks at once, and would complete again for the byte that is
            # there.
            self._io.go_on(self._pipe.reader)  # empties the pipe
            self._arm()

    def pending(self) -> list[int]:
        return [self._user_data] if self._armed else []

    def waiters(self) -> list[Waiter]:
        return [self._pipe.reader]
