r"""`--request-id`: each request has a name, which proxies, logs and the application share.

Facts.        Proxies name a request in `X-Request-ID`, tracers in `traceparent` (W3C Trace
              Context).  Clients can send both, too: Heroku takes 20 to 200 characters of letters,
              digits and hyphens from anybody, Envoy replaces what comes from outside.
Choice.       A name that came, if it is one and harmless, otherwise the trace's, otherwise a new
              one.  It is written into the head of the request, so that whatever reads that (the
              access log, `environ`, `scope`) has it, and into the head of the response.
Assumption.   A name proves nothing: a client may choose that of another request.  Who needs more
              lets the proxy in front set the field.
Cost.         Each head is another one, so that nothing which is remembered by heads or answers is
              of use; see docs/access-log.md.  Nothing where it is off: then this is not there.
"""

from __future__ import annotations

import os
import re

from ..http1.exchange import OVER, Exchange
from ..http1.slow_path import unforeseen
from .base import Around
from .leaving_head import is_head, seen, with_line

FIELD = re.compile(rb"\r\n(?i:x-request-id):[ \t]*([^\r\n]*?)[ \t]*(?=\r\n)")

HARMLESS = re.compile(rb"[A-Za-z0-9._~+/=@:-]{1,128}")
"""Nothing that a log, a shell or a page would read as more than a name."""

TRACE = re.compile(
    rb"\r\n(?i:traceparent):[ \t]*(?!ff|00-[^\r]{52}-)[0-9a-f]{2}-(?!0{32})([0-9a-f]{32})"
    rb"-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}(?=-|[ \t]*\r\n)"
)
"""W3C Trace Context, 3.2.2: no version ff; version 00 ends here, later ones may go on."""


class Named(Around):
    """Content whose requests have names."""

    async def respond(self, exchange: Exchange) -> None:
        exchange.request_head, name = named(exchange.request_head)
        exchange.request_id = name.decode("ascii")
        line = b"X-Request-ID: %b\r\n" % name
        opened = False

        def with_name(data: bytes) -> bytes:
            nonlocal opened
            if opened or not is_head(data):
                return data
            opened = True
            return (
                data if FIELD.search(data, 0, data.find(b"\r\n\r\n") + 2) else with_line(data, line)
            )

        try:
            with seen(exchange.conn, with_name):
                await self._content.respond(exchange)
        except OVER:
            raise
        except BaseException as error:  # noqa: BLE001 - the edge of content
            refusal = unforeseen(exchange.request, error)
            refusal.fields = [*refusal.fields, (b"X-Request-ID", name)]
            raise refusal from None


def named(head: bytes) -> tuple[bytes, bytes]:
    """The head with exactly one field X-Request-ID, and its value."""
    found = FIELD.findall(head)
    if len(found) == 1 and HARMLESS.fullmatch(found[0]):
        return head, found[0]
    traces = TRACE.findall(head)
    name = traces[0] if len(traces) == 1 else os.urandom(16).hex().encode()
    if found:
        head = FIELD.sub(b"", head)
    return with_line(head, b"X-Request-ID: %b\r\n" % name), name


def located(exchange: Exchange, target: str) -> str:
    """What was asked for, for a line of the log, with the name of the request."""
    return f"{target} (request {exchange.request_id})" if exchange.request_id else target
