"""What is asked in one exchange, and how far its response has come.

Content writes the response (`exchange`); who looks on meanwhile reads it here: the access log, the
watch over a client, a server that stops, a time limit.
"""

from __future__ import annotations

from typing import Protocol

from .body import Body
from .limits import Limits
from .request import Request
from .response import DateField, ResponseHead
from .stream import HttpConnection


class ExchangeSpan(Protocol):
    """An exchange in a distributed trace, as the calls of an application see it."""

    def enter(self) -> None:
        """Be the current one in this context, in which an application is then called."""

    def failed(self, error: BaseException) -> None:
        """The application has raised this."""


class ExchangeState:
    """The request of an exchange, its connection, and what has become of its response."""

    # What each request looks at is written by `__init__`, what few look at is of the class: CPython
    # 3.11 reads an attribute of the object in 6 ns, one of its class in 23, and writes one in 6.

    # How far the response has come.
    _broken = False
    _sent_at = 0.0
    """When a part of it had been sent, the last one."""

    # How its body is framed, once it has started.
    _remaining: int | None = None
    _chunked = _trailing = False
    silent = False
    """Whether it has no body, whatever content gives."""
    until_close = False
    """Whether only the end of the connection tells the client that the response is over."""

    # What comes after it.
    beyond = b""
    """What has come beyond this request: the beginning of the next one, or of what content
    that takes the connection over is to understand."""

    def __init__(  # noqa: PLR0917 - made once a request, and keywords cost
        self,
        conn: HttpConnection,
        request: Request,
        request_head: bytes,
        body: Body | None,
        limits: Limits,
        date: DateField,
    ) -> None:
        # What was asked.
        self.conn = conn
        self.request = request
        self.request_head = request_head
        """The head as it came: `fields_of` splits it."""
        self.body = body
        """None where the request has none."""
        self._limits = limits
        self._date = date

        self.request_id = ""
        """Its name, where requests have names (`content.request_ids`): the connection's may be that
        of a later one by now."""
        self.span: ExchangeSpan | None = None
        """Where requests are traced (`content.opentelemetry`)."""

        # What is answered.
        self.head: ResponseHead | None = None
        """Its status and fields, once content has said them."""
        self.started = self.finished = False
        """`started`: whether any of it has left; from then on nothing can be taken back."""
        self.exceeded = False
        """Whether content has given more than it declared: what else it gives is dropped, too."""
        self.keep = request.keep_alive
        """Whether the connection may serve another request."""

    def keep_name(self) -> None:
        """Its name is that of the connection's present request."""
        self.request_id = self.conn.request_id

    @property
    def streams(self) -> bool:
        """Whether a response is on its way that has no declared length: it may never end."""
        return self.started and not self.finished and self._remaining is None

    @property
    def moved_at(self) -> float:
        """When something of request or response went over the connection, behind the head of the
        request; `time.monotonic`, or 0."""
        return max(self._sent_at, 0.0 if self.body is None else self.body.came_at)

    @property
    def is_event_stream(self) -> bool:
        """Whether a response has begun that is silent for as long as nothing happens."""
        return self.started and self.head is not None and self.head.is_event_stream

    @property
    def can_fill(self) -> bool:
        """Whether there is something that could be sent and would mean nothing."""
        if self.started:
            return self._chunked and not (self.silent or self.finished or self._trailing)
        return bool(self.request.minor)
