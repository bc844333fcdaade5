"""What the three serving models share: their promises, and accepting.

A serving model is handed listening sockets, the connection coroutine (`handler`) and a
factory for I/O models (`new_io`), and brings them together; it knows no concrete I/O
model and nothing of HTTP.
"""

from __future__ import annotations

import errno
import signal
import socket
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Collection
from dataclasses import dataclass, field
from typing import Any, ClassVar, Protocol

from ..iomodels.interface import IOModel, Listener
from ..isolation.descendants import descendants
from ..isolation.reporting import logger
from ..processes.grace import Grace
from ..processes.ready_pipe import NOBODY_LISTENS, Announcement
from ..processes.stopping import Stopping
from .limit import DESCRIPTORS, SETTING, Limit, affordable, refused_at_once
from .open_connections import Handler, Naming, OpenConnections, nameless
from .refusing import Refusal, Refusals
from .stealing import OtherQueues

log = logger("fivefold.serving")

HOPELESS = {errno.EBADF, errno.EINVAL, errno.ENOTSOCK}
"""accept(2) can never succeed: it is no listening socket. Whatever else is missing (EMFILE,
ENFILE, ENOBUFS, ENOMEM) comes back by itself."""

EXHAUSTED_PAUSE_S = 0.1
"""Until the next try then: long enough not to spin, short enough not to be felt."""


class NewIO(Protocol):
    """Makes an I/O model for the calling thread; `connections`: how many it will have;
    `serves` is false where it only accepts them."""

    def __call__(self, connections: int, *, serves: bool = True) -> IOModel: ...


class WorkerHooks:
    """What the access log does in every process that serves; without one, nothing."""

    def started(self) -> None:
        """Called once in its main thread, before the first connection."""

    def idle(self) -> None:
        """Called when it has nothing to do until it gets another connection."""

    def ended(self) -> None:
        """Called in each process of a pool when it ends."""


@dataclass(frozen=True)
class ServingTraits:
    """Facts about a serving model, as data."""

    runs: str
    """What runs one connection, in words."""

    crash_takes: str
    """What is lost when the code that serves a connection dies (not: raises)."""

    default_connections: int
    """Connections at once, unless the user says otherwise."""

    one_thread: bool
    """Whether one thread runs all connections of a worker."""

    many_threads: bool
    """Whether several threads of one process run connections."""

    scales_by_workers: bool
    """Whether `--workers` applies."""

    can_be_fresh: bool
    """Whether `--fresh` applies."""


@dataclass(frozen=True)
class ServingOptions:
    """What a serving model may be told."""

    max_connections: int
    fresh: bool = False
    """Never reuse what served a connection."""
    grace: Grace = field(default_factory=Grace)
    """How long connections may finish their exchange after a request to stop, and content end."""
    startup_s: float | None = None
    """Until a process of a pool must be ready, or it is killed; None to wait for ever."""
    stuck_s: float | None = None
    """Until a process that seems stuck is ended (`pulse`); None to bear it."""
    refusal: Refusal | None = None
    """What a client beyond the limit is answered; None to let it wait in the kernel's queue."""
    naming: Naming = nameless
    """What the log says of requests that are cut when grace is over."""


class ServingModel(ABC):
    """What runs a connection. One instance per worker process, run in its main thread."""

    name: ClassVar[str]
    traits: ClassVar[ServingTraits]

    def __init__(
        self,
        listeners: list[socket.socket],
        handler: Handler,
        new_io: NewIO,
        options: ServingOptions,
        on_ready: Announcement = NOBODY_LISTENS,
        *,
        hooks: WorkerHooks | None = None,
        others: Collection[socket.socket] = (),
    ) -> None:
        """`others`: listening sockets of all workers, to look into (`stealing`)."""
        self.listeners = listeners
        self.others = others
        self.handler = handler
        self.new_io = new_io
        self.options = options
        self.on_ready = on_ready
        self.hooks = hooks or WorkerHooks()
        self.stopping = False
        self.is_worn = False
        """Whether a process of a pool shall serve no other connection."""
        self.stops = Stopping()
        self.open = OpenConnections(on_ready.draining, self.has_ended, options.naming)
        """Those of this process."""
        self._io: IOModel | None = None
        self._refusals: Refusals | None = None
        """Made with the first client that is refused."""
        self._deaf: BaseException | None = None
        """Why this worker cannot accept any more."""

    @abstractmethod
    def run(self) -> None:
        """Serve until `stop` is called, then until connections have ended or grace is over."""

    def stop(self) -> None:
        """Ask for the end; from a signal handler or any thread, at any moment. Again when there
        is less time than there was (`Grace`)."""
        self.options.grace.begin()
        self.stopping = True
        if self._io is not None:
            self._io.wake()

    def finish_connections(self) -> None:
        """Let those of this process end after their exchange, in the time that it has."""
        self.open.finish(self.options.grace.last_call_s)

    def cut_connections(self) -> None:
        """End those of this process: their time is over."""
        self.open.cut(self.options.grace.why_over)

    # runs in: the thread that ends requests (`inspection.overdue_requests`)

    def has_ended_request(self) -> None:
        """A call of the application is left behind, and may keep a thread of this process: of a
        pool, it ends with its connection."""
        self.is_worn = True

    def cannot_go_on(self) -> None:
        """The application keeps so much of this process that it is to be replaced."""
        self.on_ready.draining.hangs()

    def has_ended(self) -> None:  # noqa: B027 - most have nothing to do
        """A connection of this process has."""

    def has_refused(self) -> None:  # noqa: B027 - for who counts (`Overlay`)
        """A client beyond the limit, in the thread that accepts."""

    def has_lost(self) -> None:  # noqa: B027 - the same
        """A process of this worker has died unasked; only `process` has any."""

    def begin_anew(self) -> OpenConnections:
        """Connections of the calling process, which its parent does not serve."""
        self.open = OpenConnections(naming=self.options.naming)
        return self.open

    def _begin(self, io: IOModel) -> None:
        """Called in each process that accepts or serves, with the model of its main thread."""
        self.stops.look()  # making the model has started an ASGI application
        wake_on_signals(io)
        listeners = [sock.close for sock in (*self.listeners, *self.others)]
        descendants.give_up(*listeners, self.on_ready.close, io.give_up)

    def limit(self, each: int, bounds: dict[str, int]) -> Limit:
        """Connections at once: as asked for, as there are descriptors (`each` takes so many), and
        as `bounds` say."""
        options = self.options
        refused = 0 if options.refusal is None else refused_at_once()
        ours = {SETTING: options.max_connections, DESCRIPTORS: affordable(each, refused)}
        return Limit(ours | bounds, refuses=options.refusal is not None)

    @property
    def refuses(self) -> bool:
        """Whether a client for whom there is no room is refused; one that is in the queue when
        the server stops is served."""
        return self.options.refusal is not None and not self.stopping

    def refuse(self, sock: socket.socket) -> None:
        """In the thread that accepts; never waits."""
        if self._refusals is None:
            assert self.options.refusal is not None
            self._refusals = Refusals(self.options.refusal, refused_at_once())
        self._refusals.add(sock)
        self.has_refused()

    def end_accepting(self) -> None:
        """Called at the end of `run`. Raises what ended the accepting, if something did."""
        if self._refusals is not None:
            self._refusals.close(self.options.grace.until())
        if self._deaf is not None:
            raise self._deaf

    def queues(self, io: IOModel, room: Callable[[], int]) -> list[Listener]:
        """Where to accept from; `room`: how many connections could be served now."""
        listeners: list[Listener] = [io.listener(sock) for sock in self.listeners]
        if self.others:
            listeners.append(OtherQueues(io, self.others, room))
        return listeners

    async def close_listeners(self, listeners: list[Listener], hand_over: HandOver) -> None:
        """Hand over the clients that are connected already; refuse later ones, and those as well
        that come while others are handed over: the kernel would reset them at the close."""
        connected = [sock for listener in listeners for sock in listener.close()]
        for sock in (*self.listeners, *self.others):
            sock.close()
        for sock in connected:
            await hand_over(sock)

    async def leave_listeners(self, listeners: list[Listener], hand_over: HandOver) -> None:
        """Hand over the clients that are accepted already; later ones are for others."""
        for listener in listeners:
            for sock in listener.leave():
                await hand_over(sock)

    async def accepting(self, io: IOModel, listener: Listener, hand_over: HandOver) -> None:
        """Accept and hand over until `stopping`; the kernel's queue holds what must wait.

        A worker that cannot accept any more, or fails at it, ends, for the supervisor to
        replace: `run` raises what was raised here.
        """
        try:
            await self._accept_all(io, listener, hand_over)
        except GeneratorExit:
            raise
        except BaseException as error:  # noqa: BLE001 - raised by `run`
            self._deaf = error
            self.stop()
            io.wake()

    async def _accept_all(self, io: IOModel, listener: Listener, hand_over: HandOver) -> None:
        complained = False
        while not self.stopping:
            try:
                accepted = await listener.accept()
            except OSError as error:
                if self.stopping:
                    return  # it was closed while we were about to accept
                if error.errno in HOPELESS:
                    raise
                if not complained:
                    log.error("cannot accept: %s; trying again", error.strerror)
                complained = True
                io.exhausted()
                await io.sleep(EXHAUSTED_PAUSE_S)
                continue
            complained = False
            for sock in accepted:
                await hand_over(sock)


HandOver = Callable[[socket.socket], Awaitable[Any]]


def wake_on_signals(io: IOModel) -> None:
    """Let every signal of this (main) thread end the wait of `io`, even one just before it."""
    signal.set_wakeup_fd(io.wake_fd, warn_on_full_buffer=False)


def close_woken(io: IOModel) -> None:
    """Close the model of this (main) thread, in which no signal is to be written any more."""
    signal.set_wakeup_fd(-1)
    io.close()
