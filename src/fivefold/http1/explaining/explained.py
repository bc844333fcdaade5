"""A response that says what went wrong, in the form that the client asks for.

A browser that asks for a page gets one, light or dark as it is set; a program that asks for JSON
gets problem details (RFC 9457); everybody else, curl and `fetch` among them, a line of text.

Choice.       Only what `Accept` names counts, the most wanted first (RFC 9110, section 12.5.1): a
              client that takes anything gets text.  `Vary: Accept` says so to caches.
Assumption.   A hint is for who develops: it is given to a peer at the loopback that no proxy speaks
              for.  A proxy on this machine that sets no field of its own is taken for such a peer;
              a hint therefore holds nothing that a client must not know.
Cost.         Nothing for a request that succeeds: the form is chosen when there is an error.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from html import escape
from http import HTTPStatus
from importlib.resources import files
from string import Template
from typing import Any

from ...errors import ProtocolError
from ..exchange import Exchange
from ..response import Fields, Response

ACCEPT = re.compile(rb"\r\naccept:[ \t]*([^\r\n]*)", re.IGNORECASE)
WEIGHT = re.compile(r";\s*q=([01](?:\.[0-9]{0,3})?)\s*$", re.ASCII | re.IGNORECASE)
"""RFC 9110, section 12.4.2."""

FROM_PROXY = re.compile(rb"\r\n(?:x-forwarded-[a-z]+|forwarded|via|x-real-ip):", re.IGNORECASE)

PAGE = Template(files(__package__).joinpath("refused.html").read_text("utf-8"))
POLICY = (b"Content-Security-Policy", b"default-src 'none'; style-src 'unsafe-inline'")
VARY = (b"Vary", b"Accept")

SEE_LOG = "The server's own log, on its standard error, says what failed and where."

LOOPBACK = ("127.", "::1", "::ffff:127.")


def explained(
    status: int,
    head: bytes,
    *,
    detail: str = "",
    hint: str = "",
    fields: Sequence[tuple[bytes, bytes]] = (),
) -> Response:
    """`head`: what has been read of the request's; it may be malformed, or not be there."""
    kind, body = in_form(wanted(head), status, detail, hint)
    policy = [POLICY] if kind.startswith("text/html") else []
    lines: Fields = [(b"Content-Type", kind.encode()), *fields, VARY, *policy]
    return Response(status, lines, body.encode(errors="backslashreplace"))


def refused(error: ProtocolError, head: bytes) -> Response:
    """What the client is told of it."""
    return explained(error.status, head, detail=error.detail, fields=error.fields)


def failed(exchange: Exchange) -> Response:
    """The application has: what and where is the log's, since clients must not know it."""
    return refusal(exchange, 500, hint=SEE_LOG)


def refusal(exchange: Exchange, status: int, *, hint: str = "", fields: Any = ()) -> Response:
    """The same for an exchange; a `hint` is for developers on this machine alone."""
    hint = hint if hint and is_near(exchange) else ""
    return explained(status, exchange.request_head, hint=hint, fields=fields)


def is_near(exchange: Exchange) -> bool:
    """Whether the client is on this machine, as far as can be seen."""
    peer = exchange.conn.peer
    if peer is None or not peer[0].startswith(LOOPBACK):
        return False
    return FROM_PROXY.search(exchange.request_head) is None


def wanted(head: bytes) -> str:
    """The media type to answer with, of those in `FORMS`."""
    best, weight = TEXT, 0.0
    for part in b",".join(ACCEPT.findall(head)).decode("latin-1").lower().split(","):
        found = WEIGHT.search(part)
        name = part.partition(";")[0].strip()
        its_weight = float(found[1]) if found else 1.0
        if name in FORMS and its_weight > weight:
            best, weight = name, its_weight
    return best


def in_form(name: str, status: int, detail: str, hint: str) -> tuple[str, str]:
    """The content type and the body."""
    return FORMS[name](name, status, detail, hint)


def as_text(_: str, status: int, detail: str, hint: str) -> tuple[str, str]:
    texts = [f"{status} {HTTPStatus(status).phrase}", *filter(None, (detail, hint))]
    return "text/plain; charset=utf-8", "\n\n".join(texts) + "\n"


def as_json(name: str, status: int, detail: str, hint: str) -> tuple[str, str]:
    said: dict[str, object] = {"title": HTTPStatus(status).phrase, "status": status}
    said |= {key: text for key, text in (("detail", detail), ("hint", hint)) if text}
    return name, json.dumps(said) + "\n"


def as_page(_: str, status: int, detail: str, hint: str) -> tuple[str, str]:
    page = PAGE.substitute(
        status=status,
        phrase=HTTPStatus(status).phrase,
        detail=f"<p>{escape(detail)}</p>\n" if detail else "",
        hint=f"<aside><p>{escape(hint)}</p></aside>\n" if hint else "",
    )
    return "text/html; charset=utf-8", page


TEXT = "text/plain"

FORMS = {
    "text/html": as_page,
    "application/json": as_json,
    "application/problem+json": as_json,
    TEXT: as_text,
}
"""By what a client may ask for."""
