"""TLS in every pair: the client is OpenSSL's, by way of Python's ssl and of curl."""

from __future__ import annotations

import select
import socket
import ssl
import subprocess
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

import pytest

from support import TESTS
from support.client import TIMEOUT_S, Client
from support.every_pair import pairs
from support.openssl import Made
from support.servers.folder import Serve

Pair = dict[str, str]

GET = b"GET /%b HTTP/1.1\r\nHost: localhost\r\n\r\n"


def trusting(made: Made) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=made.cert)


class Secure(Client):
    """A client that shakes hands first."""

    def __init__(self, address: tuple[str, int], made: Made) -> None:
        super().__init__(address)
        self.sock = trusting(made).wrap_socket(self.sock, server_hostname="localhost")


@pairs()
def test_requests(pair: Pair, made: Made, serve: Serve, site: Path) -> None:
    settings = {"tls_cert": made.cert, "tls_key": made.key, **pair}
    with serve(**settings) as address:
        with Secure(address, made) as client:
            for _ in range(2):
                assert client.get("/1k.bin").body == (site / "1k.bin").read_bytes()
            client.send(GET % b"1.bin" + GET % b"64k.bin" + GET % b"64k+1.bin")
            for name in ("1.bin", "64k.bin", "64k+1.bin"):
                assert client.answer().body == (site / name).read_bytes()
            assert client.get("/1m.bin", range="bytes=70000-").body[:99] == bytes(
                (site / "1m.bin").read_bytes()[70000:70099]
            )
            assert client.get("/none").status == 404
        with Secure(address, made) as client:
            assert client.get("/1m.bin", connection="close").body[-9:] == bytes(
                (site / "1m.bin").read_bytes()[-9:]
            )
            # A close_notify comes before the end: without it this would be an error.
            assert client.sock.recv(1) == b""
        with Client(address) as client:
            refused = client.get("/1k.bin")
            assert (refused.status, client.at_end()) == (400, True)
            assert b"https://" in refused.body


@pairs()
def test_many_requests_one_after_the_other(
    pair: Pair, made: Made, serve: Serve, site: Path
) -> None:
    """A record that is sealed must be sent, also when the connection has had its turn."""
    body = (site / "1k.bin").read_bytes()
    settings = {"tls_cert": made.cert, "tls_key": made.key, **pair}
    with serve(**settings) as address, ExitStack() as ends:
        iterative = pair == {"serving": "async", "io": "blocking"}
        number = 1 if iterative else 8
        clients = [ends.enter_context(Secure(address, made)) for _ in range(number)]
        for _ in range(80):
            for client in clients:
                client.send(GET % b"1k.bin")
            for client in clients:
                assert client.answer().body == body


@pairs()
def test_handshakes_that_go_wrong(pair: Pair, made: Made, serve: Serve) -> None:
    settings = {"tls_cert": made.cert, "tls_key": made.key, "tls_handshake_s": 0.2, **pair}
    with serve(**settings) as address:
        hello = client_hello(made)
        with Client(address) as client:
            client.send(hello[:40])  # and then nothing
            assert client.at_end()
        with Client(address) as client:
            drip(client, hello)  # byte by byte, and so its time is over before it is
        with Client(address) as client:
            client.send(hello[:5])
        with Client(address) as client:
            client.send(b"\x16\x03\x01\x00\x05hello")
            assert client.exactly(7)[:1] == ALERT
            assert client.at_end()
        with Client(address) as client:
            slowly(client.sock, made, "/1.bin")


def drip(client: Client, data: bytes) -> None:
    """Send it byte by byte, until the server closes."""
    closed = select.poll()
    closed.register(client.sock, select.POLLIN)
    for place in range(len(data)):
        if closed.poll(20):
            assert client.at_end()
            return
        client.send(data[place : place + 1])
    raise AssertionError("all of it was taken")


ALERT = b"\x15"
"""The type of a record that says why (RFC 8446, section 5.1)."""


def client_hello(made: Made) -> bytes:
    outgoing = ssl.MemoryBIO()
    tls = trusting(made).wrap_bio(ssl.MemoryBIO(), outgoing, server_hostname="localhost")
    with pytest.raises(ssl.SSLWantReadError):
        tls.do_handshake()
    return outgoing.read()


def slowly(sock: socket.socket, made: Made, path: str) -> None:
    """A handshake and a request that arrive byte by byte."""
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    tls = trusting(made).wrap_bio(incoming, outgoing, server_hostname="localhost")

    def until_done(operation: Callable[[], object]) -> object:
        while True:
            try:
                return operation()
            except ssl.SSLWantReadError:
                data = outgoing.read()
                for place in range(len(data)):
                    sock.send(data[place : place + 1])
                received = sock.recv(65536)
                assert received, "closed"
                incoming.write(received)

    until_done(tls.do_handshake)
    tls.write(b"GET " + path.encode() + b" HTTP/1.1\r\nHost: x\r\n\r\n")
    answer = until_done(lambda: tls.read(4096))
    assert isinstance(answer, bytes)
    assert answer.startswith(b"HTTP/1.1 200 ")


@pairs()
def test_curl_uploads_and_is_redirected(pair: Pair, made: Made, serve: Serve) -> None:
    settings = {"tls_cert": made.cert, "tls_key": made.key, **pair}
    app = "applications.wsgi.mirror:app"
    with serve(target=app, chdir=TESTS, redirect_http="127.0.0.1:0", **settings) as (host, port):
        plain = f"http://{host}:{port}/over?there=1"  # the port of TLS, by mistake
        curl = ["curl", "-s", "-m", str(TIMEOUT_S), "--cacert", made.cert, "-L", "--data", "body"]
        said = subprocess.run([*curl, plain], check=True, capture_output=True, text=True).stdout
        assert said == f"POST https /over there=1 {host} body"
