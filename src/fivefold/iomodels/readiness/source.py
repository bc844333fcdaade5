"""What a model watches, and what this asks of the model."""

from __future__ import annotations

from typing import Protocol

from ..files import FileAccess
from ..interface import Waiter


class Source(Protocol):
    """A descriptor, and the two places where coroutines wait for it: a connection, a listener, a
    pipe."""

    fd: int
    reader: Waiter
    writer: Waiter


class Reactor(Protocol):
    """What a listener needs of its model: that it says when, and lets others have their turn."""

    accept_batch: int
    """Connections taken at once; no more than the model is meant to hold."""

    def next_turn(self) -> Waiter:
        """The waiter to yield so that the others have their turn first."""

    def forget(self, watched: Source) -> None:
        """Stop watching; called before the descriptor is closed."""


class Readiness(Reactor, Protocol):
    """What a connection needs besides."""

    files: FileAccess

    def after_pause(self, seconds: float) -> Waiter:
        """The waiter to yield so that it goes on after so long."""

    def writer_of(self, connection: Source) -> Waiter:
        """The waiter to yield after a send met a full buffer; arms it where need be."""
