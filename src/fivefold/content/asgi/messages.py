"""What an ASGI application sends for a response: checked, and made into what is sent."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Callable
from typing import Any

from ...errors import InvalidResponse
from ...http1.response import FilePart, ResponseHead
from ...iomodels.interface import File
from ..application.fields import ResponseHeads, response_head

Message = dict[str, Any]

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
