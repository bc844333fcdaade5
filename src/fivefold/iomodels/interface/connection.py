"""A connected stream socket, as every coroutine that serves one sees it, in every model."""

from __future__ import annotations

import contextlib
import os
import select
import socket
import struct
from abc import abstractmethod
from collections.abc import Callable, Sequence
from functools import lru_cache, partial
from ssl import SSLObject
from time import monotonic, thread_time_ns
from typing import Any

from ...isolation.descendants import descendants, end_copy
from ...linux.tcp_info import last_taken_s
from ...linux.timestamping import DONT_WAIT, waited_s
from ..lifetime import NEVER, Lifetime
from ..overlay import Around, Overlay
from ..probes import OPERATIONS, Probe, probed_operation
from .file import File
from .lazy_attribute import lazy_attribute
from .task_runner import TaskRunner
from .waiter import Waiter


class Connection(Lifetime):
    """A connected stream socket; every operation completes whole or raises.

    Raises (all operations): `PeerGone`, `DeadlineExceeded`.
    """

    # Defaults of the class where few connections have another value: from 30 attributes on CPython
    # 3.11 gives each object a table of its own, which costs 1.6 us and 1.3 KiB a connection.
    sock: socket.socket
    fd: int
    io: TaskRunner
    """What runs its coroutine, for content that must wait, too; see `belong_to`."""
    opened_at: float = 0.0
    """`time.monotonic` when it was accepted."""
    remembered: Any = None
    """What content knows of this connection: made once, used for every request (`remember`)."""
    socket_ends: tuple[tuple[str, int | None], tuple[str, int] | None] | None = None
    """Our end and the other one of the socket itself, where a proxy has told of others: what
    the kernel knows it by. See `speak_for`."""
    scheme: str = "http"
    """How the client addresses it; a layer that decrypts says https."""
    tls: SSLObject | None = None
    """What has decrypted it."""
    queued_s: float | None = None
    """How long its first bytes lay in the kernel, before and after it was accepted; None where that
    is not known. See `time_queue`."""
    request_id: str = ""
    """The name of its present request, or of the last one, where requests have names
    (`content.request_ids`)."""
    adding: tuple[Callable[[bytes], bytes], ...] = ()
    """What the head of its present response passes on its way: each puts a field in, unless it is
    there (`content.leaving_head`)."""
    has_asked: bool = False
    """Whether it has had a request: kept where something is said of the first alone."""
    multiplexed: bool = False
    """Whether it is one of several streams on a connection (`http2.stream`)."""
    keeps_place: bool = False
    """Whether a call counts as its client's although that has left (`http2.stream`)."""
    unsent: int = 0
    """Of the send that is under way or has failed: bytes that the kernel has not taken; 0
    once all has been sent."""
    file_copies: int = 0
    """How often `send_file` moves each byte between kernel and process: sendfile(2) does not."""
    processor_ns: Callable[[], int] = staticmethod(thread_time_ns)
    """The clock of the thread that does its operations: it stands still while they wait."""
    _resets = False

    @lazy_attribute
    def peer(self) -> tuple[str, int] | None:
        """Address and port of the client; None where it has none (a UNIX socket, a reset)."""
        try:
            name = self.sock.getpeername()
        except OSError:
            return None
        return name[:2] if isinstance(name, tuple) else None

    @lazy_attribute
    def local(self) -> tuple[str, int | None]:
        """Our own end: address and port, or the path of a UNIX socket and None."""
        name = self.sock.getsockname()
        if isinstance(name, bytes):
            name = "@" + os.fsdecode(name[1:])  # an abstract one (unix(7))
        return the_same(name[:2] if isinstance(name, tuple) else (str(name), None))

    def taken_at(self, now: float) -> float:
        """When the peer took the last of what is held for it while a send waits; `-NEVER` where
        none does or that is not known: the clock may have begun a moment ago, with the machine."""
        silent_s = last_taken_s(self.sock) if self.unsent else None
        return -NEVER if silent_s is None else now - silent_s

    def is_late(self, now: float) -> bool:
        """Whether what is pending has had its time.

        A send waits for room, and the kernel tells of room only when a third of what it holds has
        been taken (sk_stream_is_writeable), of megabytes on a fast line: whoever takes them slowly
        is not one that takes nothing.
        """
        if self.deadline <= now:
            self.took(self.taken_at(now))
        return self.deadline <= now

    def belong_to(self, io: TaskRunner) -> None:
        """Called by the serving model: `io` may be a loop around the model that made it."""
        self.io = io
        self.opened_at = monotonic()

    def speak_for(self, client: tuple[str, int] | None, server: tuple[str, int] | None) -> None:
        """The peer is a proxy: from now on `peer` and `local` are the ends of its client's
        connection. `server` is None where it does not say which address that has reached."""
        self.socket_ends = self.local, self.peer
        self.peer = client
        self.local = server or self.local

    def remember(self, known: Any) -> None:
        """Content knows this of it."""
        self.remembered = known

    def name_request(self, name: str) -> None:
        """Its present request has this name."""
        self.request_id = name

    def begin_request(self, adding: tuple[Callable[[bytes], bytes], ...]) -> None:
        """A request has come, to whose response these add fields."""
        self.adding = adding
        self.note_request()

    def note_request(self) -> None:
        """From now on its requests are not the first."""
        self.has_asked = True

    def time_queue(self) -> None:
        """Learn `queued_s`, from a listener that stamps (`linux.timestamping`); called before the
        first receive.

        Here only of bytes that are there by now: where the kernel reads by itself, it does not say
        when later ones have come.
        """
        with contextlib.suppress(OSError):  # nothing is there; or the receive will raise it
            self.queued_s = waited_s(self.sock, DONT_WAIT)

    @abstractmethod
    async def recv(self) -> bytes:
        """Some bytes; b"" at the end of the stream."""

    def has_come(self) -> bool:
        poll = select.poll()
        poll.register(self.fd, select.POLLIN)
        return bool(poll.poll(0))

    @abstractmethod
    async def send(self, *buffers: bytes) -> None:
        """Send all of it; short writes are the model's business."""

    def send_soon(self, data: bytes) -> bool:
        """Have a whole answer sent before the thread waits again, if the model does that and
        can; False if `send` must be awaited instead.

        Later operations come after it, and raise what became of it.  With no data it only
        says whether the next one would be taken, if nothing else happens meanwhile.
        """
        return False

    @abstractmethod
    async def send_file(self, head: bytes, file: File, offset: int, count: int) -> None:
        """Send `head`, then `count` bytes of `file` from `offset`.

        One operation, so that the head shares the first packet with the file.
        Raises `FileShrank` if the file ends earlier.
        """

    @abstractmethod
    async def read_file(self, file: File, offset: int, count: int) -> bytes:
        """Up to `count` bytes of a regular file; fewer only at its end."""

    async def settled(self) -> None:
        """Wait until the kernel has all that was sent, where `send` does not."""

    @abstractmethod
    async def yield_turn(self) -> None:
        """Go on once all others of the thread that can go on have had a turn.

        An operation that need not wait returns at once: awaiting one gives no other a turn.
        """

    def waiters(self) -> Sequence[Waiter]:
        """Where coroutines may be parked until the model resumes them; none in a layer."""
        return ()

    @abstractmethod
    async def close(self) -> None:
        """Give the descriptor back, after whatever the kernel still does with it."""

    def observe(self, emit: Probe) -> Overlay:
        """Emit an event when an operation begins and when it ends, until the overlay is lifted; for
        tracing.  Costs nothing until it is called: this one connection gets other methods.
        """
        return Overlay(self, **self._observing(emit))

    def _observing(self, emit: Probe) -> dict[str, Around]:
        watched: dict[str, Around] = {
            name: partial(probed_operation, self, name, emit) for name in OPERATIONS
        }
        return watched | {"send_soon": lambda _: _never}

    def shutdown_send(self) -> None:
        """Tell the peer that nothing follows, but keep reading (shutdown(2), SHUT_WR)."""
        self._shutdown(socket.SHUT_WR)

    def interrupt(self) -> None:
        """End a pending `recv` as if the peer had closed; from any thread.

        Data that already arrived is still delivered first (tcp(7)), so a request
        that raced with the interruption is not lost.
        """
        self._shutdown(socket.SHUT_RD)

    def abort(self) -> None:
        """End whatever is pending with an error, within a tick; from any thread."""
        self.expire()
        self._shutdown(socket.SHUT_RDWR)

    def reset_on_close(self) -> None:
        """Let `close` drop what is unsent instead of keeping it for a peer that takes nothing."""
        # A time of 0: close(2) drops what is unsent and sends a reset instead of a FIN (socket(7)).
        self._resets = True
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))

    def how_to_end(self, *, is_sending: bool) -> int:
        """How to shut down before a close what the kernel still does with the descriptor: by a
        FIN, which a client might take for the end of its answer, only if there is no reset to
        come, or if it stands behind what the client does not take."""
        return socket.SHUT_RD if self._resets and not is_sending else socket.SHUT_RDWR

    def give_up(self) -> None:
        """In a process that an application has forked: close this copy, at once and without a
        word to the client or to the model, whose descriptors are shared with the parent."""
        self.sock.close()
        Overlay(self, **dict.fromkeys((*OPERATIONS, "send_soon"), lambda _: end_copy))

    def _close_socket(self) -> None:
        """Close the descriptor, and end the connection also where a child has a copy of it."""
        # close(2) ends this descriptor; shutdown(2) ends the connection behind all copies of it.
        if descendants.exist and not self._resets:  # which would be no reset
            self._shutdown(socket.SHUT_RDWR)
        self.sock.close()

    def _shutdown(self, how: int) -> None:
        try:
            self.sock.shutdown(how)
        except OSError:
            pass  # ENOTCONN or EBADF: the peer or we were faster; it is down either way


@lru_cache(64)
def the_same(end: tuple[str, int | None]) -> tuple[str, int | None]:
    """One object for all connections to an address of ours."""
    return end


def _never(_: bytes) -> bool:
    """An observed connection holds nothing back: each send is told by itself."""
    return False
