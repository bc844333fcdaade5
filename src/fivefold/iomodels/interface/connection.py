"""The interface between a connection and its I/O model, and nothing else.

A connection coroutine is written once and awaits the methods of `Connection` and
`Listener`; each I/O model supplies those methods.  What differs between the models
is only *how they wait*: a coroutine that has to wait yields a `Waiter`, and the
model resumes the coroutine when trying (or collecting) is worth while.

Rules of the file:

- One `IOModel` per thread, created in that thread and after any fork: rings, epoll
  descriptors, signal masks and owners must not cross either.
- `wake` and `Connection.interrupt` may be called from any thread; everything else
  only from the model's own thread.
- A pending operation raises `DeadlineExceeded` once `Connection.deadline` has passed,
  in every model; it is noticed within one `tick_s`.
"""

from __future__ import annotations

import os
import socket
import struct
from abc import ABC, abstractmethod
from collections.abc import Callable, Coroutine, Generator
from dataclasses import dataclass
from functools import cached_property, partial
from ssl import SSLObject
from time import thread_time_ns
from typing import Any, ClassVar

from ...isolation.descendants import descendants, end_copy
from ..lifetime import Lifetime
from ..overlay import Around, Overlay
from ..probes import OPERATIONS, Probe, probed_operation

Task = Coroutine[Any, None, Any]
"""A coroutine that yields `Waiter` objects to the model that drives it."""


@dataclass(frozen=True)
class Traits:
    """Facts about an I/O model, as data, so that no code needs to ask for its name."""

    overlaps: bool
    """Whether one thread can have several connections waiting at once."""

    waits_in: str
    """Where the thread sleeps, in words (a system call, mostly)."""

    files: str
    """How regular files are read, in words: no kernel offers readiness for them."""

    limit: str = ""
    """What bounds the number of connections per thread, in words; empty: only RLIMIT_NOFILE."""

    descriptors: int = 1
    """How many descriptors a connection takes."""

    own_descriptors: int = 0
    """How many the model takes for itself, in each thread that has one."""

    max_connections: int | None = None
    """The same as a number, where the engine itself has one."""

    takes_turns: bool = False
    """Whether the kernel wakes one of the processes that accept on a shared listener, in turn,
    and never one that does something else: so they can share one."""


class Waiter:
    """What a suspended coroutine waits for.

    The model that receives it from a `yield` stores the coroutine in `task` and
    resumes it later.  `hints` counts the reasons to try at once instead of waiting:
    an edge-triggered event or a signal that came while nobody was waiting.  `ended` says
    that the stream has: a call will not block, however often it is tried.
    """

    __slots__ = ("ended", "hints", "task")

    def __init__(self, hints: int = 0) -> None:
        self.task: Task | None = None
        self.hints = hints
        self.ended = False

    def __await__(self) -> Generator[Waiter, None, None]:
        yield self


class File:
    """An open regular file, and what a model remembers about its pages.

    `resident_until` is monotonic seconds: so long a model may assume that the bytes from
    `resident_from` to `resident_to` are still in memory, because it has just seen them there.
    """

    __slots__ = ("fd", "resident_from", "resident_to", "resident_until", "size")

    def __init__(self, fd: int, size: int) -> None:
        self.fd = fd
        self.size = size
        self.resident_from = self.resident_to = 0
        self.resident_until = 0.0


class Connection(Lifetime):
    """A connected stream socket; every operation completes whole or raises.

    Raises (all operations): `PeerGone`, `DeadlineExceeded`.
    """

    sock: socket.socket
    fd: int
    io: IOModel
    """The model it waits with, for content that must wait, too; see `belong_to`."""
    remembered: Any = None
    """What content knows of this connection: made once, used for every request."""
    socket_ends: tuple[tuple[str, int | None], tuple[str, int] | None] | None = None
    """Our end and the other one of the socket itself, where a proxy has told of others: what
    the kernel knows it by. See `speak_for`."""
    scheme: str = "http"
    """How the client addresses it; a layer that decrypts says https."""
    tls: SSLObject | None = None
    """What has decrypted it."""
    unsent: int = 0
    """Of the send that is under way or has failed: bytes that the kernel has not taken; 0
    once all has been sent."""
    file_copies: int = 0
    """How often `send_file` moves each byte between kernel and process: sendfile(2) does not."""
    processor_ns: Callable[[], int] = staticmethod(thread_time_ns)
    """The clock of the thread that does its operations: it stands still while they wait."""
    _resets = False

    @cached_property
    def peer(self) -> tuple[str, int] | None:
        """Address and port of the client; None where it has none (a UNIX socket, a reset)."""
        try:
            name = self.sock.getpeername()
        except OSError:
            return None
        return name[:2] if isinstance(name, tuple) else None

    @cached_property
    def local(self) -> tuple[str, int | None]:
        """Our own end: address and port, or the path of a UNIX socket and None."""
        name = self.sock.getsockname()
        if isinstance(name, bytes):
            name = "@" + os.fsdecode(name[1:])  # an abstract one (unix(7))
        return name[:2] if isinstance(name, tuple) else (str(name), None)

    def belong_to(self, io: IOModel) -> None:
        """Called by the serving model: `io` may be a loop around the model that made it."""
        self.io = io

    def speak_for(self, client: tuple[str, int] | None, server: tuple[str, int] | None) -> None:
        """The peer is a proxy: from now on `peer` and `local` are the ends of its client's
        connection. `server` is None where it does not say which address that has reached."""
        self.socket_ends = self.local, self.peer
        self.peer = client
        self.local = server or self.local

    @abstractmethod
    async def recv(self) -> bytes:
        """Some bytes; b"" at the end of the stream."""

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

        An operation that need not wait returns at once: awaiting one gives nobody a turn.
        """

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
        """Close the descriptor, and end the connection also where somebody has a copy of it."""
        if descendants.exist and not self._resets:  # which would be no reset
            self._shutdown(socket.SHUT_RDWR)
        self.sock.close()

    def _shutdown(self, how: int) -> None:
        try:
            self.sock.shutdown(how)
        except OSError:
            pass  # ENOTCONN or EBADF: the peer or we were faster; it is down either way


def _never(_: bytes) -> bool:
    """An observed connection holds nothing back: each send is told by itself."""
    return False


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
    def close(self) -> list[socket.socket]:
        """Stop watching and return what is still queued: these clients are connected.

        The listening socket stays open; it belongs to the serving model.
        """


def _nothing() -> None:
    """What is done at each tick unless somebody wants more."""


class IOModel(ABC):
    """How one thread waits for the kernel."""

    name: ClassVar[str]
    """Stevens' word: blocking, nonblocking, multiplexing, sigio, aio."""
    engine: ClassVar[str]
    """The system call family; equal to `name` where the model has one engine."""
    traits: ClassVar[Traits]
    woken: Waiter
    """Awaited by the coroutine that wants to know that `wake` was called."""
    thread: int = 0
    """Which one made it (`threading.get_ident`), for content that has to know; set by that."""
    _ticked: Callable[[], None] = staticmethod(_nothing)
    """Called by the model, see `on_tick`."""
    exhausted: Callable[[], object] = staticmethod(_nothing)
    """Called when a descriptor is wanted and there is none: content that keeps some that it can do
    without sets this, and gives them back. From any thread."""

    @classmethod
    @abstractmethod
    def available(cls) -> str | None:
        """None, or the reason why this engine cannot run here."""

    @abstractmethod
    def __init__(self, *, tick_s: float = 1.0, connections: int = 1024) -> None:
        """`connections` is how many are expected at once: it sizes queues, it limits nothing."""

    @abstractmethod
    def connection(self, sock: socket.socket) -> Connection:
        """Take over a connected socket. Raises `LimitReached`."""

    @abstractmethod
    def listener(self, sock: socket.socket) -> Listener:
        """Watch a listening socket."""

    @abstractmethod
    def run(self, main: Task) -> Any:
        """Drive `main`, and all that it spawns meanwhile, until `main` returns.

        May be called in a coroutine that this drives: the others go on, that one waits.
        """

    @abstractmethod
    def spawn(self, task: Task) -> None:
        """Drive `task` beside the others; where `traits.overlaps` is False, to its end, now.

        What it raises is logged, and ends it alone.
        """

    @abstractmethod
    async def sleep(self, seconds: float) -> None:
        """Let others run for so long; precise to the model's own wait."""

    @abstractmethod
    def resume(self, waiter: Waiter) -> None:
        """Let the coroutine that awaits `waiter`, if any, go on in the next turn."""

    @abstractmethod
    def resume_threadsafe(self, waiter: Waiter) -> None:
        """Resume `waiter` soon; unlike `resume`, from any thread."""

    @abstractmethod
    def wake(self) -> None:
        """End the current wait, and resume what awaits `woken`; from any thread or handler."""

    @property
    @abstractmethod
    def wake_fd(self) -> int:
        """A descriptor for `signal.set_wakeup_fd`, or -1 where waits end by themselves."""

    def until_readable(self, sock: socket.socket) -> None:  # noqa: B027 - most have nothing to do
        """Return when there is something to read from `sock`, or at once if this model has
        nothing else to do meanwhile: then the read itself is to wait.

        Called between two connections, outside of `run`.
        """

    def on_tick(self, call: Callable[[], None]) -> None:
        """Have `call` called from now on about once every `tick_s`, in this thread, also while
        nothing happens; more often does no harm."""
        self._ticked = call

    @abstractmethod
    def close(self) -> None:
        """Release descriptors and threads; connections must be closed before."""

    def give_up(self) -> None:
        """In a process that an application has forked: let go of what is shared with the parent,
        and would be taken away from it there; mostly nothing."""
        return

    def statistics(self) -> dict[str, int]:
        """Counters that show what the model did, e.g. tries per operation."""
        return {}
