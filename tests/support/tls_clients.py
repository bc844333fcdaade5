"""Clients of HTTPS: curl, openssl and Python's ssl."""

from __future__ import annotations

import socket
import ssl
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager

from support.client import TIMEOUT_S
from support.openssl import Made


def curl(made: Made, *words: str) -> str:
    command = ["curl", "-sS", "-m", str(TIMEOUT_S), "--cacert", made.cert, *words]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def s_client(address: tuple[str, int], *words: str) -> str:
    """What openssl says of a connection; it leaves at once."""
    command = ["openssl", "s_client", "-connect", "{}:{}".format(*address), *words]
    done = subprocess.run(command, check=False, capture_output=True, stdin=subprocess.DEVNULL)
    return (done.stdout + done.stderr).decode("latin-1")


@contextmanager
def shaken(
    address: tuple[str, int], context: ssl.SSLContext, name: str = "localhost"
) -> Iterator[ssl.SSLSocket]:
    with (
        socket.create_connection(address, timeout=TIMEOUT_S) as sock,
        context.wrap_socket(sock, server_hostname=name) as secure,
    ):
        yield secure


def status(secure: ssl.SSLSocket) -> bytes:
    secure.sendall(b"GET /1.bin HTTP/1.1\r\nHost: localhost\r\n\r\n")
    return secure.recv(65536)[:12]
