"""Watching descriptors: what nonblocking, multiplexing and sigio share.

Each keeps a table of what it watches, by descriptor.  An event names a descriptor, and the
table says whose it is now: the one that it was about may be closed, and its number given again.
"""

from __future__ import annotations

from socket import socket
from typing import ClassVar

from ..batching.connection import BatchingConnection
from ..files import FileAccess
from ..interface import Waiter
from ..scheduler import Scheduler
from .connection import ReadyConnection
from .listener import ReadyListener
from .source import Source


class Watching(Scheduler):
    """A model whose connections and listeners are tried once it says that it is worth while."""

    files: FileAccess
    connection_type: ClassVar[type[ReadyConnection]] = BatchingConnection
    listener_type: ClassVar[type[ReadyListener]] = ReadyListener

    def __init__(self, *, tick_s: float = 1.0, connections: int = 1024) -> None:
        super().__init__(tick_s=tick_s, connections=connections)
        self._watched: dict[int, Source] = {}

    def connection(self, sock: socket) -> ReadyConnection:
        sock.setblocking(False)
        connection = self.connection_type(self, sock)
        self._watch(connection)
        self._connections[connection.fd] = connection
        return connection

    def listener(self, sock: socket) -> ReadyListener:
        sock.setblocking(False)
        listener = self.listener_type(self, sock)
        self._watch(listener)
        return listener

    def _watch(self, watched: Source) -> None:
        """Report, from now on, whatever happens to this descriptor. Raises `LimitReached`."""
        self._watched[watched.fd] = watched

    def forget(self, watched: Source) -> None:
        del self._watched[watched.fd]
        self._connections.pop(watched.fd, None)

    @property
    def watching(self) -> int:
        return len(self._watched) + len(self._foreign)

    def writer_of(self, connection: Source) -> Waiter:
        return connection.writer

    def close(self) -> None:
        super().close()
        self.files.close()
