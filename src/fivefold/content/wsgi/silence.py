"""A WSGI application that yields b"" again and again, "not ready yet", while its client leaves.

Facts.        What is sent to a client that has left fails, and ends the response; b"" is not sent.
              PEP 3333 lets an application yield it as often as it likes (section "Middleware
              Handling of Block Boundaries").  A FIN alone does not tell (`hang_up`).
Choice.       Once an iterator has yielded nothing else for `PEEK_S`, it is looked at the client
              between two parts, four times a second.  One that has sent a FIN is sent what means
              nothing (`Exchange.fill`), once: a client that is gone answers by a reset, which the
              next look sees.  Then the iterator is closed, where all of its call ran.
Assumption.   A client that is there accepts that (RFC 9110, section 15.2; RFC 9112, section 7.1:
              1*HEXDIG).  Where it cannot be sent (HTTP/1.0, a declared length) one that has sent a
              FIN and is sent nothing for `PATIENCE_S` counts as gone, as under ASGI.
              The application comes back now and then: one that blocks is not interrupted.
Cost.         Nothing for a part that holds bytes; the clock for one that does not (50 ns), and
              2 us at each look.
"""

from __future__ import annotations

from time import monotonic

from ...errors import PeerGone
from ...http1.exchange import Exchange
from ..application.hang_up import PATIENCE_S, PEEK_S, RDHUP, polled

HUNG_UP = b"the client may have left"
"""Stands for a part, by its identity: the application has yielded none, and its client a FIN."""


class Silence:
    """Of an iterator, since its last part. Made with its first b""."""

    def __init__(self) -> None:
        self._look_at = monotonic() + PEEK_S

    def hung_up(self, fd: int) -> bool:
        """Whether it is time for a look, and that shows that the client may have left."""
        now = monotonic()
        if now < self._look_at:
            return False
        self._look_at = now + PEEK_S
        return bool(polled(fd, RDHUP))


class Leaver:
    """A client that may have left, during one response."""

    def __init__(self) -> None:
        self._since = monotonic()
        self._asked = False

    async def prove(self, exchange: Exchange) -> None:
        """Called at each look. Raises `PeerGone` for one that has left."""
        gone = polled(exchange.conn.fd, 0)
        if not (gone or self._asked) and exchange.can_fill:
            self._asked = True
            await exchange.fill()
        elif gone or (not self._asked and monotonic() - self._since >= PATIENCE_S):
            raise PeerGone("the client has left, and the application yields nothing")
