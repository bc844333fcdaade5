"""What a connection passes before content sees its requests: a PROXY header, TLS, and the
version of HTTP that its client speaks."""

from __future__ import annotations

from collections.abc import Coroutine, Sequence
from typing import Any

from ...accesslog.log import AccessLog
from ...content.application.forwarded import TrustedProxies
from ...content.base import Content
from ...http1.connection import Http1
from ...iomodels.interface import Connection
from ...serving.open_connections import Handler
from ...transport.plain_http import PlainHttp
from ...transport.proxy_protocol import ProxyProtocol
from ...transport.tls.certificates import Certificates
from ...transport.tls.layer import Tls
from ..settings import Settings
from .observing import Spoken


class Layers:
    """Of the connections of one worker."""

    def __init__(
        self,
        settings: Settings,
        certificates: Certificates | None,
        proxies: TrustedProxies,
        https_port: int | None,
        access_log: AccessLog | None,
    ) -> None:
        """`certificates`: None without TLS; `https_port`: where plain HTTP is sent to."""
        self._settings = settings
        self._certificates = certificates
        self._proxies = proxies
        self._https_port = https_port
        self._access_log = access_log

    def spoken(self, content: Content) -> tuple[Sequence[Spoken], Handler]:
        """The versions of HTTP, and the connection coroutine of the one that a client speaks."""
        limits, chosen = self._settings.limits, self._settings.http2
        http1 = Http1(content, limits, self._access_log)
        if not chosen.has_2 or (self._certificates is None and not chosen.h2c):
            return [http1], lambda conn: http1.serve(conn)  # noqa: PLW0108 - of that moment
        # Only where it is spoken: libnghttp2 takes 29 ms and 3 MiB.
        from ...transport.versions import versions  # noqa: PLC0415

        both = versions(http1, content, limits, chosen, self._access_log)
        return both.spoken, both.known if self._certificates is None else both.agreed

    def in_front_of(self, handler: Handler) -> Handler:
        """The connection coroutine, behind what comes before HTTP on a connection."""
        settings, limits = self._settings, self._settings.limits
        if self._certificates is not None:
            plain = Http1(PlainHttp(self._https_port), limits, self._access_log)
            handler = Tls(handler, self._certificates, plain, limits).serve
        if settings.proxy_protocol:
            handler = ProxyProtocol(handler, self._proxies, limits).serve
        return handler


def queue_timed(handler: Handler) -> Handler:
    """The connection coroutine of a server that says how long a request lay in the kernel."""

    def serve(conn: Connection) -> Coroutine[Any, Any, None]:
        conn.time_queue()
        return handler(conn)

    return serve
