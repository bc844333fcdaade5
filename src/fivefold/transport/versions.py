"""Which version of HTTP a client speaks: by what it agreed on in the handshake of TLS (ALPN, RFC
7301), or by its first bytes, where it has prior knowledge (RFC 9113, section 3.3)."""

from __future__ import annotations

from ..content.base import Content
from ..content.request_ids import SERVES
from ..errors import ProtocolError
from ..http1.connection import Http1
from ..http1.exchange import Exchange
from ..http1.limits import Limits
from ..http1.logged import AccessLogger
from ..http2.connection import PREFACE, Http2
from ..http2.dispatcher import SERVED
from ..http2.offered import Http2Settings
from ..iomodels.interface import Connection
from ..isolation.reporting import logger
from .layers import Served, entered, unread

log = logger("fivefold.http")

H2 = "h2"


class Versions:
    """Two connection coroutines as one."""

    def __init__(self, http1: Http1, http2: Http2, limits: Limits) -> None:
        self.spoken = http1, http2
        self._http1 = http1
        self._http2 = http2
        self._limits = limits

    def agreed(self, conn: Connection) -> Served:
        """Over TLS. Raises what `Http1.serve` raises."""
        assert conn.tls is not None
        if conn.tls.selected_alpn_protocol() == H2:
            return self._http2.serve(conn)
        return self._http1.serve(conn)

    def known(self, conn: Connection) -> Served:
        """Without TLS, by the first bytes. Raises what `Http1.serve` raises."""
        return entered(conn, self._begun, log)

    async def _begun(self, conn: Connection) -> Served:
        data = await conn.next_bytes(self._limits.first_byte_s)
        conn.allow(self._limits.head_s)
        while data and len(data) < len(PREFACE) and PREFACE.startswith(data):
            more = await conn.recv()
            if not more:
                break
            data += more
        unread(conn, data)
        version = self._http2 if data.startswith(PREFACE) else self._http1
        return version.serve(conn)


class NewerOnly(Content):
    """Content for clients that speak HTTP/1.1 where that is left out."""

    async def respond(self, exchange: Exchange) -> None:
        """Raises `ProtocolError`."""
        raise ProtocolError(505, "This server speaks HTTP/2 only.")


def versions(
    http1: Http1,
    content: Content,
    limits: Limits,
    settings: Http2Settings,
    access_logger: AccessLogger | None,
) -> Versions:
    """Those that are spoken; `http1` is HTTP/1.1 before `content`."""
    SERVES.update(dict.fromkeys(SERVED, "stream"))
    if not settings.has_1:
        http1 = Http1(NewerOnly(), limits, access_logger)
    return Versions(http1, Http2(content, limits, settings, access_logger), limits)
