"""The response side of one call of a WSGI application: start_response, write, the iterable.

Everything here is synchronous and is run where the application may block: in place, or in
a thread of the pool.  `Call.step` runs the application up to its next part; whoever
drives it sends the part and calls again.  Parts that `write` is given wait until then.
"""

from __future__ import annotations

import logging
import os
import stat
from collections.abc import Callable, Iterable, Iterator
from types import TracebackType
from typing import IO, Any

from ..errors import InvalidResponse
from ..http1.exchange import Exchange
from ..http1.response import BODILESS, FilePart, ResponseHead
from ..iomodels.base import File
from .fields import REMEMBERED, response_head

log = logging.getLogger("fivefold.wsgi")

ExcInfo = tuple[type[BaseException], BaseException, TracebackType | None]
Fields = list[tuple[str, str]]
Application = Callable[[dict[str, Any], Any], Iterable[bytes]]

END = b""
"""What `step` returns when there is no more."""

BLOCK_BYTES = 65536
"""What a FileWrapper reads at once where it cannot be sent by the kernel."""

STATUS_DIGITS = 3

_known: dict[tuple[Any, ...], ResponseHead] = {}


class FileWrapper:
    """`wsgi.file_wrapper`: an iterable that the server may send in its own way."""

    def __init__(self, filelike: IO[bytes], block_bytes: int = BLOCK_BYTES) -> None:
        self.filelike = filelike
        self.block_bytes = block_bytes

    def __iter__(self) -> Iterator[bytes]:
        while block := self.filelike.read(self.block_bytes):
            yield block

    def close(self) -> None:
        if hasattr(self.filelike, "close"):
            self.filelike.close()

    def part(self) -> FilePart | None:
        """What is left of it from its position, if it is a regular file of the kernel's."""
        try:
            fd = self.filelike.fileno()
            status = os.fstat(fd)
            offset = self.filelike.tell()
        except (AttributeError, OSError):
            return None
        if not stat.S_ISREG(status.st_mode):
            return None
        count = max(0, status.st_size - offset)
        return FilePart(File(fd, status.st_size), offset, count, lambda: None)


class Call:
    """One call of an application."""

    exchange: Exchange | None = None
    """None as long as nothing can have left."""
    head: ResponseHead | None = None
    last = False
    """Whether the part that `first` has returned is known to be the last."""
    _iterable: Any = None
    _iterator: Iterator[bytes] | None = None

    def __init__(self, environ: dict[str, Any], exchange: Exchange | None = None) -> None:
        self._environ = environ
        self._input: IO[bytes] = environ["wsgi.input"]  # the application may put another there
        self._written: list[bytes] = []
        self.exchange = exchange

    @property
    def simple(self) -> bool:
        """Whether the response has an ordinary body, and there is nothing to close."""
        head = self.head
        return (
            head is not None
            and not head.close
            and head.status not in BODILESS
            and type(self._iterable) is list
        )

    def first(self, application: Application) -> bytes | FilePart:
        """Call the application; the first part. Raises what it raises, and `InvalidResponse`."""
        iterable = self._iterable = application(self._environ, self.start_response)
        if isinstance(iterable, list | tuple):
            self.last = True
            if self._written:
                iterable = (*self._written, *iterable)
            return self._checked(b"".join(iterable))
        if isinstance(iterable, FileWrapper) and not self._written:
            part = iterable.part()
            if part is not None:
                self.last = True
                self._checked(b"")
                return part
        self._iterator = iter(iterable)
        return self._checked(self.step())

    def step(self) -> bytes:
        """The next part that is not empty, or END."""
        assert self._iterator is not None
        for part in self._iterator:
            if self._written:
                self._written.append(part)
                break
            if part:
                return part if type(part) is bytes else b"".join((part,))  # refuses text
        written = b"".join(self._written)
        self._written.clear()  # the same list: `write` goes on filling it
        return written

    def _checked(self, part: bytes) -> bytes:
        if self.head is None:
            raise InvalidResponse("the application did not call start_response")
        return part

    def start_response(
        self, status: str, fields: Fields, exc_info: ExcInfo | None = None
    ) -> Callable[[bytes], object]:
        if exc_info is not None:
            try:
                if self.exchange is not None and self.exchange.started:
                    raise exc_info[1].with_traceback(exc_info[2])
                self._written.clear()  # of a response that will not be
            finally:
                exc_info = None  # it refers to this frame (PEP 3333, "Error Handling")
        elif self.head is not None:
            raise InvalidResponse("start_response was called twice without exc_info")
        self.head = remembered_head(status, fields)
        return self._written.append

    def close(self) -> None:
        """Owed to the application whatever happened (PEP 3333); its failure is only logged."""
        close = getattr(self._iterable, "close", None)
        if close is not None:
            try:
                close()
            except Exception:
                log.exception("the application's close() failed")
        self._input.close()


def remembered_head(status: str, fields: Fields) -> ResponseHead:
    """Status and fields, checked and serialized. Raises `InvalidResponse`."""
    try:
        key = (status, *fields)
        head = _known.get(key)
    except TypeError:
        raise InvalidResponse(f"the fields {fields!r} are not a list of pairs of str") from None
    if head is None:
        head = serialized_head(status, fields)
        if len(_known) >= REMEMBERED:
            _known.clear()
        _known[key] = head
    return head


def serialized_head(status: str, fields: Fields) -> ResponseHead:
    code, _, reason = status.partition(" ")
    if not code.isdecimal() or len(code) != STATUS_DIGITS:
        raise InvalidResponse(f"status {status!r} is not three digits and a reason")
    try:
        pairs = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in fields]
        words = reason.encode("latin-1")
    except (AttributeError, ValueError, TypeError):
        raise InvalidResponse(
            f"status {status!r} or fields {fields!r} are not text in latin-1 (PEP 3333)"
        ) from None
    return response_head(int(code), pairs, reason=words, refuse_hop_by_hop=True)
