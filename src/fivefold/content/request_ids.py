r"""`--request-id`: each request has a name, which proxies, logs and the application share.

Facts.        Proxies name a request in `X-Request-ID`, tracers in `traceparent` (W3C Trace
              Context).  Clients can send both, too: Heroku takes 20 to 200 characters of letters,
              digits and hyphens from anybody, Envoy replaces what comes from outside.
Choice.       A name that came, if it is one and harmless, otherwise the trace's, otherwise a new
              one.  The connection keeps it (`Connection.request_id`) for whatever tells of its
              request: the access log, `environ`, `scope`, the head of the response.
Assumption.   A name proves nothing: a client may choose that of another request.  Who needs more
              lets the proxy in front set the field.
Cost.         See docs/access-log.md.  Nothing where it is off: then no connection has a name.
"""

from __future__ import annotations

import logging
import os
import re
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

from ..http1.connection import Http1
from ..http1.request import Request
from ..http1.stream import HttpConnection
from .leaving_head import HEAD_END, Add, with_line

FIELD = re.compile(rb"\r\n(?i:x-request-id):[ \t]*([^\r\n]*?)[ \t]*(?=\r\n)")

HARMLESS = re.compile(rb"[A-Za-z0-9._~+/=@:-]{1,128}")
"""Nothing that a log, a shell or a page would read as more than a name."""

TRACE = re.compile(
    rb"\r\n(?i:traceparent):[ \t]*(?!ff|00-[^\r]{52}-)[0-9a-f]{2}-(?!0{32})([0-9a-f]{32})"
    rb"-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}(?=-|[ \t]*\r\n)"
)
"""W3C Trace Context, 3.2.2: no version ff; version 00 ends here, later ones may go on."""

NAMELESS = "-"


def begin(_: Request, conn: HttpConnection, head: bytes, __: float) -> Add:
    """Give the request its name; `leaving_head.Begin`."""
    name = name_of(head)
    conn.name_request(name.decode("ascii"))
    line = b"X-Request-ID: %b\r\n" % name

    def add(out: bytes) -> bytes:
        has_one = FIELD.search(out, 0, out.find(HEAD_END) + len(b"\r\n"))
        return out if has_one else with_line(out, line)

    return add


def name_of(head: bytes) -> bytes:
    """The name of the request with this head: what it says, or a new one."""
    found = FIELD.findall(head)
    if len(found) == 1 and HARMLESS.fullmatch(found[0]):
        return found[0]  # type: ignore[no-any-return]
    traces = TRACE.findall(head)
    return traces[0] if len(traces) == 1 else os.urandom(16).hex().encode()


def renamed(head: bytes, name: str) -> bytes:
    """The head with exactly one field X-Request-ID."""
    return with_line(FIELD.sub(b"", head), b"X-Request-ID: %b\r\n" % name.encode("ascii"))


CURRENT: ContextVar[str] = ContextVar("fivefold_request_id", default="")
"""The name of the request that a call of an application, or a line of the log, is about."""

SERVES = {Http1.serve.__code__: "conn"}
"""What serves requests, and the name under which it has their connection."""


def current() -> str:
    """The name of the request that is answered here; "" if there is none, or it has none.

    First by the stack: where the coroutine of a connection runs, be it ours that fails or an
    application that is called in place, all is about its request.  Coroutines of one thread have
    one context, and to give each its own would cost every step of it.  Elsewhere, in a task or a
    thread of an application, by the context of its call.
    """
    frame = sys._getframe(1)  # noqa: SLF001 - there is no other way to it
    while frame is not None:
        name = SERVES.get(frame.f_code)
        conn = None if name is None else frame.f_locals.get(name)
        if conn is not None:  # a signal's handler may ask before there is one
            return conn.request_id  # type: ignore[no-any-return]
        frame = frame.f_back  # type: ignore[assignment]
    return CURRENT.get()


@contextmanager
def about(name: str) -> Iterator[None]:
    """Meanwhile lines of the log are about this request."""
    token = CURRENT.set(name)
    try:
        yield
    finally:
        CURRENT.reset(token)


class RequestId(logging.Filter):
    """Gives `request_id` to records, for `%(request_id)s`: "-" where there is none.

    Cost.         A few microseconds a record, by the depth of the stack.
    """

    def filter(self, record: logging.LogRecord) -> bool:
        if not hasattr(record, "request_id"):
            record.request_id = current() or NAMELESS
        return True


def in_wsgi(application: Callable[..., Any]) -> Callable[..., Any]:
    """The application, whose calls know the name of their request (`current`)."""

    def named(environ: dict[str, Any], start_response: Any) -> Any:
        CURRENT.set(environ["HTTP_X_REQUEST_ID"])  # each call has a context of its own
        return application(environ, start_response)

    return named


def in_asgi(application: Callable[..., Any]) -> Callable[..., Any]:
    """The same for ASGI."""

    async def named(scope: dict[str, Any], receive: Any, send: Any) -> None:
        names = [value for name, value in scope.get("headers", ()) if name == b"x-request-id"]
        CURRENT.set(names[0].decode("ascii") if names else "")
        await application(scope, receive, send)

    return named
