"""`scope`: what an ASGI application is told about a request (ASGI 3.0, "HTTP & WebSocket")."""

from __future__ import annotations

from typing import Any
from urllib.parse import unquote_to_bytes

from ...http1.exchange import Exchange
from ...http1.request import fields_of
from ...http1.stream import HttpConnection
from ..application.client_certificate import extension
from ..application.forwarded import TrustedProxies
from ..application.known_heads import KnownHeads

Scope = dict[str, Any]

VERSIONS = {"version": "3.0", "spec_version": "2.3"}
"""From 2.4 on frameworks no longer listen for http.disconnect while they stream: they expect
`send` to raise.  A generator that waits sends nothing, and would never hear of its client's end
(Starlette's StreamingResponse).  Ours raises all the same."""

FILES = {name: f"http.response.{name}" for name in ("pathsend", "zerocopysend")}
"""Those that a framework uses by itself wherever it finds them, by the names of the setting.
A middleware around it that knows only `http.response.body` would lose the file."""

OF_EACH_REQUEST = ("extensions", "client", "server", "state")
"""What is known by its head has places for them: then its copy need not grow (0.07 us)."""

REQUEST_ID = b"x-request-id"

LIFESPANS = ("auto", "on", "off")
"""Take an exception at the start of an ASGI application for "no lifespan"; for an error; never
ask.  Here, because settings must not import asyncio."""


class Ends:
    """What applications are told of a connection, whichever request it carries: looked up once."""

    __slots__ = ("client", "server", "state", "tls")

    def __init__(self, conn: HttpConnection) -> None:
        """Raises `ProtocolError` for a client whose certificate cannot be told."""
        self.client, self.server = conn.peer, conn.local
        self.state: dict[str, Any] = conn.io.state
        self.tls = None if conn.tls is None else extension(conn.tls)


class Scopes:
    """Makes scopes, and remembers those of short heads that come again."""

    def __init__(
        self, root_path: str, proxies: TrustedProxies, extensions: tuple[str, ...] = ()
    ) -> None:
        """`extensions`: of `FILES`, those that may be announced."""
        self._root_path = root_path
        self._proxies = proxies
        self._files = tuple(FILES[name] for name in extensions)
        self._known = KnownHeads()
        self._known_as = self._known.get

    def http(self, exchange: Exchange, ends: Ends) -> Scope:
        head = exchange.request_head
        known_as = self._known_as
        known = known_as(head)
        if known is None:
            known = self._described(exchange)
            self._known.put(head, known)
        scope = known.copy()
        # Middleware changes these in place.
        scope["headers"] = known["headers"].copy()
        if exchange.request_id:
            name_request(scope, exchange.request_id)
        scope["asgi"] = VERSIONS.copy()
        # Those that an application uses only by its own decision. What one request writes there no
        # other one reads: so they are written out, which takes a tenth of copying them (1 us).
        announced: dict[str, dict[str, Any]] = {
            "http.response.trailers": {},
            "http.response.early_hint": {},
        }
        scope["extensions"] = announced
        if self._files:
            announced |= {name: {} for name in self._files}
        scope["client"], scope["server"] = ends.client, ends.server
        scope["state"] = ends.state.copy()
        if ends.tls is not None:  # of its keys
            announced["tls"] = ends.tls.copy()
        if not self._proxies.none:
            self._add_forwarded(scope, exchange)
        return scope

    def websocket(self, exchange: Exchange, ends: Ends) -> Scope:
        scope = self._described(exchange)
        del scope["method"]
        scope["type"] = "websocket"
        if exchange.request_id:
            name_request(scope, exchange.request_id)
        offered = [v for k, v in scope["headers"] if k == b"sec-websocket-protocol"]
        names = b",".join(offered).decode("latin-1").split(",")
        scope["subprotocols"] = [name.strip() for name in names if name.strip()]
        scope["asgi"] = VERSIONS.copy()
        scope["extensions"] = {"websocket.http.response": {}}
        if ends.tls is not None:
            scope["extensions"]["tls"] = ends.tls.copy()
        scope["client"], scope["server"] = ends.client, ends.server
        scope["state"] = ends.state.copy()
        if not self._proxies.none:
            self._add_forwarded(scope, exchange)
        scope["scheme"] = {"http": "ws", "https": "wss"}.get(scope["scheme"], scope["scheme"])
        return scope

    def _described(self, exchange: Exchange) -> Scope:
        request = exchange.request
        raw_path, _, query = request.target.partition(b"?")
        path = unquote_to_bytes(raw_path).decode("utf-8", "replace")
        root = self._root_path
        if root and not (path == root or path.startswith(root + "/")):
            path = root + path  # a proxy that took the prefix away; `path` includes it
        return {
            "type": "http",
            "asgi": VERSIONS,
            "http_version": request.version,
            "method": request.method,
            "scheme": exchange.conn.scheme,
            "path": path,
            "raw_path": raw_path,
            "query_string": query,
            "root_path": root,
            "headers": self._headers(exchange),
            **dict.fromkeys(OF_EACH_REQUEST),
        }

    def _headers(self, exchange: Exchange) -> list[tuple[bytes, bytes]]:
        fields = fields_of(exchange.request_head)
        host = exchange.request.host
        # An absolute target overrides the field (RFC 9112, section 3.2.2).
        return [(name, host if name == b"host" else value) for name, value in fields]

    def _add_forwarded(self, scope: Scope, exchange: Exchange) -> None:
        """What proxies on its way say."""
        forwarded = self._proxies.forwarded(exchange.conn, scope["headers"])
        scope["client"], scope["scheme"] = forwarded.client, forwarded.scheme
        if forwarded.host is not None:
            host = forwarded.host.encode("latin-1")
            scope["headers"] = [
                (name, host if name == b"host" else value) for name, value in scope["headers"]
            ]


def name_request(scope: Scope, name: str) -> None:
    """Put its name in place of what the client may have sent as such."""
    fields = [field for field in scope["headers"] if field[0] != REQUEST_ID]
    scope["headers"] = [*fields, (REQUEST_ID, name.encode("ascii"))]
