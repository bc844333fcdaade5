"""One stream of a connection, to content a connection of its own: what it asks of the client at the
other end is the real connection's, what it waits for is the stream's."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from operator import attrgetter
from time import monotonic
from typing import Any, Protocol

from ..errors import DeadlineExceeded, PeerGone
from ..http1.limits import Limits
from ..iomodels.interface import Connection, Waiter
from ..iomodels.lifetime import NEVER
from .flow.outgoing import Outgoing
from .framing import CANCEL, PART_BYTES, Framing

FILE_BYTES = 262_144
"""Of a file, read at once."""

AHEAD_BYTES = 4_194_304
"""Of all bodies of a connection, in memory before its client takes them: a hundred streams whose
client takes nothing hold as much as the sixteen that a browser has."""

LEAST_BYTES = 16_384
"""The share of a stream, however many there are: the largest frame that every client takes."""


class Carrier(Protocol):
    """What a stream needs of the connection that carries it (`Multiplexer`)."""

    conn: Connection
    frames: Framing
    outgoing: Outgoing
    limits: Limits
    streams: dict[int, StreamConnection]
    room: int
    ended: bool

    async def until(self, ready: Callable[[], bool], stream: StreamConnection) -> None: ...
    async def left(self, stream: StreamConnection) -> None: ...
    async def flushed(self, stream: StreamConnection) -> None: ...
    def end_stream(self, stream: StreamConnection) -> None: ...
    def end_body(self, stream: StreamConnection) -> None: ...


def below(name: str) -> Any:
    """What is the real connection's."""
    return property(attrgetter(f"below.{name}"))


class StreamConnection:
    """An `http1.stream.HttpConnection`. Raises `PeerGone`, `DeadlineExceeded`."""

    fd = below("fd")
    sock = below("sock")
    processor_ns = below("processor_ns")
    closing = below("closing")
    scheme = below("scheme")
    tls = below("tls")
    peer = below("peer")
    local = below("local")
    socket_ends = below("socket_ends")
    queued_s = below("queued_s")
    has_asked = below("has_asked")
    note_request = below("note_request")
    abort = below("abort")
    idle = new = False
    multiplexed = True
    unsent = 0
    request_id = ""
    file_copies = 2

    # What waits on it (`Multiplexer.until`).
    deadline = NEVER
    waiters: tuple[Waiter, ...] = ()
    """Of its coroutines that wait: one that sends, perhaps, and one that listens."""
    cut = False
    """Whether that was before it had the whole response."""
    _queued = _left = 0
    """Of the part that it sends: how much had not left, and how much of all streams had, when that
    was last looked at."""

    carries_socket = False
    """Whether it is a `Tunnel`, which knows what an answer means there."""
    has_ended = False
    """Whether content has said all, by itself (`Tunnel`)."""
    task: Any = None
    """The coroutine that serves it, if it needs one."""

    def __init__(self, carrier: Carrier, number: int) -> None:
        self.carrier = carrier
        self.number = number
        self.below = conn = carrier.conn
        self.io = conn.io
        self.remembered = conn.remembered
        """What content knows of the connection is known of all its streams."""
        self.adding: tuple[Callable[[bytes], bytes], ...] = ()
        self.gone = False
        """Whether the client has ended it, or the connection has."""
        self.body: Any = None
        """Of its request (`StreamBody`), if it has one."""
        self.request_body: Any = None
        """The same, where content may read it before it answers."""

    @property
    def keeps_place(self) -> bool:
        """As long as there are others: a client that resets what it asks for has no more calls at
        work than one that waits. When the connection is over, none of them holds it."""
        return not self.carrier.ended

    async def read_file(self, file: Any, offset: int, count: int) -> bytes:
        return await self.carrier.outgoing.read_file(self, file, offset, count)

    async def yield_turn(self) -> None:
        await self.below.yield_turn()

    def remember(self, known: Any) -> None:
        self.remembered = known
        self.below.remember(known)

    # What is its own.

    def name_request(self, name: str) -> None:
        self.request_id = name

    def begin_request(self, adding: tuple[Callable[[bytes], bytes], ...]) -> None:
        self.adding = adding

    def wait_until(self, deadline: float) -> None:
        self.deadline = deadline

    def allow(self, seconds: float) -> None:
        self.deadline = monotonic() + seconds

    def expect_progress(self, seconds: float) -> float:
        return NEVER  # each part of a body has its own time

    def begin_waiting(self, deadline: float) -> None:
        self.deadline = deadline

    def begin_listening(self) -> None:
        """A server that stops ends what is read here (`Multiplexer`)."""

    def heard(self) -> None:
        pass

    async def last_words(self) -> bytes:
        return b""

    def has_room(self, size: int) -> bool:
        """Whether a body of that size, the first and last of this stream, leaves at once; then it
        is counted.

        A stream that has sent nothing has the window that the client's settings give all; what the
        client has added to its own is not asked for (RFC 9113, section 6.9.2).
        """
        carrier = self.carrier
        if size > carrier.room or size > carrier.frames.first_part:
            return False
        carrier.room -= size
        return True

    def has_read(self, size: int) -> None:
        """Content has taken so much of what came."""
        self.carrier.frames.read(self.number, size)

    def inform(self, status: int, fields: Iterable[tuple[bytes, bytes]]) -> None:
        """An interim response."""
        self.carrier.frames.inform(self.number, [(b":status", b"%d" % status), *fields])

    @property
    def is_over(self) -> bool:
        """Whether `check` raises."""
        return self.gone or self.deadline <= monotonic()

    def check(self) -> None:
        """Raises why nothing more can be waited for."""
        if self.gone:
            raise PeerGone("the client has ended the stream")
        now = monotonic()
        if self.deadline <= now and not self._is_taken(now):
            raise DeadlineExceeded

    def _is_taken(self, now: float) -> bool:
        """Whether its client takes what it sends, slowly: a part of it; or what goes before it of
        other streams, and it would take this one's, too. Then it has as much time again."""
        frames, number = self.carrier.frames, self.number
        queued, left, send_s = frames.queued(number), frames.left, self.carrier.limits.send_s
        is_moving = left > self._left or now - self.below.taken_at(now) < send_s
        if not queued or not is_moving:
            return False
        if queued == self._queued and frames.stream_window(number) <= 0:
            return False
        self._queued, self._left = queued, left
        self.deadline = now + send_s
        return True

    def share(self, most: int) -> int:
        """How much of a body is read, or given to the frames, at once."""
        each = AHEAD_BYTES // (len(self.carrier.streams) or 1)
        return most if most <= each else max(LEAST_BYTES, each)

    async def parked(self, others: list[Waiter] | None = None) -> None:
        """Until the stream is woken (`Incoming.wake`), or those others are."""
        waiter = Waiter()
        self.waiters = (*self.waiters, waiter)
        if others is not None:
            others.append(waiter)
        try:
            await waiter
        finally:
            self.waiters = tuple([other for other in self.waiters if other is not waiter])

    async def until(self, ready: Callable[[], bool]) -> None:
        """Wait for what only the client can bring."""
        await self.carrier.until(ready, self)

    def respond(self, fields: Iterable[tuple[bytes, bytes]], status: int) -> None:
        """The head of its response; `status` as content has said it."""
        self.carrier.frames.respond(self.number, fields, end=False)

    async def receive(self, ready: Callable[[], bool]) -> None:
        """A part of the body of its request."""
        await self.until(ready)

    async def send_body(self, data: bytes | memoryview, *, end: bool) -> None:
        """A part of the body of its response; returns when the kernel has it."""
        frames, number = self.carrier.frames, self.number
        rest = memoryview(data)
        while True:
            size = self.share(PART_BYTES)
            part, rest = rest[:size], rest[size:]
            if self.gone:
                raise PeerGone("the client has ended the stream")
            frames.send(number, part, end=end and not rest)
            self._queued, self._left = len(part), frames.left
            await self.carrier.left(self)
            if not rest:
                return
            self.deadline = max(self.deadline, monotonic() + self.carrier.limits.send_s)

    async def recv(self) -> bytes:
        """Nothing more comes: wait until the client leaves."""
        await self.until(_never)
        return b""

    def send_soon(self, data: bytes) -> bool:
        """What an exchange has given to the frames leaves before the thread waits again."""
        return not data

    async def send(self, *buffers: bytes) -> None:
        assert not any(buffers)
        await self.carrier.flushed(self)

    async def send_file(self, head: bytes, file: Any, offset: int, count: int) -> None:
        raise NotImplementedError

    async def settled(self) -> None:
        await self.carrier.flushed(self)

    def interrupt(self) -> None:
        self.carrier.end_stream(self)

    def shutdown_send(self) -> None:
        pass

    def reset_on_close(self) -> None:
        self.carrier.frames.reset(self.number, CANCEL)

    async def close(self) -> None:
        pass


def _never() -> bool:
    return False
