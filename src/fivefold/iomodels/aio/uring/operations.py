"""What has operations in a ring, and how user data name them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from ...interface import Waiter

RECEIVE, SEND, SILENT, OTHER = range(4)
"""The lowest two bits of user data; above them is the number of a `Target`."""


class Target:
    """Something that has operations in the ring."""

    reader: Waiter

    def keep(self, data: bytes) -> None:
        """Data came while no coroutine was waiting for it."""
        raise NotImplementedError

    def completed(self, kind: int, result: int, flags: int) -> None:
        """One of the operations completed; `result` is -errno if it failed."""
        raise NotImplementedError

    def pending(self) -> list[int]:
        """The user data of operations that the kernel still has."""
        raise NotImplementedError

    def waiters(self) -> Sequence[Waiter]:
        """Where coroutines may be parked."""
        return ()


def abandon(targets: Iterable[Target]) -> None:
    """Close the coroutines that wait for operations: no event will resume them."""
    for target in targets:
        for waiter in target.waiters():
            task, waiter.task = waiter.task, None
            if task is not None:
                task.close()
