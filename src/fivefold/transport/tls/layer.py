"""HTTPS: a handshake before the first request, and an answer for clients that speak plain HTTP.

The first byte tells: a TLS client begins with a handshake record, 0x16, which no HTTP
request begins with.  So the address that only redirects (`--redirect-http`) needs no
handler of its own, and a client that mistakes the port is told so.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

from ...errors import PeerGone
from ...http1.closing import linger
from ...http1.connection import Http1
from ...http1.limits import Limits
from ...iomodels.interface import Connection
from ...isolation.reporting import logger
from ...serving.open_connections import Handler
from ..layers import Served, entered, unread
from .certificates import Certificates
from .connection import HandshakeFailed, TlsConnection

log = logger("fivefold.tls")

HANDSHAKE = 0x16
"""RFC 8446, section 5.1: the type of a client's first record."""


class Tls:
    """Wraps the connection coroutine; `serve` is one itself."""

    def __init__(
        self, handler: Handler, certificates: Certificates, plain: Http1, limits: Limits
    ) -> None:
        """`plain` answers clients that do not speak TLS."""
        self._handler = handler
        self._certificates = certificates
        self._plain = plain
        self._limits = limits
        sys.unraisablehook = without_names(sys.unraisablehook)

    def serve(self, conn: Connection) -> Served:
        """Raises what `Http1.serve` raises."""
        return entered(conn, self._agreed, log)

    async def _agreed(self, conn: Connection) -> Served:
        limits = self._limits
        conn.expect_progress(limits.send_s)
        data = await conn.next_bytes(limits.first_byte_s)
        if not data:
            raise PeerGone("a client that said nothing")
        if data[0] != HANDSHAKE:
            unread(conn, data)
            return self._plain.serve(conn)
        conn.allow(limits.tls_handshake_s)
        tls = TlsConnection(conn, self._certificates.current())
        failure: HandshakeFailed | None = None
        try:
            await tls.handshake(data)
        except HandshakeFailed as error:
            failure = error
        if failure is None:
            return self._handler(tls)
        log.info("no TLS with %s: %s", conn.peer[0] if conn.peer else "a client", failure)
        # In TLS 1.3 a client is done before its certificate is looked at: its request is on the
        # way already, and a reset would hide the alert that says why.
        await linger(conn, limits.linger_s)
        raise failure


def without_names(report: Callable[[sys.UnraisableHookArgs], object]) -> Callable[[Any], None]:
    """A hook that passes on to `report` whatever is not about the name that a client asks for.

    Facts.        Python's ssl decodes the name as ASCII before it calls us.  If that fails it
                  refuses the handshake, as it should, and prints a traceback (`_ssl.c`,
                  `_servername_callback`): of bytes, which no other unraisable exception is about.
    Assumption.   An application that sets a hook of its own, and does not pass on, sees them there.
    """

    def passed_on(unraisable: sys.UnraisableHookArgs) -> None:
        decoding = unraisable.exc_type is UnicodeDecodeError
        if not (decoding and isinstance(unraisable.object, bytes)):
            report(unraisable)

    return passed_on
