"""Which layers a connection passes before HTTP, from the outside in."""

from __future__ import annotations

from ..content.application.forwarded import TrustedProxies
from ..http1.connection import Http1
from ..http1.limits import Limits
from ..http1.logged import AccessLogger
from ..serving.base import Handler
from .plain_http import PlainHttp
from .proxy_protocol import ProxyProtocol
from .tls.certificates import Certificates
from .tls.layer import Tls


def layered(
    handler: Handler,
    limits: Limits,
    *,
    certificates: Certificates | None,
    https_port: int | None,
    access_logger: AccessLogger | None,
    proxies: TrustedProxies | None,
) -> Handler:
    """`certificates`: of TLS, if it is spoken; `https_port`: where plain HTTP is sent, if it is;
    `access_logger`: the access log, of that, too;
    `proxies`: whose PROXY protocol is believed, if it is expected."""
    if certificates is not None:
        plain = Http1(PlainHttp(https_port), limits, access_logger)
        handler = Tls(handler, certificates, plain, limits).serve
    if proxies is not None:
        handler = ProxyProtocol(handler, proxies, limits).serve
    return handler
