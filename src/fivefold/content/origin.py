"""Who sent a request, really: behind proxies the peer is the proxy.

Trust nobody by default: `X-Forwarded-*` and `Forwarded` are obeyed only if the peer is one
of the trusted proxies, and then from the right: the last address that is not itself a
trusted proxy is the client, because everything left of it is what that client claims.
"""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass

from ..errors import SettingsError
from ..http1.exchange import Connection

Network = ipaddress.IPv4Network | ipaddress.IPv6Network

FORWARDED_PAIR = re.compile(r'(?i)(for|proto|host)=("[^"]*"|[^;,\s]*)')
"""RFC 7239, section 4."""

BRACKETED = re.compile(r"\[([^\]]*)\](?::(\d+))?|([^:]+)(?::(\d+))?")
"""An address with or without port, as both fields write it."""


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a request came from, and how it was addressed."""

    client: tuple[str, int] | None
    scheme: str = "http"
    host: str | None = None
    """What the client asked the proxy for; None: the Host field stands."""


class Proxies:
    """The trusted proxies: networks, `*` for every peer, `unix` for peers without address."""

    def __init__(self, trusted: tuple[str, ...] = ()) -> None:
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
        if self._everybody:
            return True
        try:
            ip = ipaddress.ip_address(address)
        except ValueError:
            return False
        # A socket for both families, such as systemd makes, shows IPv4 like this (ipv6(7)).
        ip = getattr(ip, "ipv4_mapped", None) or ip
        return any(ip in network for network in self._networks)

    @property
    def none(self) -> bool:
        return not (self._networks or self._unix)

    def origin(self, conn: Connection, fields: list[tuple[bytes, bytes]]) -> Origin:
        """The peer, or what a trusted peer says of the client."""
        peer = conn.peer
        if self.none or not self.trusts(peer[0] if peer else None):
            return Origin(peer, conn.scheme)
        forwarded = joined(fields, b"forwarded")
        if forwarded:
            return self._from_forwarded(forwarded, conn)
        hops = [hop.strip() for hop in joined(fields, b"x-forwarded-for").split(",")]
        scheme = joined(fields, b"x-forwarded-proto").split(",")[-1].strip().lower()
        host = joined(fields, b"x-forwarded-host").split(",")[-1].strip()
        scheme = checked_scheme(scheme, conn.scheme)
        return Origin(self._client(hops, peer), scheme, host or None)

    def _from_forwarded(self, text: str, conn: Connection) -> Origin:
        elements = [
            {name.lower(): value.strip('"') for name, value in FORWARDED_PAIR.findall(element)}
            for element in text.split(",")
        ]
        hops = [element.get("for", "") for element in elements]
        last = elements[-1]
        scheme = checked_scheme(last.get("proto", "").lower(), conn.scheme)
        return Origin(self._client(hops, conn.peer), scheme, last.get("host") or None)

    def _client(self, hops: list[str], peer: tuple[str, int] | None) -> tuple[str, int] | None:
        client = peer
        for hop in reversed(hops):
            address = parsed(hop)
            if address is None:
                break
            client = address
            if not self.trusts(address[0]):
                break
        return client


def joined(fields: list[tuple[bytes, bytes]], name: bytes) -> str:
    return ", ".join(value.decode("latin-1") for key, value in fields if key == name)


def checked_scheme(scheme: str, own: str) -> str:
    """What a proxy says, if it says it; else how it speaks to us."""
    return scheme if scheme in ("http", "https", "ws", "wss") else own


def parsed(hop: str) -> tuple[str, int] | None:
    """An address and port (0 if not told); None for `unknown` and nonsense."""
    match = BRACKETED.fullmatch(hop) if hop.count(":") <= 1 or hop.startswith("[") else None
    host, port = (match[1] or match[3], match[2] or match[4]) if match else (hop, None)
    try:
        ipaddress.ip_address(host or "")
    except ValueError:
        return None
    return str(host), int(port or 0)
