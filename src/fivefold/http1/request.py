"""One request head: bytes in, a checked `Request` out.

llhttp (strict) judges the grammar.  On top of it stand the rules of RFC 9110 and 9112
that a server must enforce and llhttp leaves to it: Host, the form of the target, the
version, what may frame a body, what may be expected.

Speed.  A field costs 120 ns when llhttp hands it over to Python, and a browser sends
fifteen.  So llhttp judges the head as a whole, a sieve picks out the few lines that the
server itself obeys, and what these lines and the request line mean is examined once and
remembered: two requests that differ in other fields only are the same request to us.
`fields_of` splits all fields when the content asks.  Together this takes 2 us for
600 bytes of a browser's head, against 5 us for looking at every field.
"""

from __future__ import annotations

import ipaddress
import itertools
import re

import httptools

from ..errors import ProtocolError
from .bounded import Bounded
from .limits import Limits

SIEVE = re.compile(rb"\n[hHtTcCeErRiI][oOrRxXaAfF][sSaAnNpP-][^\r]*").findall
"""Lines whose names may be in `OBEYED`: three letters decide, in half the time of whole names."""

OBEYED = re.compile(
    rb"\n(?i:(host|transfer-encoding|content-length|connection|expect|range|if-[a-z-]+))"
    rb":[ \t]*([^\r]*)"
)
"""The fields that decide how a request is framed, routed or answered."""

REMEMBERED_BYTES = 1024
"""The longest that is remembered of one: its request line and the lines that it obeys."""

REQUEST_BYTES = 1024
"""Of a `Request` besides the texts that it holds, all its objects counted."""

REQUEST_LINE = re.compile(rb"([!#$%&'*+.^_`|~0-9A-Za-z-]+) (\S+) HTTP/(\d)\.(\d)\r\n")
"""RFC 9112 section 3, to tell *why* llhttp refused."""

NEWER_MINOR = re.compile(rb"(\S+ \S+ HTTP/1\.)[2-9]\r\n")
"""RFC 9110 section 2.5: a higher minor version is treated as the highest that is spoken."""

# RFC 3986: a reg-name, IPv4 or bracketed IP literal, and an optional port.
HOST = re.compile(
    rb"(?:\[([0-9A-Fa-f:.]+)\]|(?:[A-Za-z0-9._~!$&'()*+,;=-]|%[0-9A-Fa-f]{2})+)(:[0-9]{0,5})?"
)

ABSOLUTE = re.compile(rb"(?i:https?)://([^/?#]+)([^#]*)")

SELECTIVE = {b"if-none-match", b"if-modified-since", b"range", b"if-range"}

NEEDS_LENGTH = (b"POST", b"PUT", b"PATCH")


class Request:
    """What a request asks for, its head being complete and in order.

    One object stands for all requests that ask the same; what else a particular head
    says, `fields_of` tells.
    """

    method: str
    target: bytes
    """Path and query; `*` for OPTIONS; an authority for CONNECT."""
    minor: int
    """The minor version of HTTP/1."""
    host: bytes
    keep_alive: bool
    content_length: int | None
    """None when the body is chunked, 0 when there is none."""
    has_body: bool
    expects_continue: bool
    obeyed: dict[bytes, bytes]
    """The fields of `OBEYED`: lower-case name, value; repeated ones joined by commas."""
    plain_target: bytes | None
    """`target`, if all that the request says is: GET this (and perhaps: then close)."""
    selective_target: bytes | None
    """`target`, if beside that the request only says what of it is wanted, or when."""


def fields_of(head: bytes) -> list[tuple[bytes, bytes]]:
    """All fields of a checked head in order, names in lower case."""
    lines = head.split(b"\r\n")[1:-2]
    split = (line.partition(b":") for line in lines)
    return [(name.lower(), value.strip(b" \t")) for name, _, value in split]


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
        request = self._known_as(data[: data.index(b"\r\n")] + b"".join(SIEVE(data)))
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


def examined(head: bytes) -> Request:
    """The rules that llhttp leaves to us. Raises `ProtocolError`."""
    line = REQUEST_LINE.match(head)
    if line is None:
        raise ProtocolError(400, "malformed request line")
    method, target, major, digit = line.groups()
    if major != b"1" or digit not in (b"0", b"1"):
        raise ProtocolError(505, "this server speaks only HTTP/1")
    request = Request()
    request.method = method.decode("ascii")
    request.minor = minor = int(digit)
    request.obeyed = obeyed = collected(head)
    request.target, authority = origin_form(target, method)
    request.host = checked_host(obeyed.get(b"host"), authority, minor)
    request.content_length = body_length(obeyed, method, minor)
    request.has_body = request.content_length != 0
    request.expects_continue = expects_continue(obeyed.get(b"expect"), minor)
    request.keep_alive = persists(obeyed.get(b"connection"), minor)
    simple = method == b"GET" and (minor == 1 or not request.keep_alive)
    others = obeyed.keys() - {b"host", b"connection"}
    request.plain_target = request.target if simple and not others else None
    selective = simple and others and others <= SELECTIVE
    request.selective_target = request.target if selective else None
    return request


def collected(head: bytes) -> dict[bytes, bytes]:
    obeyed: dict[bytes, bytes] = {}
    for name, value in OBEYED.findall(head):
        name = name.lower()  # noqa: PLW2901 - the name as sent is of no further use
        if name in obeyed:
            # A proxy may have routed or framed by the other one (RFC 9112, 3.2 and 6.3).
            if name in (b"host", b"content-length"):
                raise ProtocolError(400, "repeated Host or Content-Length")
            value = obeyed[name] + b", " + value  # noqa: PLW2901
        obeyed[name] = value.rstrip(b" \t")
    return obeyed


def origin_form(target: bytes, method: bytes) -> tuple[bytes, bytes | None]:
    """The target as path and query, and the authority if the target named one (RFC 9112, 3.2)."""
    if method == b"CONNECT":
        if not is_host(target) or not target.rpartition(b":")[2].isdigit():
            raise ProtocolError(400, "CONNECT asks for something else than a host and a port")
        return target, None
    if target.startswith(b"/"):
        if b"#" in target:
            raise ProtocolError(400, "fragment in the request target")
        return target, None
    absolute = ABSOLUTE.fullmatch(target)
    if absolute:
        path = absolute[2]
        return path if path.startswith(b"/") else b"/" + path, absolute[1]
    if target == b"*" and method == b"OPTIONS":
        return target, None
    raise ProtocolError(400, "malformed request target")


def checked_host(host: bytes | None, authority: bytes | None, minor: int) -> bytes:
    """RFC 9112 section 3.2: exactly one Host in HTTP/1.1; an absolute target overrides it."""
    if host is None:
        if minor:
            raise ProtocolError(400, "missing Host")
        host = b""
    named = (host or None, authority)  # a field without a value says that there is no host
    if not all(text is None or is_host(text) for text in named):
        raise ProtocolError(400, "malformed Host")
    return host if authority is None else authority


def is_host(text: bytes) -> bool:
    """Whether this is a host with or without a port; an address in brackets is IPv6.

    Without a host there is nothing that a port could belong to: an http URI that has none is
    invalid (RFC 9110, section 4.2.1).
    """
    match = HOST.fullmatch(text)
    if match is None:
        return False
    try:
        return match[1] is None or bool(ipaddress.IPv6Address(match[1].decode("ascii")).version)
    except ValueError:
        return False


def body_length(obeyed: dict[bytes, bytes], method: bytes, minor: int) -> int | None:
    """RFC 9112 section 6.3; None means chunked."""
    coding = obeyed.get(b"transfer-encoding")
    length = obeyed.get(b"content-length")
    if coding is not None:
        # One of them is not for us: a proxy in front may have obeyed it (RFC 9112, section 6.1).
        if length is not None or minor == 0:
            raise ProtocolError(
                400, "Transfer-Encoding together with Content-Length, or in HTTP/1.0"
            )
        # Where chunked is not the last coding, llhttp has refused: the end could not be found.
        if coding.lower() != b"chunked":
            raise ProtocolError(501, "unknown transfer coding")
        return None
    if length is not None:
        if not length.isdigit() or len(length) > 18:  # noqa: PLR2004 - fits in 63 bits
            raise ProtocolError(400, "malformed Content-Length")
        return int(length)
    if minor == 0 and method in NEEDS_LENGTH:
        raise ProtocolError(411, "HTTP/1.0 needs a Content-Length here")  # RFC 1945, 7.2.2
    return 0


def expects_continue(expect: bytes | None, minor: int) -> bool:
    """RFC 9110 section 10.1.1: of an HTTP/1.0 client the expectation is ignored."""
    if expect is None or minor == 0:
        return False
    if expect.lower() != b"100-continue":
        raise ProtocolError(417, "unknown expectation")
    return True


def persists(connection: bytes | None, minor: int) -> bool:
    """RFC 9112 section 9.3."""
    if connection is None:
        return minor == 1
    options = {option.strip(b" \t") for option in connection.lower().split(b",")}
    return b"close" not in options and (minor == 1 or b"keep-alive" in options)
