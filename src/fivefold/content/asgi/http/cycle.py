"""One HTTP exchange as an ASGI application sees it: `receive` and `send`.

Back-pressure both ways: a part of the request is read when the application asks for it,
and `send` returns when the kernel has taken the part.  Once the request is read,
`receive` waits for the client to leave; what arrives meanwhile belongs to the next
request and is kept for it.
"""

from __future__ import annotations

import asyncio

from ....errors import ClientLeft, DeadlineExceeded, PeerGone, ProtocolError
from ..hearers import Hearers
from ..messages import BODY, TRAILERS, Message, body_of, operation_of, remembered_head
from ..send_lock import Operation, SendLock
from .connected_call import ConnectedCall
from .request_body import RequestBody


class HttpCycle(ConnectedCall):
    """The application's side of a call."""

    _hearers: Hearers | None = None
    """Made for the first task that waits for the end of the client."""

    async def receive(self) -> Message:
        while not (self._disconnected or self._over or self._exchange.finished):
            if self._complete:
                await self._until_disconnect()
            elif self._body is None:
                self._complete = True
                return {"type": "http.request", "body": b"", "more_body": False}
            else:
                message = await self._receive_part(self._body)
                if message is not None:
                    return message
        self._hear()
        return {"type": "http.disconnect"}

    async def _receive_part(self, body: RequestBody) -> Message | None:
        """The next part; None if there is none, or another task has taken it meanwhile."""
        if self._watch is not None:
            self._watch.stop()
        try:
            message = await body.part()
        except ProtocolError as error:
            self._refusal = error
            self._end_receiving()
        except (PeerGone, DeadlineExceeded):
            self._left()
        else:
            self._complete = body.finished
            return message
        return None

    async def _until_disconnect(self) -> None:
        if self._disconnect is None:
            self.has_waited = True
            self._disconnect = self._host.loop.create_future()
            self._watching().start()
        if not self._disconnected:
            hearers = self._hear()
            try:
                # Shielded: several tasks may wait, and one of them be cancelled.
                await asyncio.shield(self._disconnect)
            finally:
                hearers.discard()  # whoever was told is added again

    def _hear(self) -> Hearers:
        hearers = self._hearers
        if hearers is None:
            hearers = self._hearers = Hearers()
        hearers.add()
        return hearers

    async def send(self, message: Message) -> None:
        kind = message["type"]
        exchange = self._exchange
        if kind == "http.response.start":
            if exchange.head is not None or exchange.started:
                raise RuntimeError("http.response.start a second time, or after our own answer")
            exchange.start(remembered_head(message))
            if message.get("trailers"):
                self._trailers = True
            return
        if exchange.finished or exchange.exceeded:
            raise RuntimeError(f"{kind} after the end of the response")
        if self._gone or self._over or self._refusal is not None:
            if not self._others_act():
                raise ClientLeft("the client left")
            await asyncio.sleep(0)
            return
        self._quiet = False
        out = None
        if kind == BODY and not self._trailers and not message.get("more_body"):
            body = message.get("body", b"")
            out = exchange.as_one_message(body if type(body) is bytes else body_of(message))
            if out is not None and self._turns is None and exchange.conn.send_soon(out):
                if self._waiter is not None:
                    self._go_on()
                return  # the usual case: the first part and last
        await self._take_turn(self._operation(kind, message, out))

    def _operation(self, kind: str, message: Message, whole: bytes | None) -> Operation:
        """What sends a message; `whole`: the response as bytes, where it is all of one. Raises as
        `operation_of`."""
        exchange = self._exchange
        if whole is not None:
            return exchange.conn.send(whole)
        operation = operation_of(exchange, kind, message, trailers=self._trailers)
        if kind == TRAILERS:
            self._trailers = bool(message.get("more_trailers", False))
        return operation

    async def _take_turn(self, operation: Operation) -> None:
        """Begin an operation when no other task sends; begun, it goes on to its end."""
        if self._turns is None:
            self.has_waited = True
            self._turns = SendLock(self._host)
        try:
            await self._turns.take(operation, self._sending)
        except ClientLeft:
            if not self._others_act():
                raise

    def _others_act(self) -> bool:
        # With two hosts the tasks here are not the application's: see `far_end`.
        hearers = self._hearers
        return hearers is not None and self._host.there is None and hearers.others_act()
