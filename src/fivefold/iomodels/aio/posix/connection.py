"""A connection whose every operation is done by a thread of glibc, and the operation itself.

A connection has two control blocks, one for reading its socket, one for whatever goes
out (writes, and the files that are to be written).  An operation that outlived its
deadline stays in flight, and its buffer in place; what a read then brings is what the
next `recv` returns, and a write is waited for by the next one.
"""

from __future__ import annotations

import ctypes
import os
import socket
import time
import types
from collections.abc import Callable, Generator
from typing import Protocol

from ....errors import FileShrank
from ....linux import posix_aio
from ...interface import Connection, File, Waiter
from ...readiness.connection import RECV_BYTES, SEND_FILE_BYTES, peer_gone
from ...readiness.source import Reactor

Call = Callable[[posix_aio.ControlBlock], None]


WRITE_BYTES = 65536
"""One aio_write: it completes only when the peer has taken it whole, and a slow peer must
be seen to make progress."""


class Operation(posix_aio.ControlBlock):
    """A control block, what it keeps alive, and its waiter."""

    def __init__(self, waiter: Waiter) -> None:
        super().__init__()
        self.waiter = waiter
        self.in_flight = False
        self.keeps: object = None
        self.closes = -1

    def over(self, fd: int, address: int, count: int, keeps: object) -> None:
        """Aim it at `count` bytes at `address`, inside `keeps`."""
        self.fd, self.buffer, self.count, self.keeps = fd, address, count, keeps

    def completed(self) -> None:
        """The buffer is ours again."""
        self.in_flight = False
        self.keeps = None
        if self.closes >= 0:
            os.close(self.closes)
            self.closes = -1

    def outcome(self) -> int:
        """The number of bytes. Raises `PeerGone`, or the file's OSError."""
        try:
            return posix_aio.result(self)
        except OSError as error:
            raise peer_gone(error) from error


class Begins(Reactor, Protocol):
    """What the connection needs of its model."""

    def begin(self, call: Call, operation: Operation) -> None:
        """Hand an operation over; its waiter is resumed once it is done."""


class PosixConnection(Connection):
    """Two descriptors of one socket: glibc would keep a write waiting for a read of the same."""

    file_copies = 2
    processor_ns = staticmethod(time.process_time_ns)

    def __init__(self, io: Begins, sock: socket.socket) -> None:
        sock.setblocking(True)  # a thread of glibc shall sleep in the call
        self.sock = sock
        self.fd = sock.fileno()
        self.reader = Waiter()
        self.writer = Waiter()
        self._io = io
        self._out_fd = os.dup(self.fd)
        self._received = ctypes.create_string_buffer(RECV_BYTES)
        self._asked = False
        self._incoming = Operation(self.reader)
        self._incoming.over(self.fd, ctypes.addressof(self._received), RECV_BYTES, None)
        self._outgoing = Operation(self.writer)

    @types.coroutine
    def recv(self) -> Generator[Waiter, None, bytes]:
        incoming = self._incoming
        if not self._asked:
            self._io.begin(posix_aio.read, incoming)
            self._asked = True
        while incoming.in_flight:
            yield self.reader
        self._asked = False
        # Copied: the next read goes into the same buffer.
        return ctypes.string_at(incoming.buffer, incoming.outcome())

    def has_come(self) -> bool:
        # A thread of glibc may have taken it from the socket already.
        return (self._asked and posix_aio.is_done(self._incoming)) or super().has_come()

    @types.coroutine
    def send(self, *buffers: bytes) -> Generator[Waiter, None, None]:
        data = b"".join(buffers)  # one that is bytes already is returned as it is
        yield from self._write(posix_aio.address_of(data), len(data), data, 0)

    @types.coroutine
    def send_file(
        self, head: bytes, file: File, offset: int, count: int
    ) -> Generator[Waiter, None, None]:
        room = len(head) + min(count, SEND_FILE_BYTES)
        buffer = ctypes.create_string_buffer(room)
        start = ctypes.addressof(buffer)
        ctypes.memmove(start, head, len(head))
        filled = len(head)
        end = offset + count
        while offset < end:
            self.unsent = filled + end - offset
            part = min(end - offset, room - filled)
            done = yield from self._read_part(file, offset, start + filled, part, buffer)
            if done == 0:
                raise FileShrank(f"{end - offset} bytes are missing")
            offset += done
            yield from self._write(start, filled + done, buffer, end - offset)
            filled = 0
            if offset < end:
                self.progressed()
        if filled:
            yield from self._write(start, filled, buffer, 0)

    @types.coroutine
    def read_file(self, file: File, offset: int, count: int) -> Generator[Waiter, None, bytes]:
        buffer = ctypes.create_string_buffer(count)
        start = ctypes.addressof(buffer)
        filled = 0
        while filled < count:
            done = yield from self._read_part(
                file, offset + filled, start + filled, count - filled, buffer
            )
            if done == 0:
                break
            filled += done
        return ctypes.string_at(start, filled)

    def _write(
        self, address: int, count: int, keeps: object, following: int
    ) -> Generator[Waiter, None, None]:
        """In parts, so that a slow peer that takes them one by one is seen to make progress.

        `following`: bytes that the same operation will write after these.
        """
        outgoing = self._outgoing
        done = 0
        while done < count:
            self.unsent = count - done + following
            yield from self._earlier()
            part = min(count - done, WRITE_BYTES)
            outgoing.over(self._out_fd, address + done, part, keeps)
            done += yield from self._do(posix_aio.write)
            if done < count:
                self.progressed()
        self.unsent = following

    def _read_part(
        self, file: File, offset: int, address: int, count: int, keeps: object
    ) -> Generator[Waiter, None, int]:
        """One aio_read: up to `count` bytes, 0 at the end of the file."""
        yield from self._earlier()
        outgoing = self._outgoing
        # A descriptor of its own: others read the same file, one after the other if it were
        # by one number; and the file may be closed before a read that was given up is done.
        outgoing.closes = os.dup(file.fd)
        outgoing.over(outgoing.closes, address, count, keeps)
        outgoing.offset = offset
        return (yield from self._do(posix_aio.read))

    def _earlier(self) -> Generator[Waiter, None, None]:
        while self._outgoing.in_flight:
            yield self.writer

    def _do(self, call: Call) -> Generator[Waiter, None, int]:
        self._io.begin(call, self._outgoing)
        yield from self._earlier()
        return self._outgoing.outcome()

    def waiters(self) -> tuple[Waiter, ...]:
        return self.reader, self.writer

    @types.coroutine
    def yield_turn(self) -> Generator[Waiter, None, None]:
        yield self._io.next_turn()

    @types.coroutine
    def close(self) -> Generator[Waiter, None, None]:
        # A waiter of its own: no deadline may end this.
        ended = self._incoming.waiter = self._outgoing.waiter = Waiter()
        if self._incoming.in_flight or self._outgoing.in_flight:
            self._shutdown(self.how_to_end(is_sending=self._outgoing.in_flight))
        while self._incoming.in_flight or self._outgoing.in_flight:
            yield ended
        self.release()

    def release(self) -> None:
        """Give both descriptors back; nothing may be in flight."""
        self._io.forget(self)
        self._close_out()
        self._close_socket()

    def give_up(self) -> None:
        super().give_up()
        self._close_out()

    def _close_out(self) -> None:
        # Forgotten before it is closed: close(2) gives the GIL away, a thread may fork meanwhile,
        # and in its child the number may be that of another file.
        fd, self._out_fd = self._out_fd, -1
        if fd >= 0:
            os.close(fd)
