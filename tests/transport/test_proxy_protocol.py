"""The parser of PROXY headers against a simple model, byte by byte and with what follows."""

from __future__ import annotations

import ipaddress
import struct
from socket import AF_INET6, inet_ntop

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fivefold.errors import SettingsError
from fivefold.server.settings import Settings
from fivefold.transport.proxy_protocol import SIGNATURE, Header, Malformed, parsed

ports = st.integers(0, 65535)
ends4 = st.tuples(st.ip_addresses(v=4).map(str), ports)
ends6 = st.tuples(
    st.ip_addresses(v=6).map(lambda ip: inet_ntop(AF_INET6, ip.packed)),  # as the kernel writes it
    ports,
)
pairs = st.one_of(st.tuples(ends4, ends4), st.tuples(ends6, ends6))
End = tuple[str, int]


def line(client: End, server: End) -> bytes:
    family = "TCP6" if ":" in client[0] else "TCP4"
    return f"PROXY {family} {client[0]} {server[0]} {client[1]} {server[1]}\r\n".encode()


def binary(client: End, server: End, more: bytes) -> bytes:
    packed = [ipaddress.ip_address(end[0]).packed for end in (client, server)]
    family = 0x21 if len(packed[0]) == 16 else 0x11
    body = b"".join(packed) + struct.pack("!HH", client[1], server[1]) + more
    return SIGNATURE + struct.pack("!BBH", 0x21, family, len(body)) + body


@given(ends=pairs, more=st.binary(max_size=60), rest=st.binary(max_size=20), old=st.booleans())
def test_addresses(ends: tuple[End, End], more: bytes, rest: bytes, *, old: bool) -> None:
    data = line(*ends) if old else binary(*ends, more)
    for cut in range(1, len(data)):
        assert parsed(data[:cut]) is None
    assert parsed(data + rest) == Header(len(data), proxied=True, client=ends[0], server=ends[1])


@given(data=st.binary(min_size=1, max_size=200), begin=st.sampled_from([b"PROXY ", SIGNATURE, b""]))
def test_nonsense_is_refused_or_waited_for(data: bytes, begin: bytes) -> None:
    try:
        header = parsed(begin + data)
    except Malformed:
        return
    assert header is None or 0 < header.length <= len(begin + data)


@pytest.mark.parametrize(
    "data",
    [
        b"GET / HTTP/1.1\r\n",
        b"PROXY TCP4 1.2.3.4 5.6.7.8 1\r\n",
        b"PROXY TCP4 1.2.3.4 5.6.7.8 01 2\r\n",
        b"PROXY TCP4 1.2.3.4 5.6.7.8 1 65536\r\n",
        b"PROXY TCP4 ::1 ::1 1 2\r\n",
        b"PROXY TCP9 1.2.3.4 5.6.7.8 1 2\r\n",
        b"PROXY TCP4  1.2.3.4 5.6.7.8 1 2\r\n",
        b"PROXY " + b"x" * 101,
        SIGNATURE + b"\x31\x11\x00\x0c" + bytes(12),
        SIGNATURE + b"\x21\x11\x00\x0b" + bytes(11),
        SIGNATURE + b"\x21\x11\x10\x01",
        SIGNATURE + b"\x21\x31\x00\xd7" + bytes(215),
        b"PROXY TCP6 fe80::1%eth0 fe80::2 1 2\r\n",
    ],
)
def test_malformed(data: bytes) -> None:
    with pytest.raises(Malformed):
        parsed(data)


@pytest.mark.parametrize(
    "data",
    [
        b"PROXY UNKNOWN\r\n",
        b"PROXY UNKNOWN ffff::1 ffff::2 1 2\r\n",
        SIGNATURE + b"\x20\x00\x00\x00",
        SIGNATURE + b"\x20\x11\x00\x0c" + bytes(12),
        SIGNATURE + b"\x21\x00\x00\x03abc",
    ],
)
def test_a_proxy_that_says_nothing_of_a_client(data: bytes) -> None:
    assert parsed(data + b"GET") == Header(len(data))


def test_ipv4_in_ipv6_looks_as_it_does_at_a_socket() -> None:
    """`str` of Python 3.11 and of 3.13 differ, and applications compare texts."""
    ends = ("::ffff:192.0.2.1", 1), ("::ffff:192.0.2.2", 2)
    for found in (parsed(line(*ends)), parsed(binary(*ends, b""))):
        assert found is not None
        assert (found.client, found.server) == ends
    respelled = parsed(b"PROXY TCP6 ::FFFF:c000:201 ::ffff:c000:202 1 2\r\n")
    assert respelled is not None
    assert respelled.client == ends[0]


def test_a_client_of_a_unix_socket() -> None:
    data = SIGNATURE + b"\x21\x31\x00\xd8" + bytes(216)
    assert parsed(data) == Header(len(data), proxied=True)


def test_nobody_is_trusted_by_default() -> None:
    with pytest.raises(SettingsError, match="name the proxies that send it"):
        Settings(proxy_protocol=True)
