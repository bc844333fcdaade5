"""What completions are told to, and the smallest of them: the poll of the wake-up pipe."""

from __future__ import annotations

import select
from collections.abc import Iterable
from typing import TYPE_CHECKING

from ....linux.io_uring import abi
from ...base import Waiter
from ...wakeup import WakePipe

if TYPE_CHECKING:
    from . import Uring

RECEIVE, SEND, SILENT, OTHER = range(4)
"""The lowest two bits of user data; above them is the number of a `Target`."""


class Target:
    """Something that has operations in the ring."""

    reader: Waiter

    def keep(self, data: bytes) -> None:
        """Data came while nobody was waiting for it."""
        raise NotImplementedError

    def completed(self, kind: int, result: int, flags: int) -> None:
        """One of the operations completed; `result` is -errno if it failed."""
        raise NotImplementedError

    def pending(self) -> list[int]:
        """The user data of operations that the kernel still has."""
        raise NotImplementedError

    def waiters(self) -> list[Waiter]:
        """Where coroutines may be parked."""
        raise NotImplementedError


def abandon(targets: Iterable[Target]) -> None:
    """Close the coroutines that wait for operations: nobody will resume them."""
    for target in targets:
        for waiter in target.waiters():
            task, waiter.task = waiter.task, None
            if task is not None:
                task.close()


class WakePoll(Target):
    """A poll of the wake-up pipe, armed again each time it was emptied.

    Not a read: the pipe is non-blocking, and io_uring refuses to wait on such a one.
    """

    def __init__(self, io: Uring, pipe: WakePipe) -> None:
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
            self._io.go_on(self._pipe.reader)  # empties the pipe
            self._arm()

    def pending(self) -> list[int]:
        return [self._user_data] if self._armed else []

    def waiters(self) -> list[Waiter]:
        return [self._pipe.reader]
