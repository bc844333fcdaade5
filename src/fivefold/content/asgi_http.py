"""One HTTP exchange as an ASGI application sees it: `receive` and `send`.

Back-pressure both ways: a part of the request is read when the application asks for it,
and `send` returns when the kernel has taken the part.  Once the request is read,
`receive` waits for the client to leave; what arrives meanwhile belongs to the next
request and is kept for it.
"""

from __future__ import annotations

import asyncio
import os
import stat
from collections.abc import Callable, Coroutine
from typing import Any

from ..errors import (
    ClientLeft,
    DeadlineExceeded,
    FileShrank,
    InvalidResponse,
    PeerGone,
    ProtocolError,
)
from ..http1.exchange import Exchange
from ..http1.response import FilePart, ResponseHead
from ..iomodels.asyncio_bridge import hosted
from ..iomodels.base import NEVER, File
from .asgi_turns import Turns
from .fields import REMEMBERED, response_head

Message = dict[str, Any]

AHEAD_BYTES = 65536
"""So much of the next requests is read while we watch for the client's end; then no more."""

_known: dict[tuple[Any, ...], ResponseHead] = {}


class HttpCycle:
    """`receive` and `send` of one exchange."""

    _complete = False
    _gone: asyncio.Future[None] | None = None
    _watch: asyncio.Task[None] | None = None
    _trailers = False
    _turns: Turns | None = None
    refusal: ProtocolError | None = None
    """Why the request could not be read whole; it is answered when the application ends."""

    def __init__(self, exchange: Exchange, loop: asyncio.AbstractEventLoop) -> None:
        self._exchange = exchange
        self._loop = loop
        self._body = exchange.body

    async def receive(self) -> Message:
        if not self._complete:
            if self._body is None:
                self._complete = True
                return {"type": "http.request", "body": b"", "more_body": False}
            return await self._receive_body()
        if not self._exchange.finished:
            await self._until_gone()
        return {"type": "http.disconnect"}

    async def _receive_body(self) -> Message:
        assert self._body is not None
        try:
            data = await hosted(self._body.read())
        except ProtocolError as error:
            self.refusal = error
        except (PeerGone, DeadlineExceeded):
            self._exchange.keep = False
        else:
            more = not self._body.finished
            self._complete = not more
            return {"type": "http.request", "body": data, "more_body": more}
        self._complete = True
        self._left()
        return {"type": "http.disconnect"}

    @property
    def waited(self) -> bool:
        """Whether anybody has waited in `receive`, so that `over` has something to do."""
        return self._gone is not None

    @property
    def gone(self) -> bool:
        """Whether the client has left."""
        return self._gone is not None and self._gone.done()

    def _left(self) -> None:
        if self._gone is None:
            self._gone = self._loop.create_future()
        if not self._gone.done():
            self._gone.set_result(None)

    async def _until_gone(self) -> None:
        if self._gone is None:
            self._gone = self._loop.create_future()
            self._watch = self._loop.create_task(self._watch_client())
        # Shielded: several tasks may wait, and one of them be cancelled.
        await asyncio.shield(self._gone)

    async def _watch_client(self) -> None:
        exchange = self._exchange
        conn = exchange.conn
        while len(exchange.pushed_back) < AHEAD_BYTES:
            if not exchange.finished and (self._turns is None or not self._turns.busy):
                conn.deadline = NEVER
            try:
                data = await hosted(conn.recv())
            except DeadlineExceeded:
                continue  # of a send that is over
            except PeerGone:
                data = b""
            if not data:
                exchange.keep = False
                self._left()
                return
            exchange.pushed_back += data

    async def send(self, message: Message) -> None:
        kind = message["type"]
        exchange = self._exchange
        if kind == "http.response.start":
            if exchange.started:
                raise RuntimeError("http.response.start after the head has left")
            exchange.start(remembered_head(message))
            self._trailers = bool(message.get("trailers", False))
            return
        if self.refusal is not None or self.gone:
            raise ClientLeft("the client left")
        if exchange.finished or exchange.exceeded:
            raise RuntimeError(f"{kind} after the end of the response")
        whole = None
        if kind == "http.response.body" and not self._trailers and not message.get("more_body"):
            whole = exchange.whole(message.get("body", b""))
        try:
            if whole is not None and self._turns is None:
                if not exchange.conn.post(whole):  # the usual case: the first part and last
                    await hosted(exchange.conn.send(whole))
                return
            operation = (
                self._operation(kind, message) if whole is None else exchange.conn.send(whole)
            )
            if self._turns is None:
                self._turns = Turns(exchange.conn.io)
            await hosted(self._turns.take(operation))
        except (PeerGone, DeadlineExceeded, FileShrank) as error:
            exchange.keep = False
            self._left()
            raise ClientLeft(str(error)) from None

    def _operation(self, kind: str, message: Message) -> Coroutine[Any, Any, None]:
        exchange = self._exchange
        if kind == "http.response.early_hint":
            links = [b"Link: " + bytes(link) + b"\r\n" for link in message.get("links", ())]
            return exchange.inform(103, checked_lines(links))
        if not exchange.has_head:
            raise RuntimeError(f"{kind} before http.response.start")
        more = bool(message.get("more_body", False)) or self._trailers
        if kind == "http.response.body":
            data = message.get("body", b"")
            if type(data) is not bytes:
                data = b"".join((data,))  # whatever is like bytes; refuses text
            return exchange.write(data, more=more)
        make = PARTS.get(kind)
        if make is not None:
            return self._send_part(make, message, more=more)
        if kind == "http.response.trailers" and self._trailers:
            self._trailers = bool(message.get("more_trailers", False))
            lines = [b"%b: %b\r\n" % (name, value) for name, value in message.get("headers", ())]
            return exchange.end(checked_lines(lines), more=self._trailers)
        raise RuntimeError(f"unexpected message {kind}")

    async def _send_part(
        self, make: Callable[[Message], FilePart], message: Message, *, more: bool
    ) -> None:
        """The file is opened when its turn has come, and not if it never does."""
        await self._exchange.send_file(make(message), more=more)

    def over(self) -> None:
        """The application has returned: whoever still waits in `receive` is told."""
        if self._watch is not None:
            self._watch.cancel()  # it lets go of the connection at once (Bridge.cancel)
        self._left()


def remembered_head(message: Message) -> ResponseHead:
    """The status and fields of a message, checked. Raises `InvalidResponse`."""
    status, fields = message["status"], message.get("headers", ())
    try:
        key = (status, *fields)
        try:
            head = _known.get(key)
        except TypeError:  # pairs that are lists have no hash
            key = (status, *map(tuple, fields))
            head = _known.get(key)
        if head is None:
            head = response_head(status, key[1:])
            if len(_known) >= REMEMBERED:
                _known.clear()
            _known[key] = head
    except (TypeError, ValueError):
        raise InvalidResponse(f"{message!r}: headers are pairs of bytes, status a number") from None
    return head


def checked_lines(lines: list[bytes]) -> bytes:
    for line in lines:
        if b"\r" in line[:-2] or b"\n" in line[:-2]:
            raise InvalidResponse(f"{line!r} would break the message")
    return b"".join(lines)


def path_part(message: Message) -> FilePart:
    """`http.response.pathsend`: a whole file by its path. Raises OSError."""
    fd = os.open(message["path"], os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    status = os.fstat(fd)
    if not stat.S_ISREG(status.st_mode):
        os.close(fd)
        raise FileNotFoundError(f"{message['path']!r} is not a regular file")
    return FilePart(File(fd, status.st_size), 0, status.st_size, lambda: os.close(fd))


def descriptor_part(message: Message) -> FilePart:
    """`http.response.zerocopysend`: a range of an open file; it stays the application's."""
    file = message["file"]
    fd = file if isinstance(file, int) else file.fileno()
    size = os.fstat(fd).st_size
    offset = message.get("offset")
    if offset is None:
        offset = os.lseek(fd, 0, os.SEEK_CUR)
    count = message.get("count")
    count = size - offset if count is None else count
    return FilePart(File(fd, size), offset, max(0, count), lambda: None)


PARTS: dict[str, Callable[[Message], FilePart]] = {
    "http.response.pathsend": path_part,
    "http.response.zerocopysend": descriptor_part,
}
