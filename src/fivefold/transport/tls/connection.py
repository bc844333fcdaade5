"""TLS as a connection around a connection, so that it works in every pair.

Facts.        OpenSSL can speak with two buffers in memory instead of a socket
              (SSL_set_bio(3), `ssl.MemoryBIO`): what the peer sent is put into one, what it
              shall get is taken from the other, and no call ever waits.
              A record holds 16 KiB at most; SSL_write(3) makes as many as it takes.
              After the handshake a server need not send anything of its own accord: the
              answer to a KeyUpdate goes before its next data (RFC 8446, section 4.6.3),
              and renegotiation is refused.
Consequence.  The operations of the connection below can be used as they are.
              A buffer in memory that has grown never shrinks (BIO_s_mem(3)), and an idle
              connection keeps it.
Choice.       A receive sends nothing; a send sends what there is.  Answers and files are
              sealed a part at a time, and each record is taken out before the next is made:
              memory stays flat, whatever the size, and what is idle keeps one record's room.
Cost.         No sendfile(2): each byte of a file is copied into the process, sealed, and copied
              out.  What is asked of both, like `deadline`, goes through a property.
"""

from __future__ import annotations

import ssl
from operator import attrgetter
from time import monotonic
from typing import Any

from ...errors import DeadlineExceeded, FileShrank, PeerGone
from ...iomodels.interface import Connection, File
from ...isolation.reporting import logger

log = logger("fivefold.tls")

RECORD_BYTES = 16384
"""RFC 8446, section 5.1."""

SOON_BYTES = 15360
"""What `send_soon` takes: sealed it still is what every model takes, one small buffer."""

PART_BYTES = 262144
"""Sealed and sent at once: large enough for few calls, small enough for a thousand downloads."""

UNASKED_BYTES = 4096
"""What may wait until something is sent: a refusal of renegotiation is 31 bytes, and whoever
asks again and again must not fill the memory with them."""

FAREWELL_S = 1.0
"""How long a client that takes nothing may hold up our close_notify."""


REASONS = {"CALLBACK_FAILED": "the name that it asks for is not text"}
"""What OpenSSL says, where we know more: our callback for names raises nothing of its own."""


class HandshakeFailed(PeerGone):
    """The peer and we cannot agree; it has been told why, as TLS tells it."""


def unsent(self: TlsConnection) -> int:
    """Sealed bytes count like those that they were: 22 more in 16384."""
    return self.unsealed + self.below.unsent


def below(name: str) -> Any:
    """What the connection below is asked instead: it is the one that the engine looks at, and
    the one that the server ends."""
    return property(attrgetter(f"below.{name}"))


class TlsConnection(Connection):
    """The decrypted side. Raises what the connection below raises."""

    tls: ssl.SSLObject
    scheme = "https"
    file_copies = 2

    unsent: Any = property(unsent)
    peer = below("peer")
    local = below("local")
    socket_ends = below("socket_ends")
    queued_s = below("queued_s")
    # One life, and it is lived below (`iomodels/lifetime.py`).
    deadline = below("deadline")
    progress_s = below("progress_s")
    idle = below("idle")
    new = below("new")
    closing = below("closing")
    interruptible = below("interruptible")
    last_call_s = below("last_call_s")
    longest_call_s = below("longest_call_s")
    wait_until = below("wait_until")
    allow = below("allow")
    expect_progress = below("expect_progress")
    progressed = below("progressed")
    took = below("took")
    taken_at = below("taken_at")
    is_late = below("is_late")
    begin_waiting = below("begin_waiting")
    begin_listening = below("begin_listening")
    give_last_call = below("give_last_call")
    heard = below("heard")
    finish = below("finish")
    interrupt = below("interrupt")
    has_come = below("has_come")
    expire = below("expire")
    abort = below("abort")

    def __init__(self, connection: Connection, context: ssl.SSLContext) -> None:
        self.below = connection
        self.sock, self.fd, self.io = connection.sock, connection.fd, connection.io
        self._received = ssl.MemoryBIO()
        self._sealed = ssl.MemoryBIO()
        self.tls = context.wrap_bio(self._received, self._sealed, server_side=True)
        self._agreed = self._reset = self._farewell_due = False
        self.unsealed = 0

    async def handshake(self, data: bytes) -> None:
        """Agree on keys; `data` has come already. Raises `HandshakeFailed`."""
        while True:
            if not data:
                raise HandshakeFailed("the client left in the middle of the handshake")
            self._received.write(data)
            try:
                self.tls.do_handshake()
            except ssl.SSLWantReadError:
                await self._flush()
            except ssl.SSLError as error:
                await self._flush()  # the alert that says why
                raise HandshakeFailed(
                    REASONS.get(error.reason) or error.reason or str(error)
                ) from None
            else:
                break
            data = await self.below.recv()
        await self._flush()
        self._agreed = True

    async def recv(self) -> bytes:
        if self._farewell_due:
            self._farewell_due = False
            await self._say_farewell()
            self.below.shutdown_send()
        received = self._received
        while True:
            if received.pending or self.tls.pending():
                try:
                    return self.tls.read(RECORD_BYTES)
                except ssl.SSLWantReadError:
                    pass  # half a record
                except ssl.SSLZeroReturnError:
                    return b""
                except ssl.SSLError as error:
                    raise PeerGone(f"TLS: {error.reason}") from None
            if self._sealed.pending > UNASKED_BYTES:
                raise PeerGone("TLS: the client provokes answers without end")
            data = await self.below.recv()
            if not data:
                return b""  # without a close_notify: what was cut shows in HTTP's own framing
            received.write(data)

    async def send(self, *buffers: bytes) -> None:
        data = buffers[0] if len(buffers) == 1 else b"".join(buffers)
        if len(data) <= PART_BYTES:
            if sealed := self._seal(data):
                await self.below.send(*sealed)
            return
        rest = memoryview(data)
        while rest:
            part, rest = rest[:PART_BYTES], rest[PART_BYTES:]
            self.unsealed = len(rest)
            await self.below.send(*self._seal(part))
            self.progressed()

    def send_soon(self, data: bytes) -> bool:
        connection = self.below
        # With an empty part first, because what is sealed must be sent.
        if len(data) > SOON_BYTES or self._sealed.pending or not connection.send_soon(b""):
            return False
        return connection.send_soon(b"".join(self._seal(data)))

    async def send_file(self, head: bytes, file: File, offset: int, count: int) -> None:
        connection = self.below
        sealed = self._seal(head)
        end = offset + count
        while offset < end:
            data = await connection.read_file(file, offset, min(end - offset, PART_BYTES))
            if not data:
                raise FileShrank(f"{end - offset} bytes are missing")
            offset += len(data)
            self.unsealed = end - offset
            sealed += self._seal(data)
            await connection.send(*sealed)
            sealed = []
            self.progressed()
        if sealed:
            await connection.send(*sealed)

    async def read_file(self, file: File, offset: int, count: int) -> bytes:
        return await self.below.read_file(file, offset, count)

    async def settled(self) -> None:
        await self.below.settled()

    async def yield_turn(self) -> None:
        await self.below.yield_turn()

    async def close(self) -> None:
        try:
            if self._agreed and not self._reset:
                await self._say_farewell()
        except (PeerGone, DeadlineExceeded, OSError):
            pass  # no client is there to take it for an attack
        finally:
            await self.below.close()

    def shutdown_send(self) -> None:
        # Said by the next `recv`: the caller of this reads on, and this must not wait.
        self._farewell_due = True

    def reset_on_close(self) -> None:
        self._reset = True
        self.below.reset_on_close()

    async def _say_farewell(self) -> None:
        """RFC 8446, section 6.1: nothing follows, and no attacker has cut it off."""
        try:
            self.tls.unwrap()
        except ssl.SSLError:
            pass  # it waits for the peer's; or the connection has failed already
        self.wait_until(min(self.deadline, monotonic() + FAREWELL_S))
        await self._flush()

    def _seal(self, data: bytes | memoryview) -> list[bytes]:
        """Its records, behind whatever else is to be sent. Raises `PeerGone` once our close_notify
        has been said, or TLS has failed."""
        sealed = self._sealed
        try:
            if len(data) <= RECORD_BYTES:
                if data:
                    self.tls.write(data)
                return [sealed.read()] if sealed.pending else []
            records = []
            rest = memoryview(data)
            while rest:
                rest = rest[self.tls.write(rest[:RECORD_BYTES]) :]
                records.append(sealed.read())
        except ssl.SSLError as error:
            raise PeerGone(f"TLS: {error.reason}") from None
        return records

    async def _flush(self) -> None:
        if self._sealed.pending:
            await self.below.send(self._sealed.read())
