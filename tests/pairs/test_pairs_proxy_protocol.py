"""The PROXY protocol in every pair, alone and before TLS; curl speaks version 1."""

from __future__ import annotations

import select
import socket
import ssl
import subprocess

import pytest

from fivefold.serving import MODELS
from support import TESTS
from support.client import Client
from support.every_pair import pairs
from support.openssl import Made
from support.proxy_header import BINARY
from support.servers.folder import Serve

Pair = dict[str, str]


def get(client: Client) -> str:
    return client.get("/").body.decode()


@pairs()
def test_who_the_client_is(pair: Pair, serve: Serve) -> None:
    settings = {
        "target": "applications.wsgi.mirror:app",
        "chdir": TESTS,
        "proxy_protocol": True,
        **pair,
    }
    with serve(trusted_proxies="127.0.0.1", **settings) as address:
        with Client(address) as client:
            client.send(BINARY + b"GET /a HTTP/1.1\r\nHost: x\r\n\r\n")
            assert client.answer().body == b"GET http /a  192.0.2.7 "
            assert get(client) == "GET http /  192.0.2.7 "
        with Client(address) as client:
            for place in range(len(BINARY)):
                client.send(BINARY[place : place + 1])
            assert get(client) == "GET http /  192.0.2.7 "
        with Client(address) as client:
            client.send(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
            assert client.at_end()
        url = "http://{}:{}/".format(*address)
        curl = ["curl", "-sS", "-m", "30", "--haproxy-protocol", url]
        said = subprocess.run(curl, check=True, capture_output=True, text=True).stdout
        assert said == "GET http /  127.0.0.1 "


@pytest.mark.parametrize("serving", MODELS)
@pytest.mark.parametrize("named", [(), ("192.0.2.7",)], ids=["nobody", "itself"])
def test_who_is_announced_is_believed_by_address_only(
    serving: str, named: tuple[str, ...], serve: Serve
) -> None:
    """That everybody may connect makes no proxy of the client of one."""
    settings = {
        "target": "applications.wsgi.mirror:app",
        "chdir": TESTS,
        "proxy_protocol": True,
        "serving": serving,
    }
    trusted = ("*", "unix", *named)
    claims = {"X_Forwarded_For": "198.51.100.9", "X_Forwarded_Proto": "https"}
    with serve(trusted_proxies=trusted, **settings) as address, Client(address) as client:
        client.send(BINARY)
        said = client.get("/", **claims).body.decode()
        assert said == ("GET https /  198.51.100.9 " if named else "GET http /  192.0.2.7 ")


@pytest.mark.parametrize("trusted", ["127.0.0.1", "192.0.2.0/24"])
def test_before_tls_and_for_trusted_proxies_only(trusted: str, made: Made, serve: Serve) -> None:
    settings = {"target": "applications.wsgi.mirror:app", "chdir": TESTS, "proxy_protocol": True}
    files = {"tls_cert": made.cert, "tls_key": made.key}
    with serve(trusted_proxies=trusted, **settings, **files) as (host, port):
        url = f"https://{host}:{port}/"
        curl = ["curl", "-sS", "-m", "30", "--haproxy-protocol", "--cacert", made.cert, url]
        done = subprocess.run(curl, check=False, capture_output=True, text=True)
        if trusted == "127.0.0.1":
            assert done.stdout == "GET https /  127.0.0.1 "
        else:
            assert done.returncode != 0


def test_what_comes_before_tls_is_known_behind_it(made: Made, serve: Serve) -> None:
    settings = {"target": "applications.wsgi.mirror:app", "chdir": TESTS, "proxy_protocol": True}
    files = {"tls_cert": made.cert, "tls_key": made.key}
    trusting = ssl.create_default_context(cafile=str(made.cert))
    with (
        serve(trusted_proxies="127.0.0.1", **settings, **files) as address,
        socket.create_connection(address, 30) as sock,
    ):
        sock.sendall(BINARY)
        with trusting.wrap_socket(sock, server_hostname="localhost") as secure:
            secure.sendall(b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
            assert b"GET https /  192.0.2.7 " in b"".join(iter(lambda: secure.recv(4096), b""))


def test_a_proxy_over_ipv4_is_known_by_a_socket_for_both_versions(serve: Serve) -> None:
    """As systemd makes them: such a socket shows 127.0.0.1 as ::ffff:127.0.0.1."""
    settings = {"target": "applications.wsgi.mirror:app", "chdir": TESTS, "proxy_protocol": True}
    with socket.create_server(
        ("::", 0), family=socket.AF_INET6, dualstack_ipv6=True, backlog=5
    ) as both:
        port = both.getsockname()[1]
        with (
            serve(bind=f"fd://{both.fileno()}", trusted_proxies="127.0.0.0/8", **settings),
            Client(("127.0.0.1", port)) as client,
        ):
            client.send(BINARY)
            assert get(client) == "GET http /  192.0.2.7 "


@pytest.mark.parametrize("serving", ["thread", "process"])
def test_a_proxy_whose_header_drips_is_let_go(serving: str, serve: Serve) -> None:
    """`blocking` sees no end of its time while bytes keep arriving."""
    settings = {"serving": serving, "io": "blocking", "proxy_protocol": True}
    closed = select.poll()
    with (
        serve(trusted_proxies="127.0.0.1", first_byte_s=0.2, **settings) as address,
        Client(address) as client,
    ):
        closed.register(client.sock, select.POLLIN)
        for byte in b"PROXY TCP4 " + b"9" * 90:
            if closed.poll(20):
                break
            client.send(bytes([byte]))
        assert closed.poll(0)
        assert client.at_end()


def test_a_proxy_that_says_nothing_is_let_go(serve: Serve) -> None:
    settings = {"target": "applications.wsgi.mirror:app", "chdir": TESTS, "proxy_protocol": True}
    with (
        serve(trusted_proxies="127.0.0.1", first_byte_s=0.1, **settings) as address,
        Client(address) as client,
    ):
        client.send(BINARY[:20])
        assert client.at_end()
