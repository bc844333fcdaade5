"""One websocket as an ASGI application sees it.

The application runs in a task of its own; what it sends becomes frames here, and what it
receives comes from `endpoint`, which the connection's coroutine drives.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from websockets.exceptions import ProtocolError

from ....errors import ClientLeft, DeadlineExceeded, InvalidResponse, PeerGone
from ....http1.exchange import Exchange
from ....http1.limits import Limits
from ....iomodels.asyncio_loop.started import to_its_end
from ....iomodels.interface import Waiter
from ....isolation.reporting import logger, report
from ...request_ids import about
from ..application_loop import ApplicationLoop
from ..call_end import path_of
from ..messages import Message, remembered_head
from ..send_lock import Operation
from .endpoint import ABNORMAL, FAILED, NORMAL, UNANSWERED, Endpoint, State
from .handshake import SWITCHING, Pending, add_fields, handshake

log = logger("fivefold.asgi")


class WebSocket:
    """`receive` and `send` of one websocket, its handshake, and its end."""

    def __init__(self, exchange: Exchange, limits: Limits, *, deflate: bool = True) -> None:
        """Raises `ProtocolError` if the request is no valid handshake."""
        self._exchange = exchange
        frames, self._answer = handshake(exchange, limits, deflate=deflate)
        self._io: ApplicationLoop = exchange.conn.io
        self._endpoint = Endpoint(exchange, limits, frames)
        self._frames = frames
        self.receive = self._endpoint.inbox.take
        self._answered = Waiter()
        """Of the connection, until the application has answered to the handshake."""
        self._gone = False
        """Whether the client has left before the handshake was over."""
        self.part: Callable[[list[Message]], object] = ignore
        """Called when the connection goes on without the application, with what that has not
        taken yet; set where the application runs in another thread."""

    # The application's side

    async def send(self, message: Message) -> None:
        try:
            await self._send(message)
        except ClientLeft:
            # With two hosts the tasks here are not the application's: see `far_end`.
            if self._io.there is not None or not self._endpoint.inbox.hearers.others_act():
                raise
        else:
            return
        await asyncio.sleep(0)

    async def _send(self, message: Message) -> None:
        kind = message["type"]
        if kind == "websocket.send":
            await self._send_data(message)
        elif kind == "websocket.close":
            await self._on_close_message(message)
        elif kind == "websocket.accept":
            await self._accept(message)
        elif kind in ("websocket.http.response.start", "websocket.http.response.body"):
            await self._deny(kind, message)
        else:
            raise RuntimeError(f"unexpected message {kind}")

    async def _send_data(self, message: Message) -> None:
        state = self._endpoint.state
        if state is not State.OPEN:
            if state in UNANSWERED:
                raise RuntimeError("websocket.send before websocket.accept")
            raise ClientLeft("the websocket is closed")
        data = message.get("bytes")
        if data is not None:
            self._frames.send_binary(data)
        else:
            self._frames.send_text(message["text"].encode())
        if not self._endpoint.sent_soon():
            await to_its_end(self._endpoint.flush())

    async def _accept(self, message: Message) -> None:
        if self._endpoint.state is not State.HANDSHAKE:
            raise self._too_late("websocket.accept after the handshake")
        add_fields(self._answer.headers, message)
        self._frames.send_response(self._answer)
        self._exchange.take_over(SWITCHING)
        self._endpoint.keepalive.start()
        # Before it is sent: that goes to its end also if the application is cancelled.
        self._endpoint.state = State.OPEN
        self._io.resume(self._answered)
        await to_its_end(self._endpoint.flush())

    async def _on_close_message(self, message: Message) -> None:
        if self._endpoint.state in UNANSWERED:
            # Before the handshake there is nothing to close: it is refused (ASGI).
            await self._reject(403, "Forbidden\n")
        elif self._endpoint.state is State.OPEN:
            code, reason = message.get("code") or NORMAL, message.get("reason") or ""
            try:
                self._frames.send_close(code, reason)
            except ProtocolError as error:
                raise InvalidResponse(f"websocket.close with {code}, {reason!r}: {error}") from None
            self._endpoint.disconnect(code)
            await to_its_end(self._endpoint.flush())

    async def _deny(self, kind: str, message: Message) -> None:
        exchange = self._exchange
        if kind.endswith("start"):
            if self._endpoint.state is not State.HANDSHAKE:
                raise self._too_late("websocket.http.response.start after the handshake")
            exchange.start(remembered_head(message))
            self._endpoint.state = State.DENYING
            exchange.keep = False
            return
        if self._endpoint.state is not State.DENYING:
            raise self._too_late(f"{kind} behind the response, or before it")
        more = bool(message.get("more_body", False))
        part = exchange.write(message.get("body", b""), more=more)
        await self._endpoint.turns.take(part, self._denying)

    async def _denying(self, part: Operation) -> None:
        try:
            await part
            if self._exchange.finished:
                self._refuse()
        except (PeerGone, DeadlineExceeded) as error:
            self._refuse()
            raise ClientLeft(str(error)) from None
        finally:
            self._endpoint.turns.pass_on()

    async def _reject(self, status: int, text: str) -> None:
        """Refuse the handshake; a denial that has begun only ends, so that its client can tell."""
        if not self._exchange.started:
            self._frames.send_response(self._frames.reject(status, text))
            self._exchange.take_over(status)
        self._refuse()
        await to_its_end(self._endpoint.flush())

    def _refuse(self) -> None:
        """There will be no websocket."""
        self._endpoint.disconnect(ABNORMAL)
        self._io.resume(self._answered)

    def _vanished(self, certainly: bool) -> None:  # noqa: FBT001 - it is called by `Pending`
        # A denial is a response, for which it may wait.
        if certainly or self._endpoint.state is not State.DENYING:
            self._gone = True
            self._refuse()

    def _too_late(self, what: str) -> Exception:
        return ClientLeft("the client left") if self._gone else RuntimeError(what)

    # The connection's side

    async def read(self) -> None:
        """Until the websocket is over: messages to the application, answers to the client.

        Whatever breaks it breaks this one, and the application is told.
        """
        try:
            await self._handshake()
            if self._endpoint.state is not State.CLOSED:
                await self._endpoint.read()
        except GeneratorExit:
            raise
        except BaseException as error:  # noqa: BLE001 - of the system, of a library, or ours
            report(log, "the websocket at %s failed", path_of(self._exchange), error=error)
            self._gone = True
            self._endpoint.disconnect(ABNORMAL)

    async def _handshake(self) -> None:
        """Until the application has answered to it, or the client has left."""
        pending = Pending(self._exchange, self._endpoint.turns, self._vanished)
        self._io.watches.add(pending)
        try:
            while self._endpoint.state in UNANSWERED:
                await self._answered
        finally:
            self._io.watches.discard(pending)
            pending.stop()

    async def wait_for_sends(self) -> None:
        """Behind `read`: until what was begun has been sent. The application may go on, but
        what it still does holds no connection."""
        turns = self._endpoint.turns
        while turns.busy:
            await turns.turn()
            turns.pass_on()
        self.part(self._endpoint.inbox.left())

    async def close_after_application(self, *, failed: bool) -> None:
        """The application has ended: so does the websocket."""
        if self._endpoint.state in UNANSWERED:
            await self._reject(500, "Internal Server Error\n")
        elif self._endpoint.state is State.OPEN:
            self._endpoint.disconnect(NORMAL)
            self._frames.send_close(FAILED if failed else NORMAL)
            await to_its_end(self._endpoint.flush())

    def ended(self, error: BaseException | None) -> None:
        """Nothing of the call runs any more."""
        if error is not None:
            with about(self._exchange.request_id):
                report(log, "a websocket failed", error=error)
        self._refuse()


def ignore(_: list[Message]) -> None:
    """In the same thread it finds in the inbox what is left there."""
