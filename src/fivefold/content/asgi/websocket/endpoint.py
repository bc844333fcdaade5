"""Our endpoint of a websocket: what it hears and sends, how it is kept alive, and when it is over.

The connection's coroutine reads, and answers pings and closes, whatever the application does
meanwhile.  Reading stops while messages wait for it (`inbox`), so a fast sender is held
back by TCP.
"""

from __future__ import annotations

from enum import Enum
from time import monotonic

from websockets.frames import Frame, Opcode

from ....errors import ClientLeft, DeadlineExceeded, PeerGone
from ....http1.exchange import Exchange
from ....http1.limits import Limits
from ....http1.response import leaving
from ....iomodels.lifetime import NEVER
from ...application.hang_up import polled
from ...leaving_head import is_head
from ..application_loop import ApplicationLoop
from ..send_lock import SendLock
from .frames import Frames
from .inbox import Inbox
from .keepalive import Keepalive

CLOSE, PING, PONG = Opcode.CLOSE, Opcode.PING, Opcode.PONG
NORMAL, NO_STATUS, ABNORMAL, NOT_UTF8, FAILED, RESTART = 1000, 1005, 1006, 1007, 1011, 1012
"""Close codes (RFC 6455, section 7.4.1; 1012 from the IANA registry)."""

PIECE_BYTES = 2048
"""So much of what has come is understood at once: 2 MB if DEFLATE has made the most of it, or
340 frames, which takes 2 ms."""

TURN_S = 0.001
"""So long one client's messages are understood before the others have their turn."""


class State(Enum):
    """Where a websocket is in its life. It goes forward only, and may leave any state out."""

    HANDSHAKE = "the application has not answered to the handshake"
    DENYING = "it answers with a response of its own"
    OPEN = "messages go both ways"
    CLOSING = "the application is told that it is over; the client has a moment to say so, too"
    CLOSED = "both have said so, or there never was a websocket"


UNANSWERED = (State.HANDSHAKE, State.DENYING)
OVER = (State.CLOSING, State.CLOSED)
"""The application has been told so, or will find it in its inbox."""


class Endpoint:
    """The end of one websocket that is ours."""

    def __init__(self, exchange: Exchange, limits: Limits, frames: Frames) -> None:
        self._exchange = exchange
        self._limits = limits
        self._io: ApplicationLoop = exchange.conn.io
        self.frames = frames
        self.inbox = Inbox(self._io, limits.websocket_queue_messages, limits.websocket_queue_bytes)
        self.turns = SendLock(self._io)
        self.state = State.HANDSHAKE
        self._until = NEVER
        """When the client must have closed its side, too."""
        self._unsent: list[bytes] = []
        """What the protocol wanted sent and could not be sent soon."""
        self.keepalive = Keepalive(
            limits.websocket_ping_s, self._ping, self._unanswered, self._excused
        )

    # What it sends

    def sent_soon(self) -> bool:
        """Have what the protocol wants sent leave soon; False if it must be flushed."""
        if self.turns.busy or self._unsent:
            return False
        parts = self.frames.data_to_send()
        if parts and parts[-1]:
            data = b"".join(parts)
            if self._exchange.conn.send_soon(data):
                self._exchange.took(data)
                return True
        self._unsent = parts
        return False

    async def flush(self) -> None:
        """Send what the protocol wants sent, in its order. Raises `ClientLeft`."""
        turns, conn = self.turns, self._exchange.conn
        if turns.busy:
            await turns.turn()
        turns.busy = True
        try:
            # Taken now, because a sender that is cancelled before its turn must not lose them.
            parts, self._unsent = self._unsent + self.frames.data_to_send(), []
            if parts:
                data = b"".join(parts)
                if conn.adding and is_head(data):
                    data = leaving(conn, data)
                self._exchange.took(data)
                if not conn.send_soon(data):
                    conn.allow(self._limits.send_s)
                    await conn.send(data)
                # An empty part stands for the end: after a failure it alone lets the client go.
                if not parts[-1]:
                    conn.shutdown_send()
                conn.wait_until(self._until)
        except (PeerGone, DeadlineExceeded) as error:
            self.disconnect(ABNORMAL)
            raise ClientLeft(str(error)) from None
        finally:
            turns.pass_on()

    # What it hears

    async def read(self) -> None:  # noqa: C901 - in one piece, because all messages pass it
        """Until it is over: messages to the application, answers to the client."""
        conn = self._exchange.conn
        if not self.turns.busy:
            conn.wait_until(self._until)
        early, self._exchange.beyond = self._exchange.beyond, b""
        while self.state is State.OPEN or not self._is_closing_over():
            conn.begin_listening()  # so that a server that stops tells us
            stops = self._must_stop()
            try:
                data = b"" if stops else early or await conn.recv()
            except DeadlineExceeded:
                if self.turns.busy or self.state is not State.OPEN:
                    break  # the client takes nothing, or does not answer our close
                conn.wait_until(self._until)
                continue
            except PeerGone:
                data = b""
            finally:
                conn.heard()
            early = b""
            self.keepalive.heard()  # also while a long frame keeps its pong back
            try:
                if len(data) > PIECE_BYTES:
                    await self._understand(data)
                else:  # the usual case
                    if self._feed(data):
                        await self.flush()
                    self.inbox.deliver()
                    if self.inbox.full:
                        await self._until_taken()
            except ClientLeft:
                break
            if not data and not stops:
                break
            data = b""  # an idle connection need not keep what came last
        self._disconnect_as_closed()
        self.state = State.CLOSED

    def _must_stop(self) -> bool:
        """Whether the server stops, and neither side has been told: it may not have found
        us in a receive, which it interrupts."""
        return self._exchange.conn.closing and self.state is State.OPEN

    async def _until_taken(self) -> None:
        """Until the inbox is not full any more, the client is gone, or the server stops."""
        while self.inbox.full and self.state is State.OPEN and not self._must_stop():
            self._io.watches.add(self)
            try:
                await self.inbox.room()
            finally:
                self._io.watches.discard(self)
            self.keepalive.heard()  # what it said meanwhile was not read

    def look(self) -> None:
        """Called now and then while no coroutine reads."""
        if polled(self._exchange.conn.fd, 0):
            self.disconnect(ABNORMAL)
        elif self._must_stop():
            self.inbox.release()

    def _is_closing_over(self) -> bool:
        """Whether both sides have said so, or the client had its time to say so."""
        if self.frames.close_expected() and self.frames.close_rcvd is not None:
            return True
        return monotonic() >= self._until

    async def _understand(self, data: bytes) -> None:
        """Piece by piece, as fast as the application takes it. Raises `ClientLeft`."""
        turn_ends = monotonic() + TURN_S
        for start in range(0, len(data), PIECE_BYTES):
            if monotonic() > turn_ends:
                await self._exchange.conn.yield_turn()
                turn_ends = monotonic() + TURN_S
            if self._feed(data[start : start + PIECE_BYTES]):
                await self.flush()
            self.inbox.deliver()
            await self._until_taken()

    def _feed(self, data: bytes) -> bool:
        """Understand what came; whether there may be something to answer."""
        frames = self.frames
        answer = False
        if data:
            frames.receive_data(data)
        elif self._exchange.conn.closing and self.state is State.OPEN:
            frames.send_close(RESTART, "the server stops")
            self.disconnect(RESTART)
        else:
            frames.receive_eof()
        for frame in frames.events_received():
            if isinstance(frame, Frame):
                answer = self._take(frame) or answer
                frame.data = b""  # the library keeps its last frame until the next
        if frames.close_sent is not None:  # the client has broken the protocol
            self.disconnect(frames.close_sent.code, frames.close_sent.reason)
            return True
        if not data:
            # At once: what is flushed now may wait for what the application sends, which may not
            # send more then.
            self._disconnect_as_closed()
        return answer or not data

    def _disconnect_as_closed(self) -> None:
        self.disconnect(self.frames.close_code or ABNORMAL, self.frames.close_reason or "")

    def _take(self, frame: Frame) -> bool:
        """Whether the protocol answers it."""
        opcode = frame.opcode
        if opcode is PING or opcode is CLOSE:
            if opcode is CLOSE:
                closed = self.frames.close_rcvd
                self.disconnect(
                    closed.code if closed else NO_STATUS, closed.reason if closed else ""
                )
            return True
        if opcode is not PONG and self.state is State.OPEN:
            try:
                self.inbox.put_frame(frame)
            except UnicodeDecodeError:
                self.frames.fail(NOT_UTF8)
                self.disconnect(NOT_UTF8)
        return False

    def disconnect(self, code: int, reason: str = "") -> None:
        """From now on the application is told that it is over."""
        if self.state in OVER:
            return
        self.state = State.CLOSING if self.state is State.OPEN else State.CLOSED
        # The closing handshake has a moment.
        self._until = monotonic() + self._limits.linger_s
        self._exchange.conn.wait_until(self._until)
        self.inbox.release()
        self.keepalive.stop()
        self.inbox.put({"type": "websocket.disconnect", "code": code, "reason": reason})
        self.inbox.deliver()

    # Keeping it alive

    def _ping(self) -> None:
        self.frames.send_ping(b"")
        self._io.spawn(self._ping_now())

    def _unanswered(self) -> None:
        self._exchange.conn.interrupt()
        self.disconnect(ABNORMAL, "no pong")

    def _excused(self) -> bool:
        """Whether a pong cannot be heard, or a ping could not leave: nothing is read while the
        application is behind; a long message on its way has a deadline of its own."""
        return self.inbox.full or self.turns.busy

    async def _ping_now(self) -> None:
        if self.state is not State.OPEN:
            return  # its connection may be another's by now
        try:
            await self.flush()
        except ClientLeft:
            pass  # the reading side notices
