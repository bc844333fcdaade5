"""The client that really sent a request: behind proxies the peer is the proxy.

Facts.        A proxy sets some fields, and passes all others on as the client sent them: nginx
              those that its configuration does not name, most proxies `Forwarded`.
Consequence.  A peer that is trusted is not trusted in every field that comes through it.
Choice.       Trust no proxy by default.  Of a trusted proxy only the fields are believed that the
              user says it sets, and of these the last word, which is its own: the last address
              that is not itself a trusted proxy is the client, because everything left of it
              is what that client claims.
Assumption.   Each trusted proxy sets, or appends to, every field that is believed; one that
              passes it on from its client lets that client choose address, scheme or host.
"""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass

from ...configuration.setting import one_of
from ...errors import SettingsError
from ...http1.request import is_host
from ...http1.stream import HttpConnection

Network = ipaddress.IPv4Network | ipaddress.IPv6Network

FOR, PROTO = "x-forwarded-for", "x-forwarded-proto"
HOST, FORWARDED = "x-forwarded-host", "forwarded"

GROUPS = {"x-forwarded": (FOR, PROTO)}
"""Fields that have a name together: what practically every proxy is set up to send. The host is
not among them: few proxies set that field, and those that do not pass the client's on."""

PORT = r"(?::(?:(\d{1,5})|_[A-Za-z0-9._-]+))?"
"""A proxy need not tell the number: RFC 7239, section 6, `obfport`."""

ADDRESS = re.compile(rf"\[([0-9A-Fa-f:.]+)\]{PORT}|([0-9.]+){PORT}|([0-9A-Fa-f:.]+)", re.ASCII)
"""With or without a port, as all fields write it; IPv6 without brackets has none."""

HIGHEST_PORT = 65535

SCHEMES = {"http": "http", "https": "https", "ws": "http", "wss": "https"}
"""What proxies say, and what it is in HTTP: some name that of the websocket."""

MOST_HOPS = 32
"""Of proxies in a row, each of which is looked up; a client can send thousands that are named
like ours, 50 us each."""


@dataclass(frozen=True, slots=True)
class Forwarded:
    """Where a request came from, and how it was addressed."""

    client: tuple[str, int] | None
    scheme: str = "http"
    host: str | None = None
    """What the client asked the proxy for; None: the Host field stands."""


class TrustedProxies:
    """The trusted proxies: networks, `*` for every peer, `unix` for peers without address."""

    def __init__(
        self, trusted: tuple[str, ...] = (), believed: tuple[str, ...] = ("x-forwarded",)
    ) -> None:
        """`believed`: the fields that they set, by name or group. Raises `SettingsError`."""
        self.none = not trusted
        self._believed = fields_named(believed)
        self._everybody = "*" in trusted
        self._unix = self._everybody or "unix" in trusted
        self._networks: list[Network] = []
        for text in trusted:
            if text in ("*", "unix"):
                continue
            try:
                self._networks.append(ipaddress.ip_network(text, strict=False))
            except ValueError:
                raise SettingsError(
                    f"trusted_proxies: {text!r} is not an address or network; for example"
                    " 127.0.0.1, 10.0.0.0/8, ::1, unix or *"
                ) from None

    def trusts(self, address: str | None) -> bool:
        if address is None:
            return self._unix
        return self._everybody or self._is_named(address)

    def _is_named(self, address: str) -> bool:
        try:
            ip = ipaddress.ip_address(address)
        except ValueError:
            return False
        # A socket for both families, such as systemd makes, shows IPv4 like this (ipv6(7)).
        ip = getattr(ip, "ipv4_mapped", None) or ip
        return any(ip in network for network in self._networks)

    def _believes(self, conn: HttpConnection) -> bool:
        """Whether its peer may name the client of a request. One that a PROXY header has
        announced has not connected to us: `*` and `unix` do not mean it, or the server would
        believe each client."""
        address = conn.peer[0] if conn.peer else None
        if conn.socket_ends is None:
            return self.trusts(address)
        return address is not None and self._is_named(address)

    def forwarded(self, conn: HttpConnection, fields: list[tuple[bytes, bytes]]) -> Forwarded:
        """The peer, or what a trusted peer says of the client."""
        if self.none or not self._believes(conn):
            return Forwarded(conn.peer, conn.scheme)
        if FORWARDED in self._believed:
            return self._from_forwarded(joined(fields, FORWARDED), conn)
        said = {name: joined(fields, name) for name in self._believed}
        hops = [hop.strip() for hop in last_of(said.get(FOR, ""))]
        scheme, host = (said.get(name, "").split(",")[-1].strip() for name in (PROTO, HOST))
        return self._forwarded(hops, scheme, host, conn)

    def _from_forwarded(self, text: str, conn: HttpConnection) -> Forwarded:
        """RFC 7239, section 4. A comma in quotes divides as well: what is on the right of it is
        then nonsense, while a quote that a client leaves open hides nothing that follows."""
        elements = [element_of(part) for part in last_of(text)]
        last = elements[-1]
        hops = [element.get("for", "") for element in elements]
        return self._forwarded(hops, last.get("proto", ""), last.get("host", ""), conn)

    def _forwarded(
        self, hops: list[str], scheme: str, host: str, conn: HttpConnection
    ) -> Forwarded:
        """What is missing, or nonsense, is as the connection has it."""
        return Forwarded(
            self._client(hops, conn.peer),
            SCHEMES.get(scheme.lower(), conn.scheme),
            host if host and is_host(host.encode("latin-1")) else None,
        )

    def _client(self, hops: list[str], peer: tuple[str, int] | None) -> tuple[str, int] | None:
        client = peer
        for hop in reversed(hops):
            address = parsed(hop)
            if address is None:
                break
            client = address
            if not self._is_named(client[0]):
                break  # that any peer is trusted (`*`) makes no address a proxy on the way
        return client


def fields_named(believed: tuple[str, ...]) -> frozenset[str]:
    """Raises `SettingsError`."""
    names = [name for text in believed for name in GROUPS.get(text.lower(), (text.lower(),))]
    for name in names:
        one_of("forwarded_fields", name, (*GROUPS, FOR, PROTO, HOST, FORWARDED))
    if FORWARDED in names and len(set(names)) > 1:
        raise SettingsError(
            "forwarded_fields: forwarded and x-forwarded may contradict each other; name the one"
            " that your proxy sets, because the other may be the client's"
        )
    return frozenset(names)


def last_of(text: str) -> list[str]:
    return text.rsplit(",", MOST_HOPS)[-MOST_HOPS:]


def joined(fields: list[tuple[bytes, bytes]], name: str) -> str:
    wanted = name.encode()
    return ", ".join(value.decode("latin-1") for key, value in fields if key == wanted)


def element_of(text: str) -> dict[str, str]:
    pairs = (pair.partition("=") for pair in text.split(";"))
    return {name.strip().lower(): value.strip().strip('"') for name, _, value in pairs}


def parsed(hop: str) -> tuple[str, int] | None:
    """An address and port (0 if not told, or there is no such port); None for `unknown` and
    nonsense."""
    match = ADDRESS.fullmatch(hop)
    if match is None:
        return None
    host = match[1] or match[3] or match[5]
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return None
    port = int(match[2] or match[4] or 0)
    return host, port if port <= HIGHEST_PORT else 0
