"""Which layers a connection passes before HTTP, from the outside in."""

from __future__ import annotations

from ..content.application.forwarded import Proxies
from ..http1.connection import Http1
from ..http1.limits import Limits
from ..http1.recorded import AccessLogger
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
    recorder: AccessLogger | None,
    proxies: Proxies | None,
) -> Handler:
    """`certificates`: of TLS, if it is spoken; `https_port`: where plain HTTP is sent, if it is;
    `recorder`: who keeps the access log, of that, too;
    `proxies`: whose PROXY protocol is believed, if it is expected."""
    if certificates is not None:
        plain = Http1(PlainHttp(https_port), limits, recorder)
        handler = Tls(handler, certificates, plain, limits).serve
    if proxies is not None:
        handler = ProxyProtocol(handler, proxies, limits).serve
    return handler
