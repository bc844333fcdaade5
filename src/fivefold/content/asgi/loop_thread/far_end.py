"""A call of an ASGI application that runs in another thread than its connection: its own end.

Everything here happens in the thread of the application's loop (`own_thread`); the other
end (`near_end`) is in the thread of the connection.  What one has to say to the other is
posted (`crossing`), in order, so neither looks at what is the other's.

A message crosses when the application asks for it, or sends it, and not before: so a slow
client, or a slow application, holds the other one back.  One that has crossed after its
`receive` was cancelled is kept for the next.
"""

from __future__ import annotations

import asyncio
import types
from collections import deque
from collections.abc import Awaitable, Callable, Generator, Sequence
from typing import Any, Protocol

from ....errors import ClientLeft
from ....iomodels.asyncio_loop.bridge import Bridge
from ....isolation.descendants import descendants
from ....isolation.reporting import is_a, logger, report
from ...request_ids import about
from ..hearers import Hearers
from ..messages import Message, remembered_head
from ..takers import Takers
from ..tasks import LentTasks

log = logger("fivefold.asgi")


SMALL_BYTES = 65536
"""A last part up to this size is not waited for: the connection has room for it, and what becomes
of it no code can do anything about."""


class PendingSend:
    """A message on its way to the connection, and the wait until it is sent."""

    __slots__ = ("bridge", "given_up", "head", "message")

    def __init__(self, head: Message | None, message: Message, bridge: Bridge) -> None:
        self.head = head
        """The response's start, which crosses with what follows it."""
        self.message = message
        self.bridge = bridge
        self.given_up = False
        """Whether `send` was cancelled: what has not begun by then never begins."""


class Poster(Protocol):
    """Has what is to happen in the other thread done there, in order."""

    def __call__(self, act: Callable[..., None], *what: Any) -> None: ...


class OtherEnd(Protocol):
    """What this end says to the connection's; by `post`, for it runs in the other thread."""

    @property
    def post(self) -> Poster: ...

    def take(self) -> None: ...
    def give(self, sending: PendingSend) -> None: ...
    def give_last(self, head: Message | None, message: Message) -> None: ...
    def end(self, head: Message | None, error: BaseException | None) -> None: ...


class FarEnd:
    """`receive` and `send` of one call."""

    def __init__(self, near: OtherEnd, disconnect: Message, at: str, request_id: str) -> None:
        """`disconnect` is what `receive` says once the connection has gone; `at` and `request_id`
        name the call in the log."""
        self.serves = near
        """The connection's end."""
        self._disconnect = disconnect
        self._at = at
        self._request_id = request_id
        self._messages: deque[Any] = deque()
        self._takers = Takers(self._go_on)
        self._hearers = Hearers()
        self._expected = 0
        """Messages that were asked for and have not come."""
        self._sendings: set[PendingSend] = set()
        self._has_start = self._trailers = False
        self._head: Message | None = None
        self._parted = False
        """Whether the connection has gone on without the call."""
        self._finished = False
        """Whether it had sent the whole response before."""

    def begin(
        self,
        application: Callable[..., Awaitable[Any]],
        scope: Any,
        lent_tasks: LentTasks,
        first: Message | None,
    ) -> None:
        """`first` is a message that is there from the beginning."""
        if first is not None:
            self._messages.append(first)
        try:
            over = lent_tasks.begin(application(scope, self.receive, self.send), self)
        except BaseException as error:  # noqa: BLE001 - the edge of an application
            self.ended(error)
        else:
            if over:
                self.ended(None)

    # The application's side

    async def receive(self) -> Message:
        while not self._messages and not self._parted:
            if self._expected <= len(self._takers):
                self._expected += 1
                self.serves.post(self.serves.take)
            self._hearers.add()
            try:
                await self._takers.wait()
            finally:
                self._hearers.discard()
        message: Any = self._messages.popleft() if self._messages else self._disconnect.copy()
        if isinstance(message, BaseException):
            raise message
        if message["type"] == self._disconnect["type"]:
            self._hearers.add()
        return message  # type: ignore[no-any-return]

    def _go_on(self) -> None:
        if self._takers and (self._messages or self._parted):
            self._takers.resume_next()

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self._start(message)
            return
        if self._parted:
            if self._finished or not self._hearers.others_act():
                raise self._refused(message["type"])
            await asyncio.sleep(0)
            return
        head, self._head = self._head, None
        message = {**message}  # what crosses must not be changed any more
        # Parts that other tasks send are before it: then it waits for its turn as they do.
        alone = self._has_start and not (self._trailers or self._sendings)
        if alone and is_small_end(message):
            self.serves.post(self.serves.give_last, head, message)
            self._finished = True
            self.part()
            return
        try:
            await self._sent(PendingSend(head, message, Bridge(asyncio.get_running_loop())))
        except ClientLeft:
            if not self._hearers.others_act():
                raise

    def _start(self, message: Message) -> None:
        """It crosses with what follows; whatever is wrong with it is said here and now."""
        if self._has_start:
            raise RuntimeError("http.response.start a second time")
        fields = list(message.get("headers", ()))
        self._head = {**message, "headers": fields}
        try:
            remembered_head(self._head)
        except BaseException:
            self._head = None
            raise
        self._has_start = True
        self._trailers = bool(message.get("trailers", False))

    @types.coroutine
    def _sent(self, sending: PendingSend) -> Generator[Bridge, None, None]:
        bridge = sending.bridge
        bridge._asyncio_future_blocking = True  # noqa: SLF001 - asyncio's own protocol
        self._sendings.add(sending)
        self.serves.post(self.serves.give, sending)
        try:
            yield bridge
        except BaseException:
            sending.given_up = True
            raise
        finally:
            self._sendings.discard(sending)
            bridge.release()

    def _refused(self, kind: str) -> Exception:
        if self._finished:
            return RuntimeError(f"{kind} after the end of the response")
        return ClientLeft("the client left")

    def ended(self, error: BaseException | None) -> None:
        """The call is over, perhaps long after its response.

        A client that has left was told of, and what an application raises then is its answer.
        """
        descendants.end_if_copy(error)
        if not self._parted:
            head, self._head = self._head, None
            self.serves.post(self.serves.end, head, error)
        elif error is not None and self._finished and not is_a(error, ClientLeft):
            with about(self._request_id):
                report(log, "the application failed at %s", self._at, error=error)

    # The connection's side, in this thread

    def arrived(self, message: Message | BaseException) -> None:
        """What was asked for."""
        self._expected -= 1
        self._messages.append(message)
        self._go_on()

    def sent(self, sending: PendingSend, error: BaseException | None, finished: bool) -> None:  # noqa: FBT001 - posted
        """It was sent, or failed; `finished`: and the response is whole."""
        waits = sending in self._sendings
        self._sendings.discard(sending)
        if finished:
            self._finished = True
            self.part()
        if not waits:
            return
        if error is None:
            sending.bridge.send(None)
        else:
            sending.bridge.throw(error)

    def part(self, left: Sequence[Message] = ()) -> None:
        """The connection goes on without the call, which may go on without it. `left`: messages
        that it may still receive, behind those that are here."""
        self._parted = True
        if not left:
            self._messages.clear()
        self._messages.extend(left)
        while self._takers:
            self._takers.resume_next()
        while self._sendings:
            sending = self._sendings.pop()
            sending.bridge.throw(self._refused(sending.message["type"]))


def is_small_end(message: Message) -> bool:
    """Whether it is the last of a response, and small."""
    if message["type"] != "http.response.body" or message.get("more_body"):
        return False
    body = message.get("body", b"")
    return isinstance(body, bytes) and len(body) <= SMALL_BYTES
