"""A call of an ASGI application that runs in another thread than its connection: this end.

Everything here happens in the thread of the connection, inside the wait of its I/O model; each
message is received or sent in a call of its own that this thread's loop carries, begun in the
order in which the application asked (see `far_end`).
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from ....errors import ClientLeft
from ....http1.exchange import Exchange
from ..application_loop import ApplicationLoop
from ..call_end import path_of
from ..messages import Message
from ..websocket.application_side import WebSocket
from .far_end import FarEnd, PendingSend

Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Ended = Callable[[BaseException | None], None]

HTTP_DISCONNECT: Message = {"type": "http.disconnect"}
WEBSOCKET_DISCONNECT: Message = {"type": "websocket.disconnect", "code": 1006, "reason": ""}


class NearEnd:
    """Receives and sends for a call that runs on another host, and hears of its end."""

    def __init__(
        self,
        here: ApplicationLoop,
        receive: Receive,
        send: Send,
        ended: Ended,
        *,
        disconnect: Message,
        exchange: Exchange,
        is_finished: Callable[[], bool] = lambda: False,
    ) -> None:
        """`ended` is called at most once, at the end of the call, unless `part` was first."""
        there = here.there
        assert there is not None
        self.post = here.crossing.post
        self._lent_tasks = here.lent_tasks
        self._there = there
        self._post = there.crossing.post
        self._receive = receive
        self._send = send
        self._ended = ended
        self._is_finished = is_finished
        self._over = True
        """Whether the call has ended, or the connection gone on without it."""
        self._far = FarEnd(self, disconnect, path_of(exchange), exchange.request_id)
        self._line: deque[tuple[Callable[..., Awaitable[None]], tuple[Any, ...]]] = deque()
        """What is being sent, and what waits for that."""

    @property
    def serves(self) -> Any:
        """The object that hears of the end of the call."""
        return getattr(self._ended, "__self__", None)

    def begin(
        self, application: Callable[..., Awaitable[Any]], scope: Any, first: Message | None
    ) -> None:
        """Raises RuntimeError if the application's loop has ended."""
        if self._there.loop.is_closed():
            raise RuntimeError("the application's event loop has ended")
        self._over = False
        self._post(self._far.begin, application, scope, self._there.lent_tasks, first)

    def part(self, left: Sequence[Message] = ()) -> None:
        """The connection goes on; what the call still does is its own business. `left`: messages
        that it may still receive."""
        if self._over:
            return
        self._over = True
        if self._line:  # what has been sent was sent before the end, and is said before it
            self._line_up(self._parting, left)
        else:
            self._post(self._far.part, left)

    def cancel(self, heard: Callable[[], None]) -> None:
        """Cancel the call; before `part`, if it shall not go on. `heard` is called there."""
        self._post(self._there.lent_tasks.cancel, self._far, heard)

    # What the other end has posted

    def take(self) -> None:
        """It wants a message."""
        if not self._over:
            self._lent_tasks.begin(self._taking(), NOBODY_HEARS)

    def give(self, sending: PendingSend) -> None:
        """It has one."""
        if not self._over:
            self._line_up(self._giving, sending)

    def give_last(self, head: Message | None, message: Message) -> None:
        """It has the rest of its response, and goes on by itself."""
        if not self._over:
            self._over = True
            self._line_up(self._finishing, head, message, None)

    def end(self, head: Message | None, error: BaseException | None) -> None:
        """It is over."""
        if not self._over:
            self._over = True
            self._lent_tasks.begin(self._finishing(head, None, error), NOBODY_HEARS)

    def _line_up(self, give: Callable[..., Awaitable[None]], *what: Any) -> None:
        """One after the other: what the application gives up before its turn never begins."""
        self._line.append((give, what))
        if len(self._line) == 1:
            self._lent_tasks.begin(self._work_off(), NOBODY_HEARS)

    async def _work_off(self) -> None:
        while self._line:
            give, what = self._line[0]
            await give(*what)
            self._line.popleft()

    async def _taking(self) -> None:
        message: Message | BaseException
        try:
            message = await self._receive()
        except asyncio.CancelledError:
            message = self._gone()
        except BaseException as error:  # noqa: BLE001 - raised where the application waits
            message = error
        self._post(self._far.arrived, message)
        del message  # an error knows this frame, which shall not know it in turn

    async def _giving(self, sending: PendingSend) -> None:
        failed: BaseException | None = None
        try:
            if sending.head is not None:
                await self._send(sending.head)
            if not sending.given_up:
                await self._send(sending.message)
        except asyncio.CancelledError:
            failed = self._gone()
        except BaseException as error:  # noqa: BLE001 - raised where the application waits
            failed = error
        finished = not self._over and self._is_finished()
        self._over = self._over or finished
        self._post(self._far.sent, sending, failed, finished)
        del failed

    async def _parting(self, left: Sequence[Message]) -> None:
        self._post(self._far.part, left)

    async def _finishing(
        self, head: Message | None, message: Message | None, error: BaseException | None
    ) -> None:
        """What is left of its response, then its end; what is refused is as if it had failed."""
        failed = error
        try:
            for part in (head, message):
                if part is not None:
                    await self._send(part)
        except BaseException as refused:  # noqa: BLE001 - as said
            failed = refused if error is None else error
        self._ended(failed)
        del failed, error

    @staticmethod
    def _gone() -> ClientLeft:
        """Instead of a cancellation, which is this thread's own: its loop ends."""
        return ClientLeft("the connection was cut")


async def carried_apart(
    here: ApplicationLoop,
    application: Callable[..., Awaitable[Any]],
    scope: Any,
    socket: WebSocket,
    exchange: Exchange,
) -> None:
    """A websocket's application, which runs on another host; raises what it raises."""
    over: asyncio.Future[BaseException | None] = here.loop.create_future()

    def ended(error: BaseException | None) -> None:
        if not over.done():
            over.set_result(error)

    near = NearEnd(
        *(here, socket.receive, socket.send, ended),
        disconnect=WEBSOCKET_DISCONNECT,
        exchange=exchange,
    )
    near.begin(application, scope, await socket.receive())

    def part(left: list[Message]) -> None:
        near.part(left)
        ended(None)

    socket.part = part
    try:
        error = await over
    finally:
        near.part()
    if error is not None:
        try:
            raise error
        finally:
            error = None  # it knows this frame, which shall not know it in turn


class Unheard:
    """Whatever ends here has said what there is to say."""

    def ended(self, error: BaseException | None) -> None:
        pass


NOBODY_HEARS = Unheard()
