"""The PROXY protocol: a load balancer in front names the client, before all else.

Source: proxy-protocol.txt of HAProxy, versions 1 (a line) and 2 (binary).

Promise.  The header is asked of every peer, and believed of trusted proxies only: another that
          connects is cut off, because an address that any client can claim is worth nothing.
          What follows the header is given back to the layer that reads next, TLS or HTTP.
"""

from __future__ import annotations

import ipaddress
import struct
from dataclasses import dataclass
from socket import AF_INET, AF_INET6, inet_ntop

from ..content.application.forwarded import TrustedProxies
from ..errors import PeerGone
from ..http1.limits import Limits
from ..iomodels.interface import Connection
from ..isolation.reporting import logger
from ..serving.open_connections import Handler
from .layers import Served, entered, unread

log = logger("fivefold.proxy")

LINE_BYTES = 107
"""The longest line of version 1, its end included."""

SIGNATURE = b"\r\n\r\n\x00\r\nQUIT\n"

FIXED_BYTES = 16
"""Version 2: signature, version and command, family, length."""

MOST_BYTES = 4096
"""Of what follows that: addresses, and whatever else the proxy wants to tell (TLVs)."""

LOCAL, PROXY = 0x20, 0x21
"""Version and command: the proxy asks for itself (a health check), or for a client."""

ADDRESSES = {0x11: struct.Struct("!4s4sHH"), 0x21: struct.Struct("!16s16sHH")}
"""Family and protocol: TCP over IPv4, over IPv6."""

IPV4_BYTES = 4

UNIX, UNIX_BYTES = 0x31, 216
"""A stream over UNIX sockets, and its two paths."""


class Malformed(PeerGone):
    """It is no header of this protocol; the connection is closed."""


@dataclass(frozen=True)
class Header:
    """What was said, and how many bytes it took."""

    length: int
    proxied: bool = False
    """Whether anything is known of the client: a proxy may also speak for itself."""
    client: tuple[str, int] | None = None
    """None for a client of a UNIX socket."""
    server: tuple[str, int] | None = None


class ProxyProtocol:
    """Wraps the connection coroutine; `serve` is one itself."""

    def __init__(self, handler: Handler, trusted: TrustedProxies, limits: Limits) -> None:
        self._handler = handler
        self._trusted = trusted
        self._limits = limits

    def serve(self, conn: Connection) -> Served:
        """Raises what `Http1.serve` raises."""
        return entered(conn, self._introduced, log)

    async def _introduced(self, conn: Connection) -> Served:
        try:
            await self._read(conn)
        except Malformed as error:
            log.warning("closed a connection of %s: %s", shown(conn), error)
            raise
        return self._handler(conn)

    async def _read(self, conn: Connection) -> None:
        peer = conn.peer
        if not self._trusted.trusts(peer[0] if peer else None):
            raise Malformed("it is not a trusted proxy (trusted_proxies)")
        data = received = await conn.next_bytes(self._limits.first_byte_s)
        while (header := parsed(data)) is None:
            if not received:
                raise PeerGone("closed before the end of the header")
            received = await conn.recv()
            data += received
        if header.proxied:
            conn.speak_for(header.client, header.server)
        if len(data) > header.length:
            unread(conn, data[header.length :])


def shown(conn: Connection) -> str:
    return conn.peer[0] if conn.peer else "a UNIX socket"


def parsed(data: bytes) -> Header | None:
    """The header at the beginning; None if more must come. Raises `Malformed`."""
    if SIGNATURE.startswith(data[: len(SIGNATURE)]):
        return _binary(data)
    if b"PROXY ".startswith(data[:6]):
        return _line(data)
    raise Malformed("it did not begin with a header of the PROXY protocol")


def _line(data: bytes) -> Header | None:
    line, end, _ = data[:LINE_BYTES].partition(b"\r\n")
    if not end:
        if len(data) >= LINE_BYTES:
            raise Malformed("the line of its PROXY header does not end")
        return None
    length = len(line) + len(end)
    words = line.decode("latin-1").split(" ")
    if len(words) >= 2 and words[1] == "UNKNOWN":  # noqa: PLR2004 - the rest is to be ignored
        return Header(length)
    try:
        _, family, client, server, client_port, server_port = words
        version = {"TCP4": 4, "TCP6": 6}[family]
        return Header(
            length,
            proxied=True,
            client=(_address(client, version), _port(client_port)),
            server=(_address(server, version), _port(server_port)),
        )
    except (KeyError, ValueError):
        raise Malformed(f"malformed PROXY line {line!r}") from None


def _address(text: str, version: int) -> str:
    address = ipaddress.ip_address(text)
    if address.version != version or "%" in text:  # a scope means something on its machine only
        raise ValueError(text)
    return written(address.packed)


def written(address: bytes) -> str:
    """As the kernel writes it, so that it looks the same however a client has come: of IPv4 in
    IPv6 Python 3.11 makes `::ffff:102:304`, Python 3.13 `::ffff:1.2.3.4`."""
    return inet_ntop(AF_INET if len(address) == IPV4_BYTES else AF_INET6, address)


def _port(text: str) -> int:
    number = int(text) if text.isdecimal() else -1
    if not 0 <= number <= 65535 or str(number) != text:  # noqa: PLR2004 - sixteen bits
        raise ValueError(text)
    return number


def _binary(data: bytes) -> Header | None:
    if len(data) < FIXED_BYTES:
        return None
    command, family, count = struct.unpack_from("!BBH", data, len(SIGNATURE))
    if command not in (LOCAL, PROXY):
        raise Malformed(f"unknown version or command {command:#x} in its PROXY header")
    if count > MOST_BYTES:
        raise Malformed(f"a PROXY header of {count} bytes")
    length = FIXED_BYTES + count
    if len(data) < length:
        return None
    if command == LOCAL:
        return Header(length)
    if family == UNIX:
        if count < UNIX_BYTES:
            raise Malformed("a PROXY header that is shorter than its addresses")
        return Header(length, proxied=True)
    layout = ADDRESSES.get(family)
    if layout is None:
        return Header(length)  # unspecified, or UDP: nothing is said that we could use
    if count < layout.size:
        raise Malformed("a PROXY header that is shorter than its addresses")
    client, server, client_port, server_port = layout.unpack_from(data, FIXED_BYTES)
    return Header(
        length,
        proxied=True,
        client=(written(client), client_port),
        server=(written(server), server_port),
    )
