"""Which version of HTTP is spoken: by ALPN over TLS, by the first bytes without, and what `--http`
and `--h2c` leave of it.  The clients are Python's ssl, and bytes."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from fivefold import Settings
from fivefold.errors import SettingsError
from fivefold.http2.offered import VERSIONS
from support.client import TIMEOUT_S, Client
from support.every_pair import chosen_pairs
from support.http2_client import Http2Client
from support.openssl import Made
from support.raw_http2 import PREFACE, SETTINGS, RawHttp2, frame, request, settings
from support.servers.folder import Serve, serving

H2, H1 = "h2", "http/1.1"


@pytest.fixture(scope="module")
def secured(made: Made, site: Path) -> Iterator[dict[str, tuple[str, int]]]:
    """A server for each choice of `--http`, over TLS."""
    with ExitStack() as stack:
        tls = {"tls_cert": made.cert, "tls_key": made.key}
        yield {http: stack.enter_context(serving(site, http=http, **tls)) for http in VERSIONS}


def shaken(address: tuple[str, int], made: Made, offered: Sequence[str]) -> ssl.SSLSocket:
    trusting = ssl.create_default_context(cafile=made.cert)
    if offered:
        trusting.set_alpn_protocols(list(offered))
    sock = socket.create_connection(address, timeout=TIMEOUT_S)
    return trusting.wrap_socket(sock, server_hostname="localhost")


AGREED: list[tuple[str, tuple[str, ...], str | None]] = [
    ("1.1,2", (H2, H1), H2),
    ("1.1,2", (H1, H2), H2),  # the server chooses (RFC 7301, section 3.2)
    ("1.1,2", (H1,), H1),
    ("1.1,2", (), None),
    ("1.1,2", ("spdy/3",), None),
    ("1.1", (H2, H1), H1),
    ("1.1", (H2,), None),
    ("2", (H2, H1), H2),
    ("2", (H1,), None),
    ("2", (), None),
]


@pytest.mark.parametrize(("http", "offered", "agreed"), AGREED)
def test_the_handshake_chooses(
    http: str,
    offered: tuple[str, ...],
    agreed: str | None,
    secured: dict[str, tuple[str, int]],
    made: Made,
) -> None:
    """And what was agreed on is what is spoken; without a word it is HTTP/1.1."""
    with shaken(secured[http], made, offered) as secure:
        assert secure.selected_alpn_protocol() == agreed
        if agreed == H2:
            secure.sendall(PREFACE + settings() + request(1, "/1k.bin"))
            assert secure.recv(9)[3] == SETTINGS
        else:
            secure.sendall(b"GET /1k.bin HTTP/1.1\r\nHost: localhost\r\n\r\n")
            status = b"200" if H1 in VERSIONS[http] else b"505"
            assert secure.recv(12) == b"HTTP/1.1 " + status


def test_who_has_agreed_on_one_version_cannot_speak_the_other(
    secured: dict[str, tuple[str, int]], made: Made
) -> None:
    """RFC 9113, section 3.2: the protocol is what ALPN says, whatever the bytes look like."""
    with shaken(secured["1.1,2"], made, (H1,)) as secure:
        secure.sendall(PREFACE + settings())
        assert secure.recv(12) == b"HTTP/1.1 505"
    with shaken(secured["1.1,2"], made, (H2,)) as secure:
        secure.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
        kinds = []
        while head := secure.recv(9):
            kinds.append(head[3])
            secure.recv(int.from_bytes(head[:3]))
        assert kinds[:1] == [SETTINGS]


# Without TLS


@pytest.mark.parametrize(
    "pair",
    chosen_pairs(
        # Each has its own way to receive, of which the first bytes are given back.
        "async-epoll",
        "async-uring",
        "thread-blocking",
        "thread-posix",
        "process-sigio",
    ),
)
def test_both_versions_at_one_address(pair: dict[str, Any], serve: Serve, site: Path) -> None:
    """Who begins with the preface speaks HTTP/2, in however many pieces it comes; who begins
    otherwise HTTP/1.1, at once or after some bytes."""
    wanted = (site / "1k.bin").read_bytes()
    with serve(h2c=True, **pair) as address:
        with Client(address) as old:
            assert old.get("/1k.bin").body == wanted
            assert old.get("/1k.bin").body == wanted
        with Http2Client(address) as new:
            assert new.ask("/1k.bin").body == wanted
        with RawHttp2(address) as slow:
            slow.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            for byte in PREFACE + settings() + request(1, "/1k.bin"):
                slow.send(bytes((byte,)))
            assert slow.status(1) == 200
            assert slow.body(1) == wanted
        with Client(address) as similar:
            similar.send(b"PR")
            similar.send(b"OPFIND / HTTP/1.1\r\nHost: a\r\n\r\n")
            assert similar.answer().status == 405


ALMOST = {
    "another version": b"PRI * HTTP/2.1\r\n\r\nSM\r\n\r\n",
    "a preface that breaks off": PREFACE[:18] + b"XX\r\n\r\n",
    "a request of that method": b"PRI / HTTP/1.1\r\nHost: a\r\n\r\n",
}


@pytest.mark.parametrize("case", ALMOST)
def test_what_only_resembles_the_preface_is_refused_as_http_1_1(case: str, serve: Serve) -> None:
    with serve(h2c=True) as address, Client(address) as client:
        client.send(ALMOST[case])
        assert client.answer().status in {400, 405, 501, 505}


def test_a_preface_that_ends_in_the_middle_is_an_end(serve: Serve) -> None:
    with serve(h2c=True) as address, Client(address) as client:
        client.send(PREFACE[:10])
        client.sock.shutdown(socket.SHUT_WR)
        assert client.sock.recv(65536)[:12] in {b"", b"HTTP/1.1 400"}


def test_a_preface_that_is_not_followed_by_settings_is_an_error(serve: Serve) -> None:
    """RFC 9113, section 3.4."""
    with serve(h2c=True) as address, RawHttp2(address) as client:
        client.send(PREFACE + frame(6, 0, 0, bytes(8)))
        goaway = client.end()
        assert goaway is None or goaway.code == 1


def test_without_h2c_the_preface_is_no_request(serve: Serve) -> None:
    with serve() as address, Client(address) as client:
        client.send(PREFACE)
        assert client.answer().status == 505


def test_an_upgrade_to_h2c_is_not_heard(serve: Serve) -> None:
    """RFC 9113, section 3.1: it is obsolete. The request is answered as one of HTTP/1.1."""
    fields = {
        "Connection": "Upgrade, HTTP2-Settings",
        "Upgrade": "h2c",
        "HTTP2_Settings": "AAMAAAB",
    }
    with serve(h2c=True) as address, Client(address) as client:
        answer = client.get("/1k.bin", **fields)
        assert (answer.status, "upgrade" in answer.fields) == (200, False)
        assert client.get("/1.bin").status == 200


def test_http_2_alone_refuses_http_1_1_and_says_why(serve: Serve) -> None:
    with serve(h2c=True, http="2") as address:
        with Client(address) as old:
            answer = old.get("/1k.bin")
            assert answer.status == 505
            assert b"HTTP/2 only" in answer.body
        with Http2Client(address) as new:
            assert new.ask("/1k.bin").status == 200


def test_behind_a_proxy_header_it_is_the_same(serve: Serve) -> None:
    header = b"PROXY TCP4 192.0.2.1 192.0.2.2 1 2\r\n"
    with serve(h2c=True, proxy_protocol=True, trusted_proxies=("127.0.0.1",)) as address:
        with RawHttp2(address) as new:
            new.send(header + PREFACE + settings() + request(1, "/1k.bin"))
            assert new.status(1) == 200
        with Client(address) as old:
            old.send(header)
            assert old.get("/1k.bin").status == 200


WRONG: dict[str, tuple[dict[str, Any], str]] = {
    "no such version": ({"http": "3"}, "http: '3' is unknown"),
    "HTTP/2 alone that nobody can reach": (
        {"http": "2"},
        "without TLS, HTTP/2 alone needs h2c; or name a certificate",
    ),
    "prior knowledge of what is left out": (
        {"http": "1.1", "h2c": True},
        "h2c: HTTP/2 is left out; add it to http: 1.1,2",
    ),
    "no stream": ({"http2_streams": 0}, "http2_streams: 0 must be a number greater than zero"),
}


@pytest.mark.parametrize("case", WRONG)
def test_what_does_not_go_together_is_one_clear_line(case: str, tmp_path: Path) -> None:
    values, message = WRONG[case]
    with pytest.raises(SettingsError) as refused:
        Settings.of({"target": str(tmp_path), **values})
    assert message in str(refused.value)
    assert "\n" not in str(refused.value)
