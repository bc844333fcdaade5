"""What an I/O model offers to another loop that lives on it: to be its one wait.

Facts.        An event loop of asyncio waits in one place, the `select` of its selector, and
              expects level semantics there: whatever is ready is reported, every time.
              Of the five models only select(2) and poll(2) answer that question; an edge,
              a signal or a completion tells of a change, once, and perhaps in vain.
Consequence.  A descriptor that something happened to *may be ready*, no more.
Choice.       A model reports such descriptors, now and then one in vain; one poll(2)
              that does not wait, over these few, restores the level (`selector`).
Cost.         Two system calls more per event of a foreign descriptor.  Connections of the
              model itself are resumed inside its wait and pay nothing.
"""

from __future__ import annotations

from abc import abstractmethod

from ..interface import IOModel


class ForeignLoopSupport(IOModel):
    """An I/O model whose thread can serve another loop beside its own connections."""

    maybe_ready: set[int]
    """Foreign descriptors to which something may have happened; the host removes them."""

    @abstractmethod
    def turn(self, timeout_s: float | None) -> None:
        """Wait once, at most `timeout_s`, and resume whatever can go on.

        Returns at once if something was resumed before the wait, since that may have
        given the other loop something to do.
        """

    @abstractmethod
    def watch(self, fd: int, events: int) -> None:
        """Put `fd` into `maybe_ready` whenever something happens to it, and at once.

        `events` are those of poll(2).  A second call replaces them.  Raises OSError or
        `LimitReached` where the model cannot watch this descriptor.
        """

    @abstractmethod
    def unwatch(self, fd: int) -> None:
        """Stop watching; the descriptor may be closed already."""

    def rearm(self, fd: int) -> None:
        """`fd` proved not to be ready: its next event is wanted."""

    def flush(self) -> None:
        """The other loop stops for a while: leave nothing behind that only a turn would send."""
