"""The PROXY protocol in every pair, alone and before TLS; curl speaks version 1."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from certificate_files import Made, self_signed
from client import Client
from conftest import Serve
from every_pair import pairs

Pair = dict[str, str]

APPS = str(Path(__file__).parents[1] / "transport" / "apps")

BINARY = (
    b"\r\n\r\n\x00\r\nQUIT\n\x21\x11\x00\x10\xc0\x00\x02\x07\x7f\x00\x00\x01\x30\x39\x00\x50\x04"
    b"\x00\x01\x00"
)
"""Of 192.0.2.7, with a TLV behind the addresses."""


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Made:
    return self_signed(tmp_path_factory.mktemp("tls"), "localhost")


def get(client: Client) -> str:
    return client.get("/").body.decode()


@pairs()
def test_who_the_client_is(pair: Pair, serve: Serve) -> None:
    settings = {"target": "mirror:app", "chdir": APPS, "proxy_protocol": True, **pair}
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


@pytest.mark.parametrize("trusted", ["127.0.0.1", "192.0.2.0/24"])
def test_before_tls_and_for_trusted_proxies_only(trusted: str, made: Made, serve: Serve) -> None:
    settings = {"target": "mirror:app", "chdir": APPS, "proxy_protocol": True}
    files = {"tls_cert": made.cert, "tls_key": made.key}
    with serve(trusted_proxies=trusted, **settings, **files) as (host, port):
        url = f"https://{host}:{port}/"
        curl = ["curl", "-sS", "-m", "30", "--haproxy-protocol", "--cacert", made.cert, url]
        done = subprocess.run(curl, check=False, capture_output=True, text=True)
        if trusted == "127.0.0.1":
            assert done.stdout == "GET https /  127.0.0.1 "
        else:
            assert done.returncode != 0
