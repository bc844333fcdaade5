"""`--overload 503`: what a client is answered for whom there is no room.

Choice.       A client that begins a TLS handshake gets an alert and not the 503: the handshake
              would cost a full server 550 us for each client (P-256), ten times the refusal, which
              is what it has least of.  `internal_error` is what TLS has for a want that is not
              the client's fault (RFC 8446, section 6.2).  Behind a PROXY header it cannot be seen
              what follows, so there a server that speaks TLS takes it for TLS.
              There is no body: a response to HEAD has none, and the method is not looked at.
"""

from __future__ import annotations

from ...http1.limits import QUEUE
from ...http1.response import CLOSE, serialized
from ...serving.refusing import Refusal
from ..settings import Settings

RETRY_AFTER_S = 1
"""Another worker, or a place in this one, is free within a moment as a rule; a client that waits
longer than it had to has lost more than one that asks twice."""

FIELDS = [(b"Content-Length", b"0"), (b"Retry-After", b"%d" % RETRY_AFTER_S)]

UNAVAILABLE = serialized(503, FIELDS, b"", persistence=CLOSE)
"""Without a Date, which a 5xx may leave out (RFC 9110, section 6.6.1): it never changes."""

HANDSHAKE = 0x16
"""With this a record of TLS begins that shakes hands; no request does."""

INTERNAL_ERROR = bytes((0x15, 3, 3, 0, 2, 2, 80))
"""A record of TLS: alert, two bytes, fatal, internal_error (RFC 8446, sections 5.1 and 6)."""


def refusal(settings: Settings) -> Refusal | None:
    """None where clients wait until there is room."""
    if settings.limits.overload == QUEUE:
        return None
    sealed = bool(settings.tls.tls_cert) and settings.proxy_protocol

    def answer(begun: bytes) -> bytes:
        return INTERNAL_ERROR if sealed or begun[0] == HANDSHAKE else UNAVAILABLE

    return answer
