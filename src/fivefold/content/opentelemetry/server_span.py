"""One request as a span: it begins when the head is whole, and ends when the response has left or
will not; that of a websocket when its connection ends."""

from __future__ import annotations

from time import monotonic
from typing import Any

from opentelemetry import trace
from opentelemetry.context import attach

from ...errors import PeerGone, ProtocolError
from ...http1.stream import HttpConnection
from ..leaving_head import SWITCHING
from .attributes import OTHER
from .two_ios import TwoIos

SERVER_ERRORS = 500


class ServerSpan:
    """What an exchange says to it is `http1.exchange_state.ExchangeSpan`."""

    def __init__(
        self, tracer: Any, attributes: dict[str, Any], parent: Any, conn: HttpConnection
    ) -> None:
        method = attributes["http.request.method"]
        self._span = tracer.start_span(
            "HTTP" if method == OTHER else method,
            context=parent,
            kind=trace.SpanKind.SERVER,
            attributes=attributes,
        )
        self._context = trace.set_span_in_context(self._span, parent)
        self._begun = monotonic()
        self._status = 0
        self._error = ""
        """Its type, as the conventions want it: few words."""
        # A span that is sampled out has only a context to give.
        self._ios = TwoIos(conn) if self._span.is_recording() else None

    # An application's side

    def enter(self) -> None:
        attach(self._context)  # for good: the context of a call ends with it

    def failed(self, error: BaseException) -> None:
        if self._span.is_recording():
            self._error = named(error)
            self._span.record_exception(error)
            self._span.set_status(trace.StatusCode.ERROR)

    # The server's side

    def cut(self, error: BaseException) -> None:
        """The connection has ended before its response had left."""
        self._error = self._error or type(error).__name__

    def refused(self, refusal: ProtocolError, error: BaseException) -> ProtocolError:
        """The server answers instead of the content, once this is over; returns the refusal."""
        self._status = refusal.status
        if refusal is not error:
            self.failed(error)
        return refusal

    def end(self, *, finished: bool, request_id: str) -> None:
        span, ios = self._span, self._ios
        if ios is None:
            return
        ios.lift()
        found: dict[str, Any] = {}
        status = ios.status or self._status
        if status:
            found["http.response.status_code"] = status
        if status >= SERVER_ERRORS:
            self._error = self._error or str(status)
            span.set_status(trace.StatusCode.ERROR)
        elif not (finished or self._status or status == SWITCHING):
            self._error = self._error or PeerGone.__name__
        if self._error:
            found["error.type"] = self._error
        if request_id:
            found["fivefold.request_id"] = request_id
        if ios.opened:
            found["fivefold.first_byte_ms"] = ms(ios.opened - self._begun)
        found |= {f"fivefold.{name}_ms": ms(seconds) for name, seconds in ios.times()}
        span.set_attributes(found)
        span.end()


def named(error: BaseException) -> str:
    kind = type(error)
    module = kind.__module__
    return kind.__qualname__ if module == "builtins" else f"{module}.{kind.__qualname__}"


def ms(seconds: float) -> float:
    return round(seconds * 1e3, 3)
