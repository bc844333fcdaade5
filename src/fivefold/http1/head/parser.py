"""One request head: bytes in, a checked `Request` out.

llhttp (strict) judges the grammar, `request` the rest.

Speed.  A field costs 120 ns when llhttp hands it over to Python, and a browser sends
fifteen.  So llhttp judges the head as a whole, a sieve picks out the few lines that the
server itself obeys, and what these lines and the request line mean is examined once and
remembered: two requests that differ in other fields only are the same request to us.
`fields_of` splits all fields when the content asks.  Together this takes 2 us for
600 bytes of a browser's head, against 5 us for looking at every field.
"""

from __future__ import annotations

import itertools
import re

import httptools

from ...errors import ProtocolError
from ..bounded import Bounded
from ..limits import Limits
from ..request import REQUEST_BYTES, REQUEST_LINE, Request, examined

SIEVE = re.compile(rb"\n[hHtTcCeErRiI][oOrRxXaAfF][sSaAnNpP-][^\r]*").findall
"""Lines whose names may be in `OBEYED`: three letters decide, in half the time of whole names."""

REMEMBERED_BYTES = 1024
"""The longest that is remembered of one: its request line and the lines that it obeys."""

NEWER_MINOR = re.compile(rb"(\S+ \S+ HTTP/1\.)[2-9]\r\n")
"""RFC 9110 section 2.5: a higher minor version is treated as the highest that is spoken."""


class HeadParser:
    """llhttp, reused from request to request as long as it is between two messages.

    `known` is the memory of examined requests; connections may share it.
    """

    def __init__(self, limits: Limits, known: Bounded[bytes, Request]) -> None:
        self._limits = limits
        self._known = known
        self._known_as = known.get
        # A head this short cannot break a limit: a field takes at least 4 bytes.
        self._harmless_bytes = min(
            4 * limits.header_count, limits.request_line_bytes, limits.head_bytes
        )
        self._renew()

    def parse_one(self, data: bytes) -> Request | None:
        """The request, if `data` is exactly one in order and without a body.

        The short way for nearly all requests; None says no more than: take `parse`.
        """
        if len(data) > self._harmless_bytes or not data.endswith(b"\r\n\r\n"):
            return None
        try:
            self._feed(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade):
            self._renew()
            return None
        if next(self._counter) != self._one_message:
            self._renew()
            return None
        self._one_message += 3  # its head, its end, and our looking
        # The rest of the head has been judged: no more of it decides.
        known_as = self._known_as
        request = known_as(data[: data.index(b"\r\n")] + b"".join(SIEVE(data)))
        if request is None:
            if data.startswith(b"\r"):  # llhttp passes over empty lines, `examined` not
                return None
            request = self._examined(data)
        return None if request.has_body else request

    def parse(self, head: bytes) -> Request:
        """`head` runs from the request line to the empty line. Raises `ProtocolError`."""
        self._check_size(head)
        newer = NEWER_MINOR.match(head)  # llhttp refuses them
        if newer:
            head = newer[1] + b"1\r\n" + head[newer.end() :]
        ends_with_head = self._judged(head)
        request = self._examined(head)
        # If we did not agree where it ends, the next one would begin inside its body, or the
        # other way round: request smuggling (RFC 9112, section 11.2).
        if ends_with_head is request.has_body:
            raise ProtocolError(400, "ambiguous framing")
        return request

    def _judged(self, head: bytes) -> bool | None:
        """Whether the request ends with its head; None if llhttp does not judge that.

        For CONNECT and Upgrade it takes all that follows for another protocol, whatever
        the body's framing says.  We stay with HTTP/1.1 (RFC 9110, section 7.8), so
        Content-Length and Transfer-Encoding say alone where such a request ends.
        """
        self._renew()
        try:
            self._feed(head)
            return next(self._counter) == self._one_message
        except httptools.HttpParserUpgrade:
            return None
        except httptools.HttpParserError as error:
            raise refusal(head, error) from None
        finally:
            self._renew()

    def _renew(self) -> None:
        # llhttp calls C functions at half the price of methods, so a counter counts what it
        # met: the end of a head, and the end of a message. Never more ends than heads, so
        # two of them are one whole message.
        self._counter = itertools.count()
        self.on_headers_complete = self.on_message_complete = self._counter.__next__
        self._one_message = 2
        self._feed = httptools.HttpRequestParser(self).feed_data

    def _examined(self, head: bytes) -> Request:
        request = examined(head)
        key = head[: head.index(b"\r\n")] + b"".join(SIEVE(head))
        if len(key) <= REMEMBERED_BYTES:
            self._known.remember(key, request, REQUEST_BYTES + len(key))
        return request

    def _check_size(self, head: bytes) -> None:
        if head.find(b"\r\n") > self._limits.request_line_bytes:
            raise ProtocolError(414, "request line too long")
        if len(head) > self._limits.head_bytes:
            raise ProtocolError(431, "request head too large")
        if head.count(b"\n") - 2 > self._limits.header_count:
            raise ProtocolError(431, "too many header fields")


def refusal(head: bytes, error: Exception) -> ProtocolError:
    """Which status llhttp's refusal deserves."""
    line = REQUEST_LINE.match(head)
    if line is None:
        return ProtocolError(400, "malformed request line")
    # Before the method: of another version we do not know which there are.
    if line[3] != b"1":
        return ProtocolError(505, "this server speaks only HTTP/1")
    if isinstance(error, httptools.HttpParserInvalidMethodError):
        return ProtocolError(501, "unknown method")
    return ProtocolError(400, "malformed request")
