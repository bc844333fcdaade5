"""What answers requests: `Content`, which folders, applications and the routings over them are.

HTTP asks two things of it (`http1.answer.Responder`), the server two more: on what its
connections run, and to end.
"""

from __future__ import annotations

from collections.abc import Awaitable

from ..http1.answer import Answer
from ..http1.exchange import Exchange
from ..http1.request import Request
from ..http1.stream import HttpConnection
from ..iomodels.interface import IOModel


class Content:
    """Content in the process that serves it; shared by all connections of a worker."""

    nests = False
    """Whether `respond` may run the I/O model within one of its steps: an application that is
    called in place, and waits for its client there."""

    def io(self, engine: type[IOModel], *, tick_s: float, connections: int) -> IOModel:
        """The I/O model that its connections run on: an `engine`, or a host on one."""
        return engine(tick_s=tick_s, connections=connections)

    def close(self) -> None:
        """Give back what was opened."""

    def answer_at_once(
        self, request: Request, head: bytes, conn: HttpConnection, now: float
    ) -> Answer | None:
        """The response, if it can be begun without waiting; None if `respond` is to be asked.

        Called for each request, before anything of its body is read; a WSGI application that is
        called in place is called here.
        """
        return None

    def at_hand(self, exchange: Exchange) -> Answer | None:
        """For content around this one that has to have an exchange: the response, if it needs
        neither an application nor a path looked up; else None, and `respond` is to be asked."""
        return None

    def respond(self, exchange: Exchange) -> Awaitable[None]:
        """Answer through the exchange. Raises `ProtocolError` for a refusal."""
        raise NotImplementedError


class Around(Content):
    """Content around another, which does what is not done here."""

    def __init__(self, content: Content) -> None:
        self._content = content
        self.nests = content.nests

    def io(self, engine: type[IOModel], *, tick_s: float, connections: int) -> IOModel:
        return self._content.io(engine, tick_s=tick_s, connections=connections)

    def close(self) -> None:
        self._content.close()
