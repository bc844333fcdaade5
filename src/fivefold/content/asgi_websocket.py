"""One websocket as an ASGI application sees it.

The protocol itself (RFC 6455, permessage-deflate of RFC 7692) is the `websockets`
library's, which has it without I/O.  The connection's coroutine reads and answers pings
and closes whatever the application does meanwhile; the application runs in a task of its
own.  Reading stops while messages wait for it (`asgi_inbox`), so a fast sender is held
back by TCP.
"""

from __future__ import annotations

from time import monotonic

from websockets.exceptions import ProtocolError
from websockets.frames import Frame, Opcode

from ..errors import ClientLeft, DeadlineExceeded, InvalidResponse, PeerGone
from ..http1.exchange import Exchange
from ..http1.limits import Limits
from ..iomodels.asyncio_started import to_its_end
from ..iomodels.base import NEVER, Waiter
from ..reporting import logger, report
from .asgi_handshake import SWITCHING, Pending, add_fields, handshake
from .asgi_heartbeat import Heartbeat
from .asgi_host import AsgiHost
from .asgi_http import path_of
from .asgi_inbox import Inbox
from .asgi_messages import Message, remembered_head
from .asgi_turns import Turns
from .asgi_watch import polled

log = logger("fivefold.asgi")

CLOSE, PING, PONG = Opcode.CLOSE, Opcode.PING, Opcode.PONG
NORMAL, NO_STATUS, ABNORMAL, NOT_UTF8, FAILED, RESTART = 1000, 1005, 1006, 1007, 1011, 1012
"""Close codes (RFC 6455, section 7.4.1; 1012 from the IANA registry)."""

PIECE_BYTES = 2048
"""So much of what has come is understood at once: 2 MB if DEFLATE has made the most of it, or
340 frames, which takes 2 ms."""

TURN_S = 0.001
"""So long one client's messages are understood before the others have their turn."""


class WebSocket:
    """`receive` and `send` of one websocket, and the reading side of its connection."""

    def __init__(self, exchange: Exchange, limits: Limits, *, deflate: bool = True) -> None:
        """Raises `ProtocolError` if the request is no valid handshake."""
        self._exchange = exchange
        self._limits = limits
        self._protocol, self._answer = handshake(exchange, limits, deflate=deflate)
        self._io: AsgiHost = exchange.conn.io
        self._inbox = Inbox(self._io, limits.websocket_queue_messages, limits.websocket_queue_bytes)
        self.receive = self._inbox.take
        self._agreed: bool | None = None
        """Whether the handshake succeeded; None while it is open."""
        self._settled = Waiter()
        self._ended = False
        self._end_of_application = Waiter()
        self._turns = Turns(self._io)
        self._unsent: list[bytes] = []
        """What the protocol wanted sent and could not be posted."""
        self._over = False
        self._gone = False
        """Whether the client has left before the handshake was over."""
        self._until = NEVER
        """When the client must have closed its side, too."""
        self._denying = False
        self._heartbeat = Heartbeat(
            limits.websocket_ping_s, self._ping, self._unanswered, self._excused
        )

    # The application's side

    async def send(self, message: Message) -> None:
        kind = message["type"]
        if kind == "websocket.send":
            await self._send_data(message)
        elif kind == "websocket.close":
            await self._close(message)
        elif kind == "websocket.accept":
            await self._accept(message)
        elif kind in ("websocket.http.response.start", "websocket.http.response.body"):
            await self._deny(kind, message)
        else:
            raise RuntimeError(f"unexpected message {kind}")

    async def _send_data(self, message: Message) -> None:
        if self._agreed is None or self._denying:
            raise RuntimeError("websocket.send before websocket.accept")
        if self._over:
            raise ClientLeft("the websocket is closed")
        data = message.get("bytes")
        if data is not None:
            self._protocol.send_binary(data)
        else:
            self._protocol.send_text(message["text"].encode())
        if not self._posted():
            await to_its_end(self._flush())

    async def _accept(self, message: Message) -> None:
        if self._agreed is not None:
            raise self._too_late("websocket.accept after the handshake")
        add_fields(self._answer.headers, message)
        self._protocol.send_response(self._answer)
        self._exchange.take_over(SWITCHING)
        self._heartbeat.start()
        # Settled before it is sent: that goes to its end also if the application is cancelled.
        self._settle(agreed=True)
        await to_its_end(self._flush())

    async def _close(self, message: Message) -> None:
        if self._agreed is None:
            # Before the handshake there is nothing to close: it is refused (ASGI).
            self._protocol.send_response(self._protocol.reject(403, "Forbidden\n"))
            self._exchange.take_over(403)
            self._refuse()
            await to_its_end(self._flush())
        elif not self._over:
            code, reason = message.get("code") or NORMAL, message.get("reason") or ""
            try:
                self._protocol.send_close(code, reason)
            except ProtocolError as error:
                raise InvalidResponse(f"websocket.close with {code}, {reason!r}: {error}") from None
            self._end(code)
            await to_its_end(self._flush())

    async def _deny(self, kind: str, message: Message) -> None:
        exchange = self._exchange
        if kind.endswith("start"):
            if self._agreed is not None:
                raise self._too_late("websocket.http.response.start after the handshake")
            self._denying = True
            head = remembered_head(message)
            exchange.start(head)
            exchange.keep = False
            return
        if self._over or not self._denying:
            raise self._too_late(f"{kind} behind the response, or before it")
        more = bool(message.get("more_body", False))
        await self._turns.take(self._deny_part(message.get("body", b""), more=more))

    async def _deny_part(self, data: bytes, *, more: bool) -> None:
        try:
            await self._exchange.write(data, more=more)
        except (PeerGone, DeadlineExceeded) as error:
            self._refuse()
            raise ClientLeft(str(error)) from None
        if not more:
            self._refuse()

    def _refuse(self) -> None:
        """There will be no websocket."""
        self._settle(agreed=False)
        self._end(ABNORMAL)

    def _vanished(self, certainly: bool) -> None:  # noqa: FBT001 - it is called by `Pending`
        if certainly or not self._denying:  # a denial is a response, for which it may wait
            self._gone = True
            self._refuse()

    def _too_late(self, what: str) -> Exception:
        return ClientLeft("the client left") if self._gone else RuntimeError(what)

    def _settle(self, *, agreed: bool) -> None:
        self._agreed = agreed
        self._io.resume(self._settled)

    def _posted(self) -> bool:
        """Have what the protocol wants sent posted; False if it must be flushed."""
        if self._turns.busy or self._unsent:
            return False
        parts = self._protocol.data_to_send()
        if parts and parts[-1]:
            data = b"".join(parts)
            if self._exchange.conn.post(data):
                self._exchange.took(data)
                return True
        self._unsent = parts
        return False

    async def _flush(self) -> None:
        """Send what the protocol wants sent, in its order. Raises `ClientLeft`."""
        turns, conn = self._turns, self._exchange.conn
        if turns.busy:
            await turns.turn()
        turns.busy = True
        try:
            # Taken now, because whoever is cancelled before its turn must not lose them.
            parts, self._unsent = self._unsent + self._protocol.data_to_send(), []
            if parts:
                data = b"".join(parts)
                self._exchange.took(data)
                if not conn.post(data):
                    conn.deadline = monotonic() + self._limits.send_s
                    await conn.send(data)
                # An empty part stands for the end: after a failure it alone lets the client go.
                if not parts[-1]:
                    conn.shutdown_send()
                conn.deadline = self._until
        except (PeerGone, DeadlineExceeded) as error:
            self._end(ABNORMAL)
            raise ClientLeft(str(error)) from None
        finally:
            turns.pass_on()

    # The connection's side

    async def read(self) -> None:
        """Until the websocket is over: messages to the application, answers to the client.

        Whatever breaks it breaks this one, and the application is told.
        """
        try:
            await self._handshake()
            if self._agreed:
                await self._reading()
        except GeneratorExit:
            raise
        except BaseException as error:  # noqa: BLE001 - of the system, of a library, or ours
            report(log, "the websocket at %s failed", path_of(self._exchange), error=error)
            self._end(ABNORMAL)

    async def _handshake(self) -> None:
        """Until the application has answered to it, or the client has left."""
        pending = Pending(self._exchange, self._turns, self._vanished)
        self._io.watches.add(pending)
        try:
            while self._agreed is None:
                await self._settled
        finally:
            self._io.watches.discard(pending)
            pending.stop()

    async def _reading(self) -> None:
        conn = self._exchange.conn
        if not self._turns.busy:
            conn.deadline = self._until
        early, self._exchange.beyond = self._exchange.beyond, b""
        while not (self._over and self._closed()):
            conn.idle = conn.interruptible = True  # so that a server that stops tells us
            stops = self._must_stop()
            try:
                data = b"" if stops else early or await conn.recv()
            except DeadlineExceeded:
                if self._turns.busy or self._over:
                    break  # the client takes nothing, or does not answer our close
                conn.deadline = self._until
                continue
            except PeerGone:
                data = b""
            finally:
                conn.idle = conn.interruptible = False
            early = b""
            self._heartbeat.heard()  # also while a long frame keeps its pong back
            try:
                await self._understand(data)
            except ClientLeft:
                break
            if not data and not stops:
                break
        self._end(self._protocol.close_code or ABNORMAL, self._protocol.close_reason or "")

    def _must_stop(self) -> bool:
        """Whether the server stops, and neither side has been told: it may not have found
        us in a receive, which it interrupts."""
        return self._exchange.conn.closing and not self._over

    async def _room(self) -> None:
        """Until the application has taken a message, the client is gone, or the server stops."""
        self._io.watches.add(self)
        try:
            await self._inbox.room()
        finally:
            self._io.watches.discard(self)
        self._heartbeat.heard()  # what it said meanwhile was not read

    def look(self) -> None:
        """Called now and then while nobody reads."""
        if polled(self._exchange.conn.fd, 0):
            self._end(ABNORMAL)
        elif self._must_stop():
            self._inbox.release()

    async def end(self) -> None:
        """Until the application has ended, too."""
        while not self._ended:
            await self._end_of_application

    def _closed(self) -> bool:
        """Whether both sides have said so, or the client had its time to say so."""
        if self._protocol.close_expected() and self._protocol.close_rcvd is not None:
            return True
        return monotonic() >= self._until

    async def _understand(self, data: bytes) -> None:
        """Piece by piece, as fast as the application takes it. Raises `ClientLeft`."""
        turn_ends = monotonic() + TURN_S
        for start in range(0, len(data) or 1, PIECE_BYTES):
            if start and monotonic() > turn_ends:
                await self._exchange.conn.yield_turn()
                turn_ends = monotonic() + TURN_S
            if self._feed(data[start : start + PIECE_BYTES]):
                await self._flush()
            self._inbox.tell()
            while self._inbox.full and not (self._over or self._must_stop()):
                await self._room()

    def _feed(self, data: bytes) -> bool:
        """Understand what came; whether there may be something to answer."""
        protocol = self._protocol
        answer = False
        if data:
            protocol.receive_data(data)
        elif self._exchange.conn.closing and not self._over:
            protocol.send_close(RESTART, "the server stops")
            self._end(RESTART)
        else:
            protocol.receive_eof()
        for frame in protocol.events_received():
            if isinstance(frame, Frame):
                answer = self._take(frame) or answer
        if protocol.close_sent is not None:  # the client has broken the protocol
            self._end(protocol.close_sent.code, protocol.close_sent.reason)
            return True
        return answer or not data

    def _take(self, frame: Frame) -> bool:
        """Whether the protocol answers it."""
        opcode = frame.opcode
        if opcode is PING or opcode is CLOSE:
            if opcode is CLOSE:
                closed = self._protocol.close_rcvd
                self._end(closed.code if closed else NO_STATUS, closed.reason if closed else "")
            return True
        if opcode is not PONG and not self._over:
            try:
                self._inbox.put_frame(frame)
            except UnicodeDecodeError:
                self._protocol.fail(NOT_UTF8)
                self._end(NOT_UTF8)
        return False

    def _end(self, code: int, reason: str = "") -> None:
        """From now on the application is told that it is over."""
        if self._over:
            return
        self._over = True
        # The closing handshake has a moment.
        self._until = monotonic() + self._limits.linger_s
        self._exchange.conn.deadline = self._until
        self._inbox.release()
        self._heartbeat.stop()
        self._inbox.put({"type": "websocket.disconnect", "code": code, "reason": reason})
        self._inbox.tell()

    # Keeping it alive

    def _ping(self) -> None:
        self._protocol.send_ping(b"")
        self._io.spawn(self._ping_now())

    def _unanswered(self) -> None:
        self._exchange.conn.interrupt()
        self._end(ABNORMAL, "no pong")

    def _excused(self) -> bool:
        """Whether a pong cannot be heard, or a ping could not leave: nothing is read while the
        application is behind; a long message on its way has a deadline of its own."""
        return self._inbox.full or self._turns.busy

    async def _ping_now(self) -> None:
        try:
            await self._flush()
        except ClientLeft:
            pass  # the reading side notices

    async def finish(self, *, failed: bool) -> None:
        """The application has ended: so does the websocket."""
        if self._agreed is None:
            if not self._exchange.started:
                self._protocol.send_response(self._protocol.reject(500, "Internal Server Error\n"))
                self._exchange.take_over(500)
            self._refuse()
            await to_its_end(self._flush())
        elif not self._over:
            self._end(NORMAL)
            self._protocol.send_close(FAILED if failed else NORMAL)
            await to_its_end(self._flush())

    @property
    def is_closing(self) -> bool:
        """Whether the server stops."""
        return self._exchange.conn.closing

    def ended(self, error: BaseException | None) -> None:
        """Nothing of the call runs any more."""
        if error is not None:
            report(log, "a websocket failed", error=error)
        self._ended = True
        self._io.resume(self._end_of_application)
