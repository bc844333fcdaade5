"""A listening socket, as serving models accept from it."""

from __future__ import annotations

import socket
from abc import ABC, abstractmethod


class Listener(ABC):
    """A listening socket, seen by one I/O model."""

    @abstractmethod
    async def accept(self) -> list[socket.socket]:
        """New sockets, as many as are waiting.

        Empty once a tick where the wait cannot be ended from outside (blocking), so
        that the caller can look whether it should stop.
        Raises OSError (EMFILE, ENFILE, ENOBUFS, ENOMEM) when the machine is out of
        something; the connection then stays in the kernel's queue, and the next call tries
        again, whether or not an event tells of it.
        """

    @abstractmethod
    def leave(self) -> list[socket.socket]:
        """Stop watching and return what was taken out of the kernel's queue but not returned yet:
        what is still in it is for others that watch the same socket."""

    @abstractmethod
    def close(self) -> list[socket.socket]:
        """Stop watching and return what is still queued: these clients are connected.

        The listening socket stays open; it belongs to the serving model.
        """
