"""What an ASGI application sends for a response: checked, and made into what is sent."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Callable
from typing import Any

from ...errors import InvalidResponse
from ...http1.exchange import Exchange
from ...http1.response import FilePart, ResponseHead
from ...iomodels.interface import File
from ..application.fields import ResponseHeads, response_head
from .send_lock import Operation

Message = dict[str, Any]

BODY = "http.response.body"
EARLY_HINT = "http.response.early_hint"
TRAILERS = "http.response.trailers"

_known = ResponseHeads()
_look = _known.get


def remembered_head(message: Message) -> ResponseHead:
    """The status and fields of a message, checked. Raises `InvalidResponse`."""
    status, fields = message["status"], message.get("headers", ())
    try:
        key = (status, *fields)
        try:
            head = _look(key)
        except TypeError:  # pairs that are lists have no hash
            key = (status, *map(tuple, fields))
            head = _look(key)
        if head is None:
            head = response_head(status, key[1:])
            _known.put(key, head)
    except (TypeError, ValueError):
        raise InvalidResponse(f"{message!r}: headers are pairs of bytes, status a number") from None
    return head


def checked_lines(lines: list[bytes]) -> bytes:
    for line in lines:
        if b"\r" in line[:-2] or b"\n" in line[:-2]:
            raise InvalidResponse(f"{line!r} would break the message")
    return b"".join(lines)


def body_of(message: Message) -> bytes:
    """Its part, whatever is like bytes: a view may count in larger items, and a length is in bytes.
    Raises TypeError for text."""
    data = message.get("body", b"")
    return data if type(data) is bytes else b"".join((data,))


def operation_of(exchange: Exchange, kind: str, message: Message, *, trailers: bool) -> Operation:
    """What sends a message other than `http.response.start`, to be awaited in its turn.

    `trailers`: whether trailer fields are still to come.  Raises, at once, RuntimeError for a
    message that does not fit here, `InvalidResponse`, and TypeError and the like for one whose
    values are of no use.
    """
    if kind == EARLY_HINT:
        links = [b"Link: " + bytes(link) + b"\r\n" for link in message.get("links", ())]
        return exchange.inform(103, checked_lines(links))
    if exchange.head is None:
        raise RuntimeError(f"{kind} before http.response.start")
    more = bool(message.get("more_body", False)) or trailers
    if kind == BODY:
        return exchange.write(body_of(message), more=more)
    make = PARTS.get(kind)
    if make is not None:
        return _send_part(exchange, make, message, more=more)
    if kind == TRAILERS and trailers:
        lines = [b"%b: %b\r\n" % (name, value) for name, value in message.get("headers", ())]
        return exchange.end(checked_lines(lines), more=bool(message.get("more_trailers", False)))
    raise RuntimeError(f"unexpected message {kind}")


async def _send_part(
    exchange: Exchange, make: Callable[[Message], FilePart], message: Message, *, more: bool
) -> None:
    """The file is opened when its turn has come, and not if it never does."""
    await exchange.send_file(make(message), more=more)


def path_part(message: Message) -> FilePart:
    """`http.response.pathsend`: a whole file by its path. Raises OSError, `InvalidResponse`."""
    fd = os.open(message["path"], os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    try:
        size = size_of(fd, regular=True)
    except BaseException:
        os.close(fd)
        raise
    return FilePart(File(fd, size), 0, size, lambda: os.close(fd))


def descriptor_part(message: Message) -> FilePart:
    """`http.response.zerocopysend`: a range of an open file; it stays the application's.

    Raises OSError, `InvalidResponse`.
    """
    file = message["file"]
    fd = file if isinstance(file, int) else file.fileno()
    size = size_of(fd)
    offset = message.get("offset")
    if offset is None:
        offset = os.lseek(fd, 0, os.SEEK_CUR)
    count = message.get("count")
    count = size - offset if count is None else count
    return FilePart(File(fd, size), offset, max(0, count), lambda: None)


def size_of(fd: int, *, regular: bool = False) -> int:
    """Of an open file, in bytes. Raises OSError, and `InvalidResponse` where the kernel's word is
    not true: in /proc and /sys a file has no size before it is read (proc(5))."""
    status = os.fstat(fd)
    size = status.st_size
    if not stat.S_ISREG(status.st_mode):
        if regular:
            raise FileNotFoundError(errno.ENOENT, "not a regular file")
        return size
    if not status.st_blocks and (os.pread(fd, 1, size) or (size and not os.pread(fd, 1, size - 1))):
        raise InvalidResponse("the file's size is not known: send what it reads")
    return size


PARTS: dict[str, Callable[[Message], FilePart]] = {
    "http.response.pathsend": path_part,
    "http.response.zerocopysend": descriptor_part,
}
