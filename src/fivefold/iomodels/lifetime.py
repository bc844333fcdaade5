"""The life of a connection: how long it may wait, when it is idle, and how it is asked to end.

The protocol, content and the serving model say what happens by calling the methods below, and
only these set the attributes (a test reads the tree for it).  The engines look at `deadline`
whenever they look at anything, so it is an attribute and no method.

The rule for stopping is here, once.  A server that stops lets each connection finish its
exchange.  One that is idle may have a request on its way, which would meet a reset: it has a
moment for it (`LAST_CALL_S`), and is told with the answer that it was the last (RFC 9112,
section 9.6).

`finish` is called in the thread that stops the server, the others in the connection's own.
Either way round the last call is heard: `begin_waiting` says that the connection is idle before
it looks whether the server stops, `finish` says that it stops before it looks whether that is idle.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from time import monotonic

from ..errors import DeadlineExceeded

NEVER = math.inf
"""The deadline of an operation that may wait for ever."""

LAST_CALL_S = 2.0
"""How long, when the server stops, a connection may be without a request before it is closed.
A client that is about to use it does so within that time, mostly; one that comes later meets a
reset."""

LAST_WORDS_S = 0.1
"""For what has arrived by the end of a wait: it is there already."""


class Lifetime(ABC):
    """What a connection knows of its own time. Times are seconds of `time.monotonic`."""

    deadline: float = NEVER
    """When a pending operation gives up; noticed within a tick of the model."""
    progress_s: float = NEVER
    """A send that moves some bytes, but not yet all, gets so much more time; by default the
    deadline stands."""
    idle: bool = False
    """Whether the peer owes us nothing: between two requests."""
    new: bool = True
    """Whether nothing has come yet: a request may be on its way."""
    closing: bool = False
    """Whether the server stops: the present exchange is the last."""
    interruptible: bool = False
    """Whether `finish` ends a receive at once, and not after a last call."""
    last_call_s: float = LAST_CALL_S
    longest_call_s: float = NEVER
    """How long a last call may be at most, whatever the protocol wants."""

    def wait_until(self, deadline: float) -> None:
        """From now on operations give up at `deadline`."""
        self.deadline = deadline

    def allow(self, seconds: float) -> None:
        """From now on operations give up after so long."""
        self.deadline = monotonic() + seconds

    def expect_progress(self, seconds: float) -> float:
        """Let each part of a send have so much time from now on; returns what it was."""
        before, self.progress_s = self.progress_s, seconds
        return before

    def progressed(self) -> None:
        """Called by the model after each part of a send but the last."""
        if self.progress_s < NEVER:
            self.deadline = monotonic() + self.progress_s

    def took(self, moment: float) -> None:
        """The peer has taken something then, of what the kernel holds for it: the send that waits
        for room has its time from there."""
        if self.progress_s < NEVER:
            self.deadline = max(self.deadline, moment + self.progress_s)

    def begin_waiting(self, deadline: float) -> None:
        """The peer owes us nothing, and may say something until then: its next request, or what
        it still sends before we close."""
        self.deadline = deadline
        self.idle = True
        if self.closing:
            self._last_call()

    def begin_listening(self) -> None:
        """As `begin_waiting`, for content that reads on whatever comes (websockets), and has a
        word to say itself when the server stops: then the receive ends at once, as if the peer
        had closed.  The deadline stands."""
        self.idle = self.interruptible = True

    def heard(self) -> None:
        """The wait is over."""
        self.idle = self.new = self.interruptible = False

    def give_last_call(self, seconds: float) -> None:
        """How long it may be without a request once the server stops: 0 for a protocol that has
        still to tell its peer so, and then goes on reading."""
        self.last_call_s = seconds

    def finish(self, longest_call_s: float = NEVER) -> None:
        """The server stops: end after the present exchange; from any thread. Again only if it has
        less time than it was given."""
        if self.closing and longest_call_s >= self.longest_call_s:
            return
        was_closing = self.closing
        # Before the look at `idle`; `begin_waiting` sets and looks the other way round. So one of
        # the two threads sees the other's mark, whichever comes first.
        self.longest_call_s = longest_call_s
        self.closing = True
        if self.interruptible:
            if not was_closing:
                self.interrupt()
        elif self.new or self.idle:
            self._last_call()

    def _last_call(self) -> None:
        call_s = min(self.last_call_s, self.longest_call_s)
        self.deadline = min(self.deadline, monotonic() + call_s)

    async def next_bytes(self, seconds: float) -> bytes:
        """What comes within that time from a peer that owes us nothing, or b"" at the end.

        Raises `PeerGone`, `DeadlineExceeded`.
        """
        self.begin_waiting(monotonic() + seconds)
        data: bytes | None
        try:
            data = await self.recv()
        except DeadlineExceeded:
            data = None
        if data is None:
            data = await self.last_words()
        self.heard()
        return data

    async def last_words(self) -> bytes:
        """An idle connection has had its time.  What has arrived meanwhile is served all the same:
        an engine looks at the clock after what it was told, and between the two a handler may have
        kept the thread, or something the whole machine.  A request that was dropped so would be a
        client that is refused without need.  Raises `DeadlineExceeded`."""
        if self.closing:
            # From now on a receive returns what has arrived, then the end: it waits for nothing
            # more, and no request can come too late for this look.
            self.interrupt()
        elif not self.has_come():
            raise DeadlineExceeded
        self.allow(LAST_WORDS_S)
        return await self.recv()

    def expire(self) -> None:
        """Whatever is pending gives up, and so does all that is begun."""
        self.deadline = self.progress_s = 0.0

    @abstractmethod
    async def recv(self) -> bytes: ...

    @abstractmethod
    def has_come(self) -> bool:
        """Whether a receive finds something now, or the end."""

    @abstractmethod
    def interrupt(self) -> None: ...
