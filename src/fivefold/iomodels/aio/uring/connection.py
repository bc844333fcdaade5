"""A connection whose operations are in the ring."""

from __future__ import annotations

import types
from collections import deque
from collections.abc import Generator
from errno import ENOBUFS
from socket import socket
from time import monotonic

from ....errors import DeadlineExceeded, FileShrank, PeerGone
from ....linux.io_uring import abi
from ....linux.io_uring import queues as io_uring
from ...budget import BURST, RECEIVED_PART
from ...interface import NO_WAITER, File, Waiter
from ...readiness.connection import RECV_BYTES
from .files import CHUNK_BYTES, FileReads
from .operations import RECEIVE, SEND
from .ring_scheduler import RingScheduler
from .sender import AGAIN, UringSender

HIGH_WATER_BYTES = 32768
"""What may lie in the inbox unread; above it the receive is cancelled and TCP holds the rest.
What arrives until the kernel has heard of that comes on top."""

PIECE_BYTES = 64
"""What a piece takes beside its bytes: a client may send them one by one."""


class UringConnection(UringSender):
    """At most one receive and one send are in the ring at a time."""

    file_copies = 2

    # Of the class, as in `Connection`: few connections ever have another value.
    _released = NO_WAITER
    _inbox: tuple[()] | deque[bytes] = ()
    _inbox_bytes = 0
    _own: bytearray | None = None
    _pausing = _ended = _closed = _ran_out = _unread = False

    def __init__(self, io: RingScheduler, sock: socket, files: FileReads) -> None:
        super().__init__(io, sock)
        self._files = files
        self.reader = Waiter()
        self._receiving = False

    @types.coroutine
    def recv(self) -> Generator[Waiter, bytes | None, bytes]:
        if self._inbox and self._burst > BURST:
            yield from self.yield_turn()
            if monotonic() >= self.deadline:
                raise DeadlineExceeded
        while not self._inbox:
            # Before another receive: the kernel reports an error of a socket once (SO_ERROR,
            # socket(7)), and what comes after it looks like the end of the stream.
            if self._failure:
                raise self._error()
            if not self._receiving:
                if self._ended:
                    return b""
                self._receive()
            # The model sends the data itself where it can; None means: look in the inbox.
            data = yield self.reader
            if data is not None:
                return data
        data = self._first()
        self._burst += 1 + len(data) // RECEIVED_PART
        return data

    def has_come(self) -> bool:
        # The kernel may have taken it from the socket already, and the ring tells of it next.
        return bool(self._inbox) or self._io.ring.has_news or super().has_come()

    def _first(self) -> bytes:
        assert self._inbox
        data = self._inbox.popleft()
        self._inbox_bytes -= len(data) + PIECE_BYTES
        if not self._inbox:
            self._inbox = ()  # an empty deque takes 600 bytes
        return data

    @property
    def _recv_user_data(self) -> int:
        return self.number << 2 | RECEIVE

    def _receive(self) -> None:
        """Submit a receive: multishot, or one into a buffer of the ring or of our own."""
        self._receiving = True
        ring, buffers = self._io.ring, self._io.buffers
        if buffers is None:
            self._own = own = self._own or bytearray(RECV_BYTES)
            word = abi.sqe_word(abi.OP_RECV, self.fd)
            address = io_uring.address_of(own)
            ring.push(word, self._recv_user_data, address=address, length=RECV_BYTES)
            return
        # A multishot receive takes all buffers that there are, if so much is waiting for it:
        # after it ran out of them once, one buffer, so that something is left for the others.
        multishot = self._io.features.multishot_recv and not self._ran_out
        self._ran_out = False
        ioprio = abi.RECV_MULTISHOT if multishot else 0
        word = abi.sqe_word(abi.OP_RECV, self.fd, flags=abi.SQE_BUFFER_SELECT, ioprio=ioprio)
        length = 0 if multishot else buffers.size
        ring.push(word, self._recv_user_data, length=length, group=buffers.group)

    def received(self, result: int, flags: int) -> None:
        """A receive completed; the common case is written out in the model's loop."""
        if not flags & abi.CQE_MORE:
            self._receiving = self._pausing = False
        again = not self._note(result, flags)
        if self._closed:
            self._release_if_over()
        elif not again:
            self._io.go_on(self.reader)
        elif self.reader.task is not None and not self._receiving:
            self._io.counts["rearmed"] += 1
            self._receive()

    def _note(self, result: int, flags: int) -> bool:
        """Put away what a receive brought; False if it must only be submitted again."""
        data = b""
        if flags & abi.CQE_BUFFER:
            data = self._io.take(result, flags)
        elif result > 0:
            assert self._own is not None
            data = bytes(memoryview(self._own)[:result])
        if data:
            self.keep(data)
        elif result == 0:
            self._ended = True
        elif -result == ENOBUFS:
            self._ran_out = True
            self._io.counts["ran out of buffers"] += 1
            return False
        elif -result in AGAIN:
            return False
        else:
            self._fail(-result)
        return True

    def keep(self, data: bytes) -> None:
        if self._closed:
            self._unread = True
            return
        if not self._inbox:
            self._inbox = deque()
        self._inbox.append(data)
        self._inbox_bytes += len(data) + PIECE_BYTES
        if self._inbox_bytes > HIGH_WATER_BYTES and self._receiving and not self._pausing:
            # Cancelled, because a multishot receive takes buffers as long as data come, read or not
            # (io_uring_prep_recv_multishot(3)); the window of TCP closes behind it.
            self._pausing = True
            self._io.counts["paused receives"] += 1
            self._io.cancel(self._recv_user_data)

    @types.coroutine
    def send_file(
        self, head: bytes, file: File, offset: int, count: int
    ) -> Generator[Waiter, None, None]:
        if len(head) > CHUNK_BYTES // 2:
            yield from self._send_all(head)
            head = b""
        yield from self._earlier(len(head) + count)
        files = self._files
        chunk = files.chunk()
        filled = len(head)
        chunk.memory[:filled] = head
        end = offset + count
        while filled or offset < end:
            self.unsent = filled + end - offset
            wanted = min(end - offset, CHUNK_BYTES - filled)
            done = yield from files.into(chunk, filled, file, offset, wanted)
            offset += done
            if filled + done:
                self._following = end - offset
                self._start(chunk, chunk.address, filled + done)
                yield from self._settled()
            if done < wanted:
                files.give_back(chunk)
                raise FileShrank(f"{end - offset} bytes are missing")
            filled = 0
        self._following = self.unsent = 0
        files.give_back(chunk)

    @types.coroutine
    def read_file(self, file: File, offset: int, count: int) -> Generator[Waiter, None, bytes]:
        return (yield from self._files.read(file, offset, count))

    async def close(self) -> None:
        if self._closed:
            return
        if not self._io.ending:
            try:
                await self.settled()
            except (PeerGone, DeadlineExceeded, OSError):
                pass  # the client has left: the rest is lost
        self._closed = True
        self._unread = bool(self._inbox)
        # From here on no sweep finds it: no deadline may end the wait at the end of this.
        self._io.forget(self.number)
        self._sends.queued.pop(self, None)
        self._inbox = ()
        if self._receiving or self._sending is not None:
            # The one call that ends both; the descriptor is closed with the last completion.
            self._shutdown(self.how_to_end(is_sending=self._sending is not None))
        self._release_if_over()
        # Waited for, because no caller may turn this ring once the coroutine has ended.
        self._released = Waiter()
        while self.fd >= 0 and not self._io.ending:
            await self._released

    def _release_if_over(self) -> None:
        if self._closed and not self._receiving and self._sending is None:
            self._io.targets.pop(self.number, None)
            if self._unread:
                # As the kernel does where the data is still with it (RFC 2525, section 2.17):
                # else a peer that met a closed window would go on waiting for it to open.
                self.reset_on_close()
            self._close_socket()
            self.fd = -1
            self._io.go_on(self._released)

    def completed(self, kind: int, result: int, flags: int) -> None:
        if kind == RECEIVE:
            self.received(result, flags)
        elif kind == SEND:
            self._sent(result)
        else:
            self._refused(result)

    def pending(self) -> list[int]:
        receive = [self._recv_user_data] if self._receiving else []
        return receive + ([self.number << 2 | SEND] if self._sending is not None else [])

    def waiters(self) -> list[Waiter]:
        return [self.reader, self.writer, self._released]
