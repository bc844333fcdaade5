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
from typing import Any, NamedTuple

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
    address: str = "",
    fields: Sequence[tuple[bytes, bytes]] = (),
) -> Response:
    """`head`: what has been read of the request's; it may be malformed, or not be there.
    `address`: where it is instead, if it is elsewhere."""
    kind, body = in_form(wanted(head), Said(status, detail, hint, address))
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


def moved(
    exchange: Exchange, status: int, location: bytes, fields: Sequence[tuple[bytes, bytes]] = ()
) -> Response:
    """It is elsewhere, for clients that do not follow by themselves (RFC 9110, section 15.4)."""
    address = location.decode("latin-1")
    lines = [(b"Location", location), *fields]
    return explained(status, exchange.request_head, address=address, fields=lines)


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


class Said(NamedTuple):
    """What a client is to know."""

    status: int
    detail: str = ""
    hint: str = ""
    address: str = ""

    @property
    def phrase(self) -> str:
        return HTTPStatus(self.status).phrase


def in_form(name: str, said: Said) -> tuple[str, str]:
    """The content type and the body."""
    return FORMS[name](name, said)


def as_text(_: str, said: Said) -> tuple[str, str]:
    texts = [f"{said.status} {said.phrase}", *filter(None, said[1:])]
    return "text/plain; charset=utf-8", "\n\n".join(texts) + "\n"


def as_json(name: str, said: Said) -> tuple[str, str]:
    about: dict[str, object] = {"title": said.phrase, "status": said.status}
    about |= {key: text for key, text in said._asdict().items() if text and key != "status"}
    return name, json.dumps(about) + "\n"


def as_page(_: str, said: Said) -> tuple[str, str]:
    address = escape(said.address)
    detail = f"<p>{escape(said.detail)}</p>\n" if said.detail else ""
    detail += f'<p><a href="{address}">{address}</a></p>\n' if address else ""
    page = PAGE.substitute(
        status=said.status,
        phrase=said.phrase,
        detail=detail,
        hint=f"<aside><p>{escape(said.hint)}</p></aside>\n" if said.hint else "",
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
