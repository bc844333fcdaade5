"""An I/O model, as serving models make and use it."""

from __future__ import annotations

import socket
from abc import abstractmethod
from collections.abc import Callable
from typing import ClassVar

from .connection import Connection
from .listener import Listener
from .task_runner import TaskRunner, nothing
from .traits import Traits


class IOModel(TaskRunner):
    """How one thread waits for the kernel."""

    name: ClassVar[str]
    """Stevens' word: blocking, nonblocking, multiplexing, sigio, aio."""
    engine: ClassVar[str]
    """The system call family; equal to `name` where the model has one engine."""
    traits: ClassVar[Traits]

    @classmethod
    @abstractmethod
    def available(cls) -> str | None:
        """None, or the reason why this engine cannot run here."""

    @abstractmethod
    def __init__(self, *, tick_s: float = 1.0, connections: int = 1024) -> None:
        """`connections` is how many are expected at once: it sizes queues, it limits nothing."""
        super().__init__()
        self.exhausted: Callable[[], object] = nothing
        """Called when a descriptor is wanted and there is none: content that keeps some that it
        can do without sets this, and gives them back. From any thread."""

    @abstractmethod
    def connection(self, sock: socket.socket) -> Connection:
        """Take over a connected socket. Raises `LimitReached`."""

    @abstractmethod
    def listener(self, sock: socket.socket) -> Listener:
        """Watch a listening socket."""

    def until_readable(self, sock: socket.socket) -> None:
        """Return when there is something to read from `sock`, or at once if this model has
        nothing else to do meanwhile: then the read itself is to wait.

        Called between two connections, outside of `run`.
        """

    @abstractmethod
    def close(self) -> None:
        """Release descriptors and threads; connections must be closed before."""

    @property
    def watching(self) -> int:
        """How many descriptors the kernel watches for this thread; 0 where it watches none."""
        return 0

    def statistics(self) -> dict[str, int]:
        """Counters that show what the model did, e.g. tries per operation."""
        return {}
