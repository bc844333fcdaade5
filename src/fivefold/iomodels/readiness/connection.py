"""A connection whose calls are tried once its model says that it is worth while."""

from __future__ import annotations

import errno
import os
import socket
import types
from collections.abc import Generator
from functools import partial
from time import monotonic

from ...errors import DeadlineExceeded, FileShrank, PeerGone
from ...linux.timestamping import waited_s
from ..budget import BURST, RECEIVED_PART, SENT_PART
from ..interface import NO_WAITER, Connection, File, Waiter
from ..overlay import Around
from ..probes import Probe, probed_call, probed_wait
from .source import Readiness

RECV_BYTES = 16384
"""One receive: the size of nginx's and Go's read buffers. A fresh 64 KiB costs 1.9 us."""

SEND_FILE_BYTES = 262144
"""One sendfile: bounds how long a cold page can stall the call, at 3 % of its throughput."""

SHORT = {errno.ENOMEM, errno.ENOBUFS, errno.EINTR}
"""A call that failed for want of memory is worth trying again a little later (recv(2), send(2):
an edge or a signal will not tell when)."""

SHORT_PAUSE_S = 0.02
"""Until then: memory comes back by what others finish."""

GONE = {
    errno.EPIPE,
    errno.ECONNRESET,
    errno.ENOTCONN,
    errno.ETIMEDOUT,
    errno.EHOSTUNREACH,
    errno.ECONNABORTED,
    errno.ENETUNREACH,
    errno.ESHUTDOWN,
    errno.EBADF,
}
"""The errors of a connection whose other end (or whose descriptor) is no longer there."""


def peer_gone(error: OSError) -> Exception:
    """Translate an error of a socket call, once, at the edge."""
    return PeerGone(error.strerror) if error.errno in GONE else error


class ReadyConnection(Connection):
    """A connection of a model that waits until a call is worth trying."""

    _burst = 0
    """How much has been done since others had their turn for certain."""
    _short = False
    """Whether the last send failed for want of memory."""
    writer: Waiter = NO_WAITER
    """Made when a send meets a full buffer, which few ever do."""

    def __init__(self, io: Readiness, sock: socket.socket) -> None:
        self.sock = sock
        self.fd = sock.fileno()
        # A client that connects sends at once, so the first try mostly hits.
        self.reader = Waiter(hints=1)
        self._io = io

    # Methods: four bound ones of its own for each connection would take 300 bytes of it.

    def _recv(self, size: int) -> bytes | None:
        """None if nothing is there. An exception that passed through a coroutine would leave it
        a frame object, 200 bytes as long as it waits."""
        try:
            return self.sock.recv(size)
        except BlockingIOError:
            return None

    def _send(self, data: bytes | memoryview, flags: int = 0) -> int:
        return self.sock.send(data, flags)

    def _sendfile(self, to: int, file: int, offset: int, count: int) -> int:
        return os.sendfile(to, file, offset, count)

    def _until_resident(self, file: File, offset: int, count: int) -> Generator[Waiter, None, None]:
        return self._io.files.until_resident(file, offset, count)

    def time_queue(self) -> None:
        # No overlay: to make and lift one takes half as long as the rest of a short connection.
        receive, is_timed = self._recv, False

        def first(size: int) -> bytes | None:
            nonlocal is_timed
            if not is_timed:
                try:
                    self.queued_s = waited_s(self.sock)  # waits and raises as the receive would
                except BlockingIOError:
                    return None
                is_timed = True
            if self._recv is first:  # else a tracer's overlay is in front, and puts us back
                del self._recv
            return receive(size)

        self._recv = first  # type: ignore[method-assign]

    @types.coroutine
    def recv(self) -> Generator[Waiter, None, bytes]:
        reader = self.reader
        if not (reader.hints or reader.ended):
            yield reader
        elif self._burst > BURST:
            yield from self.yield_turn()
            self._check_deadline()
        while True:
            try:
                data = self._recv(RECV_BYTES)
            except OSError as error:
                waiter = self._pause(error)
            else:
                if data is not None:
                    break
                reader.hints = 0
                reader.ended = False  # an error that was queued looked like it (ip(7))
                waiter = reader
            yield waiter  # not in the handler, which would keep the exception as long as we wait
        # What this receive says of the next: a full buffer, that more may be there, of which no
        # new edge will tell; a short one, that the event which brought us here is used up.
        if len(data) == RECV_BYTES:
            reader.hints = reader.hints or 1
            self._burst += RECV_BYTES // RECEIVED_PART
        elif not data:
            reader.ended = True  # an edge or a signal tells of it only once
        elif reader.hints:
            reader.hints -= 1
        return data

    @types.coroutine
    def yield_turn(self) -> Generator[Waiter, None, None]:
        self._burst = 0
        yield self._io.next_turn()

    def _check_deadline(self) -> None:
        """Of an operation that has given others their turn, and was not waiting for its own."""
        if monotonic() >= self.deadline:
            raise DeadlineExceeded

    def _pause(self, error: OSError) -> Waiter:
        """Raise what a call has raised, unless it is worth trying again a little later."""
        if error.errno not in SHORT:
            raise peer_gone(error) from error
        self._check_deadline()
        return self._io.after_pause(SHORT_PAUSE_S)

    @types.coroutine
    def send(self, *buffers: bytes) -> Generator[Waiter, None, None]:
        # Joining costs less than sendmsg(2) as long as the parts are small, and they are.
        data = buffers[0] if len(buffers) == 1 else b"".join(buffers)
        # Tried before it is waited for: a buffer of the kernel nearly always has room.
        try:
            sent = self._send(data)
        except OSError as error:
            sent = self._refused(error, len(data))
        if sent < len(data):
            yield from self._send_rest(memoryview(data)[sent:])
        self._burst += 1 + sent // SENT_PART
        if self._burst > BURST:
            yield from self.yield_turn()

    def _refused(self, error: OSError, left: int) -> int:
        """Nothing was sent; raises unless it is worth trying again."""
        if not isinstance(error, BlockingIOError):
            if error.errno not in SHORT:
                self.unsent = left
                raise peer_gone(error) from error
            self._check_deadline()
            self._short = True
        return 0

    def _until_writable(self) -> Waiter:
        if self._short:
            self._short = False
            return self._io.after_pause(SHORT_PAUSE_S)
        if self.writer is NO_WAITER:
            self.writer = Waiter()
        return self._io.writer_of(self)

    def _send_rest(self, rest: memoryview, following: int = 0) -> Generator[Waiter, None, None]:
        """`following`: bytes that are to be sent after these, by the same operation."""
        self.progressed()
        while rest:
            self.unsent = len(rest) + following
            yield self._until_writable()
            try:
                # A part of a view: the bytes that are left are not copied for each try.
                rest = rest[self._send(rest) :]
            except OSError as error:
                self._refused(error, self.unsent)
            else:
                self.progressed()
        self.unsent = following

    @types.coroutine
    def send_file(
        self, head: bytes, file: File, offset: int, count: int
    ) -> Generator[Waiter, None, None]:
        yield from self._send_head(head, count)
        end = offset + count
        while offset < end:
            self.unsent = end - offset
            size = min(end - offset, SEND_FILE_BYTES)
            # Before each part: sendfile(2) sleeps for a page that is not there, and with it the
            # thread of all connections.
            yield from self._until_resident(file, offset, size)
            try:
                sent = self._sendfile(self.fd, file.fd, offset, size)
            except OSError as error:
                self._refused(error, self.unsent)
                sent = -1
            if sent < 0:
                # Then the pages again: they may have gone while the client was slow.
                yield self._until_writable()
                continue
            # Only the end of the file, since a full buffer is EAGAIN and a signal is tried again
            # (PEP 475).
            if sent == 0:
                raise FileShrank(f"{end - offset} bytes are missing")
            offset += sent
            self.progressed()
            self._burst += 1 + sent // SENT_PART
            if self._burst > BURST:
                yield from self.yield_turn()
        self.unsent = 0

    def _send_head(self, head: bytes, following: int) -> Generator[Waiter, None, None]:
        try:
            # The head waits in the kernel for the first bytes of the file, and shares their packet
            # (send(2)).
            sent = self._send(head, socket.MSG_MORE)
        except OSError as error:
            sent = self._refused(error, len(head) + following)
        if sent < len(head):
            yield from self._send_rest(memoryview(head)[sent:], following)

    @types.coroutine
    def read_file(self, file: File, offset: int, count: int) -> Generator[Waiter, None, bytes]:
        return (yield from self._io.files.read(file, offset, count))

    def waiters(self) -> tuple[Waiter, ...]:
        """Where coroutines may be parked on this connection."""
        return self.reader, self.writer

    async def close(self) -> None:
        self._io.forget(self)
        self._close_socket()

    def _observing(self, emit: Probe) -> dict[str, Around]:
        return super()._observing(emit) | {
            "_recv": partial(probed_call, "recvfrom", emit),
            "_send": partial(probed_call, "sendto", emit),
            "_sendfile": partial(probed_call, "sendfile64", emit),
            "_until_resident": partial(probed_wait, "pages", emit),
        }
