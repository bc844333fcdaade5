"""The end of a connection of HTTP/2 on which both agree, and where nothing is wrong.

Facts.        A server that stops does not know what its client has asked meanwhile.  RFC 9113,
              section 6.8, lets it say first that it will stop, and only a round trip later (GOAWAY)
              which stream is the last that it serves.  The answer to a PING comes behind all that
              the client sent before it read that PING.
Choice.       A notice and a PING; once that is answered, or the client has had its time, the
              GOAWAY.  What comes until then is served, what comes later is refused.
"""

from __future__ import annotations

from contextlib import suppress
from typing import Protocol

STOPPING = b"stopping"
"""The eight bytes of the PING behind the notice that the server stops."""


class EndingSession(Protocol):
    """Of `ngh2.Connection`."""

    def send_shutdown_notice(self) -> None: ...
    def ping(self, opaque_data: bytes) -> None: ...
    def send_goaway(self) -> None: ...


class AgreedEnd:
    """Of one connection."""

    def __init__(self, session: EndingSession, over: type[Exception]) -> None:
        """`over`: what the library raises that has ended itself, and has nothing more to say."""
        self._session = session
        self._over = over
        self.announced = False
        """Whether the client has been sent that the server stops."""
        self.is_known = False
        """Whether it has read that, or has had its time to: what it asks now, it asks in vain."""
        self.is_agreed = False
        """Whether one of both has said that streams end here, and nothing is wrong (GOAWAY)."""

    def announce(self) -> None:
        """The client shall begin nothing more here; what is on its way is served."""
        self.announced = True
        with suppress(self._over):
            self._session.send_shutdown_notice()
            self._session.ping(STOPPING)

    def answered(self, opaque_data: bytes) -> None:
        """A PING of ours."""
        if self.announced and opaque_data == STOPPING:
            self.know()

    def know(self) -> None:
        """What the client asked before has come; what follows is refused."""
        if not self.is_known:
            self.is_known = True
            self.agree()

    def left_off(self) -> None:
        """The client asks for nothing more, and waits for what it has asked for."""
        self.is_agreed = True

    def agree(self) -> None:
        """The last stream that is served, so that the client asks for later ones elsewhere."""
        self.is_agreed = True
        with suppress(self._over):
            self._session.send_goaway()
