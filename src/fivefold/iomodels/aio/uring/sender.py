"""Sending through the ring: at most one send of a connection is on its way.

Where the kernel has silent sends, `send` only puts the data into the model's sends.
They go out with the next io_uring_enter, and after that call one of three things is
certain: all of it was taken and there is no completion; a part was taken, and the rest
is submitted as a second send, which completes aloud; or it failed, and the connection's
next operation says so.  Elsewhere each send waits for its completion.
"""

from __future__ import annotations

import os
import types
from abc import abstractmethod
from collections.abc import Generator
from errno import EAGAIN, ECANCELED, EINTR, ENOBUFS, ENOMEM
from socket import MSG_NOSIGNAL, socket

from ....linux.io_uring import abi
from ....linux.io_uring.queues import BYTES_HEADER
from ...batching.holding import HoldingConnection
from ...budget import BURST, SENT_PART
from ...interface import NO_WAITER, Waiter
from ...readiness.connection import peer_gone
from .files import Chunk
from .operations import SEND, SILENT, Target
from .ring_scheduler import RingScheduler

SILENT_BYTES = 65536
"""Sends up to this size return before they are submitted; larger ones wait until all is sent."""

AGAIN = {EAGAIN, ECANCELED, EINTR, ENOMEM, ENOBUFS}
"""A receive or send that ended so is simply submitted again, until there is memory each turn."""


class UringSender(HoldingConnection, Target):
    """The sending half of a connection."""

    most_bytes = SILENT_BYTES

    # Of the class, as in `Connection`: few connections ever have another value.
    writer = NO_WAITER
    # What is on its way: an object that keeps the memory alive, and which part of it.
    _sending: bytes | Chunk | None = None
    _send_at = _send_left = 0
    _shutdown_due = False
    _failure = 0
    _following = 0
    """Bytes that the present operation will send after what is on its way."""

    def __init__(self, io: RingScheduler, sock: socket) -> None:
        self.sock = sock
        self.fd = sock.fileno()
        self.number = io.register(self)
        self.send_word = abi.sqe_word(abi.OP_SEND, self.fd, flags=abi.SQE_CQE_SKIP_SUCCESS)
        self.send_user_data = self.number << 2 | SILENT
        self._io = io
        self._held = self._sends = io.sends
        self._silent = io.features.silent_sends
        self._occupied = not self._silent

    @types.coroutine
    def send(self, *buffers: bytes) -> Generator[Waiter, None, None]:
        data = buffers[0] if len(buffers) == 1 else b"".join(buffers)
        if type(data) is not bytes:
            data = bytes(data)  # its memory is handed to the kernel by address
        if self._failure:
            self.unsent = len(data)
            raise self._error()
        if not self.send_soon(data):
            yield from self._send_all(data)
        self._burst += 1 + len(data) // SENT_PART
        if self._burst > BURST:
            yield from self.yield_turn()

    @types.coroutine
    def yield_turn(self) -> Generator[Waiter, None, None]:
        self._burst = 0
        yield self._io.next_turn()

    def _send_now(self, data: bytes) -> bool:
        if self._burst > BURST or self._sends.holds(self):
            return False  # a send waits, and gives others their turn
        self._burst += 1
        self._sends.queued[self] = data
        self._io.submit()
        return True

    def _let_go(self) -> None:
        self._io.submit()

    def _send_all(self, data: bytes) -> Generator[Waiter, None, None]:
        yield from self._earlier(len(data))
        if not data:
            return
        if self._silent:
            self.unsent = len(data)
            self._sends.queued[self] = data
        else:
            self._start(data, id(data) + BYTES_HEADER, len(data))
        yield from self._settled()
        self.unsent = 0

    def _start(self, keeper: bytes | Chunk, address: int, count: int) -> None:
        """Submit a send; `keeper` keeps the memory alive until it has completed."""
        self._sending = keeper
        self._occupied = True
        self._send_at, self._send_left = address, count
        self.unsent = count + self._following
        # Not MSG_WAITALL: each part that is sent gives the peer more time (`progressed`).
        self._io.ring.push(
            abi.sqe_word(abi.OP_SEND, self.fd),
            self.number << 2 | SEND,
            address=address,
            length=count,
            flags=MSG_NOSIGNAL,
        )

    def _sent(self, result: int) -> None:
        """A send of `_start` completed, whole or in part or with an error."""
        keeper = self._sending
        assert keeper is not None
        if result < 0 and -result not in AGAIN:
            self._sending = None
            self._fail(-result)
        else:
            self._send_left -= max(result, 0)
            if self._send_left and not self._io.ending:
                if self.writer.task is not None:
                    self.progressed()
                self._start(keeper, self._send_at + max(result, 0), self._send_left)
                return
            self._sending = None
            self._occupied = bool(self._failure) or not self._silent
            self.unsent = self._send_left + self._following
        self._release_if_over()
        self.settle()

    def _refused(self, result: int) -> None:
        """A silent send could not be made whole at once: send the rest, or fail later."""
        data = self._sends.flying.pop(self)  # kept until now, because this may come
        later = self._sends.queued.pop(self, b"")
        if result >= 0 or -result in AGAIN:
            if result > 0 and self.writer.task is not None:
                self.progressed()
            # In one send: io_uring orders nothing that is not linked (io_uring_enter(2),
            # IOSQE_IO_LINK), and two sends of one socket could overtake each other.
            rest = data[max(result, 0) :] + later
            self._start(rest, id(rest) + BYTES_HEADER, len(rest))
        else:
            self._fail(-result)

    def _fail(self, number: int) -> None:
        """What becomes of an operation is raised by the next one."""
        self._failure = self._failure or number
        self._occupied = True

    def _earlier(self, total: int) -> Generator[Waiter, None, None]:
        """Wait for what was sent before, on behalf of an operation of `total` bytes."""
        try:
            yield from self._settled()
        except BaseException:
            self.unsent = total  # it never began
            raise

    def _settled(self) -> Generator[Waiter, None, None]:
        """Wait until nothing is on its way out; raises if it did not get there."""
        sends = self._sends
        while self._sending is not None or sends.holds(self):
            if self._sending is None:
                sends.unsettled.append(self)
            if sends.cautious and not self._io.ending:
                self._io.submit()
            # Again, because `submit` may have sent all of it, and no completion would resume us.
            if self._sending is not None or sends.holds(self):
                if self.writer is NO_WAITER:
                    self.writer = Waiter()
                yield self.writer
        if self._failure:
            raise self._error()

    @types.coroutine
    def settled(self) -> Generator[Waiter, None, None]:
        yield from self._settled()

    def settle(self) -> None:
        """Called when what was to leave silently is certainly sent, unless there is more."""
        if self._sends.holds(self):
            self._sends.unsettled.append(self)
        elif self._sending is None:
            if self._shutdown_due:
                self._shutdown_due = False
                super().shutdown_send()
            self._io.go_on(self.writer)

    def shutdown_send(self) -> None:
        if self._sending is None and not self._sends.holds(self):
            super().shutdown_send()
        else:
            self._shutdown_due = True  # after what was sent before
            self._sends.unsettled.append(self)

    @abstractmethod
    def _release_if_over(self) -> None:
        """Close the descriptor if the connection is closed and nothing is pending."""

    def _error(self) -> Exception:
        return peer_gone(OSError(self._failure, os.strerror(self._failure)))
