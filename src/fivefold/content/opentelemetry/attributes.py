"""What a span says of a request from its beginning, so that samplers see it.

Source: OpenTelemetry's semantic conventions for HTTP servers (stable since 1.23), "HTTP server
semantic conventions".
"""

from __future__ import annotations

import re
from typing import Any

from opentelemetry.propagate import extract

from ...http1.exchange import Exchange
from ...http1.request import fields_of
from ..application.forwarded import TrustedProxies

Fields = list[tuple[bytes, bytes]]

METHODS = frozenset(
    ("CONNECT", "DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT", "QUERY", "TRACE")
)
OTHER = "_OTHER"
"""Instead of a method that a client has made up, of which there may be any number."""

SECRET = re.compile(r"(?<![^&])(AWSAccessKeyId|Signature|sig|X-Goog-Signature)=[^&]*")
"""What the conventions want to be hidden in a query."""


class FieldGetter:
    """How a propagator reads the fields of a request (opentelemetry's `Getter`)."""

    def get(self, fields: Fields, key: str) -> list[str] | None:
        name = key.lower().encode("latin-1")
        return [value.decode("latin-1") for found, value in fields if found == name] or None

    def keys(self, fields: Fields) -> list[str]:
        return [name.decode("latin-1") for name, _ in fields]


class Attributes:
    """Those of the requests of one server."""

    def __init__(self, proxies: TrustedProxies, pair: dict[str, str]) -> None:
        self._proxies = proxies
        self._pair = pair
        self._getter = FieldGetter()

    def of(self, exchange: Exchange, queued_s: float | None) -> tuple[dict[str, Any], Any]:
        """And the context in which its client has sent it: trace and baggage."""
        request, conn = exchange.request, exchange.conn
        fields = fields_of(exchange.request_head)
        seen = self._proxies.forwarded(conn, fields)
        path, _, query = request.target.decode("latin-1").partition("?")
        found: dict[str, Any] = {
            "http.request.method": request.method,
            "url.scheme": seen.scheme,
            "url.path": path,
            "network.protocol.version": request.version,
            **self._pair,
        }
        if request.method not in METHODS:
            found["http.request.method"] = OTHER
            found["http.request.method_original"] = request.method
        if query:
            found["url.query"] = SECRET.sub(r"\1=REDACTED", query)
        host, port = divided(seen.host or request.host.decode("latin-1"))
        if host:
            found["server.address"] = host
        if port:
            found["server.port"] = port
        if seen.client is not None:
            found["client.address"] = seen.client[0]
        agents = self._getter.get(fields, "user-agent")
        if agents:
            found["user_agent.original"] = agents[0]
        if queued_s is not None:
            found["fivefold.queue_ms"] = round(queued_s * 1e3, 3)
        return found, extract(fields, getter=self._getter)


def divided(authority: str) -> tuple[str, int]:
    """Host, an address of IPv6 without its brackets, and port; 0 if it names none."""
    host, _, port = authority.rpartition(":")
    if not (host and port.isdigit()):
        host, port = authority.removesuffix(":"), "0"
    return host.strip("[]"), int(port)
