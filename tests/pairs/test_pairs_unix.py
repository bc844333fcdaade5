"""UNIX sockets in every pair, for a client whose proxy says who it is, and for the proxy's own."""

from __future__ import annotations

import socket
from pathlib import Path

from fivefold import Server, Settings
from support import TESTS
from support.every_pair import pairs
from support.proxy_header import BINARY

LOCAL = BINARY[:12] + b"\x20\x00\x00\x00"
"""The proxy asks for itself: then the client has no address."""


def answer(path: str, header: bytes) -> bytes:
    with socket.socket(socket.AF_UNIX) as sock:
        sock.settimeout(30)
        sock.connect(path)
        sock.sendall(header + b"GET /a HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        return b"".join(iter(lambda: sock.recv(4096), b"")).partition(b"\r\n\r\n")[2]


@pairs()
def test_a_proxy_at_a_unix_socket(pair: dict[str, str], tmp_path: Path) -> None:
    path = str(tmp_path / "socket")
    proxy = {"proxy_protocol": True, "trusted_proxies": "unix"}
    values = {
        "target": "applications.wsgi.mirror:app",
        "chdir": TESTS,
        "bind": f"unix:{path}",
        **proxy,
        **pair,
    }
    with Server(Settings.of(values)):
        assert answer(path, BINARY) == b"GET http /a  192.0.2.7 "
        assert answer(path, LOCAL) == b"GET http /a   "
