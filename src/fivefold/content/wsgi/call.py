"""The response side of one call of a WSGI application: start_response, write, the iterable.

Everything here is synchronous and is run where the application may block: in place, or in
a thread of the pool (`places`).  `Call.step` runs the application up to its next part;
its driver sends the part and calls again.  A part that `write` is given is sent
before it returns.
"""

from __future__ import annotations

import errno
from collections.abc import Callable, Iterable, Iterator
from contextvars import Context
from types import TracebackType
from typing import IO, Any

from ...errors import ClientLeft, DeadlineExceeded, InvalidResponse, PeerGone
from ...http1.answer import Whole
from ...http1.exchange import Exchange
from ...http1.request import Request
from ...http1.response import FilePart, ResponseHead
from ...http1.stream import HttpConnection
from ...isolation.descendants import descendants
from ..application.fields import ResponseHeads, response_head
from ..application.thread_pool import Lease
from .file_wrapper import FileWrapper
from .input import abandon
from .silence import HUNG_UP, Silence

ExcInfo = tuple[type[BaseException], BaseException, TracebackType | None]
Fields = list[tuple[str, str]]
Application = Callable[[dict[str, Any], Any], Iterable[bytes]]
Send = Callable[["Call", bytes], BaseException | None]
"""See `Place.send`."""

END = b""
"""What `step` returns when there is no more."""

WHOLE = (list, tuple, type(None))
"""What an application may return that has all its parts, and nothing to close."""

NO_MORE = object()

STATUS_DIGITS = 3

_known = ResponseHeads()
_look = _known.get


class Failed:
    """An application raised, or did what it must not."""

    def __init__(self, error: BaseException) -> None:
        self.error = error


class Misbehaved(InvalidResponse):
    """An application returned something that is no response: there is no line to blame."""


class Call:
    """One call of an application.

    All its pieces run in one context, a copy of the one in which the application was loaded,
    so that no request sees what another has set.
    """

    def __init__(
        self, environ: dict[str, Any], conn: HttpConnection, context: Context, send: Send
    ) -> None:
        """`send`: of the place where it runs."""
        # Of the request.
        self._environ = environ
        self._input: IO[bytes] = environ["wsgi.input"]  # the application may put another there
        self.conn = conn
        self.asked: tuple[Request, bytes] | None = None
        """Request and head, where it was called before there was an exchange."""

        # Where it runs.
        self.context = context
        self._send = send
        self.lease: Lease | None = None
        """The thread of the pool, if it is one."""

        # Of its response.
        self.exchange: Exchange | None = None
        """None as long as nothing can have left."""
        self.head: ResponseHead | None = None
        self._iterable: Any = None
        self._iterator: Iterator[bytes] | None = None
        self.last = False
        """Whether the part that `first` has returned is known to be the last."""
        self.broken: BaseException | None = None
        """Why a part that was written could not be sent."""
        self.ended = False
        """Whether its `write` must not send any more."""
        self.left = False
        """Whether it has had its time, and closes itself once it comes back."""

    def as_whole(self, part: Any) -> Whole | None:
        """The response, if `part` is all of it and nothing is left to be sent or closed."""
        head = self.head
        if (
            head is None
            or not head.is_ordinary
            or type(self._iterable) is not list
            or self.exchange is not None
            or (head.length is not None and head.length != len(part))
        ):
            return None
        self.ended = True
        answer = Whole()
        answer.head, answer.given, answer.as_http1 = head, part, b""
        return answer

    @property
    def over(self) -> bool:
        """Whether the application has no more to give, and nothing to close."""
        return self.ended or type(self._iterable) in WHOLE

    def attempt(self, piece: Callable[[], Any]) -> Any:
        """Run a piece of the application; what it returns, or `Failed`."""
        outcome: Any
        try:
            outcome = self.context.run(piece)
            descendants.end_if_copy()
        except BaseException as error:  # noqa: BLE001 - the edge of an application
            descendants.end_if_copy(error)
            outcome = Failed(error)
        finally:
            if self.over:
                abandon(self._input)
        return outcome

    def first(self, application: Application) -> bytes | FilePart:
        """Call the application; the first part. Raises what it raises, and `InvalidResponse`."""
        iterable: Any = application(self._environ, self.start_response)
        self._iterable = iterable
        kind = type(iterable)
        if iterable is None:
            raise Misbehaved("it returned None, not an iterable of bytes (PEP 3333)")
        if kind in WHOLE:
            self.last = True
            return self._checked(joined(iterable))
        if kind is FileWrapper:
            return self._file(iterable)
        self._iterator = iterated(iterable)
        return self._checked(self.step())

    def _file(self, wrapper: FileWrapper) -> bytes | FilePart:
        """All of it for the kernel to send, or its first block."""
        self._checked(b"")
        part = wrapper.part()
        if part is not None:
            self.last = True
            return part
        assert self.head is not None
        length = self.head.length
        self._iterator = iter(wrapper) if length is None else wrapper.blocks(length)
        return self.step()

    def step(self) -> bytes:
        """The next part that is not empty, or END; or HUNG_UP if there is none for a while, and the
        client may have left meanwhile."""
        assert self._iterator is not None
        # Not by `for`, which would call `__iter__` once more.
        part: Any
        silence: Silence | None = None
        while (part := next(self._iterator, NO_MORE)) is not NO_MORE:
            if part:
                return part if type(part) is bytes else joined((part,))
            if silence is None:
                silence = Silence()
            elif self.head is not None and silence.hung_up(self.conn.fd):
                return HUNG_UP
        return END

    def _checked(self, part: bytes) -> bytes:
        if self.head is None:
            raise Misbehaved("it did not call start_response")
        return part

    def start_response(
        self, status: str, fields: Fields, exc_info: ExcInfo | None = None
    ) -> Callable[[bytes], None]:
        if exc_info is not None:
            try:
                if self.exchange is not None and self.exchange.started:
                    raise exc_info[1].with_traceback(exc_info[2])
            finally:
                exc_info = None  # it refers to this frame (PEP 3333, "Error Handling")
        elif self.head is not None:
            raise InvalidResponse("start_response was called twice without exc_info")
        self.head = remembered_head(status, fields)
        return self.write

    def write(self, data: bytes) -> None:
        """Raises `ClientLeft`, and `InvalidResponse` once the call is over."""
        if self.ended:
            raise InvalidResponse("write() was called after the end of the response")
        if not isinstance(data, bytes):
            raise InvalidResponse(f"write() takes bytes, not {type(data).__name__} (PEP 3333)")
        descendants.end_if_copy()
        if self.broken is None:
            self.broken = self._send(self, data)
        if isinstance(self.broken, PeerGone | DeadlineExceeded):
            raise ClientLeft(errno.EPIPE, "the client has left") from self.broken
        if self.broken is not None:
            raise self.broken

    def close(self) -> None:
        """Owed to the application whatever happened (PEP 3333). Raises what it raises."""
        self.ended = True
        close = getattr(self._iterable, "close", None)
        if close is not None:
            close()


def iterated(iterable: Any) -> Iterator[bytes]:
    """Its iterator. Raises `Misbehaved` for what has none, and for text."""
    if isinstance(iterable, str | bytes) or not (
        hasattr(iterable, "__iter__") or hasattr(iterable, "__getitem__")
    ):
        kind = type(iterable).__name__
        raise Misbehaved(f"it returned {kind}, not an iterable of bytes (PEP 3333)")
    return iter(iterable)


def joined(parts: Iterable[bytes]) -> bytes:
    """Raises `Misbehaved` if one is not bytes."""
    try:
        return b"".join(parts)
    except TypeError:
        kinds = {type(part).__name__ for part in parts} - {"bytes"}
        names = " and ".join(sorted(kinds))
        raise Misbehaved(f"a part of its response is {names}, not bytes (PEP 3333)") from None


def remembered_head(status: str, fields: Fields) -> ResponseHead:
    """Status and fields, checked and serialized. Raises `InvalidResponse`."""
    try:
        key = (status, *fields)
        head = _look(key)
    except TypeError:
        raise InvalidResponse(f"the fields {fields!r} are not a list of pairs of str") from None
    if head is None:
        head = serialized_head(status, fields)
        _known.put(key, head)
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
    return response_head(int(code), pairs, reason=words, warns=True)
