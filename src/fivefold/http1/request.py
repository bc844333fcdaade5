"""A request, and the rules by which its head is one: those that llhttp leaves to a server.

llhttp judges the grammar (`head.parser`).  RFC 9110 and 9112 ask for more: one Host, a target
of a known form, a version that is spoken, one framing of the body, known expectations.
"""

from __future__ import annotations

import ipaddress
import re

from ..errors import ProtocolError

OBEYED = re.compile(
    rb"\n(?i:(host|transfer-encoding|content-length|connection|expect|range|if-[a-z-]+))"
    rb":[ \t]*([^\r]*)"
)
"""The fields that decide how a request is framed, routed or answered."""

REQUEST_BYTES = 1024
"""Of a `Request` besides the texts that it holds, all its objects counted."""

REQUEST_LINE = re.compile(rb"([!#$%&'*+.^_`|~0-9A-Za-z-]+) (\S+) HTTP/(\d)\.(\d)\r\n")
"""RFC 9112 section 3, to tell *why* llhttp refused."""

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
    """The minor version of HTTP/1; 1 for HTTP/2, which knows all that 1.1 knows."""
    version: str = "1.1"
    """1.0, 1.1 or 2."""
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
    request.version = f"1.{minor}"
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
