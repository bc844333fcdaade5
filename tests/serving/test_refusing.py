"""`--overload 503`: who finds a server full is answered at once, whatever the client does."""

from __future__ import annotations

import os
import socket
import ssl
from collections.abc import Iterator
from contextlib import ExitStack, closing
from pathlib import Path

import pytest

from fivefold.errors import SettingsError
from fivefold.server.settings import Settings
from fivefold.server.worker.overload import INTERNAL_ERROR, UNAVAILABLE, refusal
from fivefold.serving import refusing
from fivefold.serving.refusing import Refusals
from support.client import Client
from support.every_pair import pairs
from support.openssl import self_signed
from support.servers.deployed import until
from support.servers.folder import Serve

PLACES = 2

REFUSED = b"no room"

LONG = b"POST / HTTP/1.1\r\nHost: t\r\nContent-Length: 300000\r\n\r\n" + bytes(300_000)
"""More than one receive takes."""


def is_free(address: tuple[str, int]) -> bool:
    with Client(address) as client:
        return client.get("/1.bin").status == 200


@pairs(overlapping=True)
def test_a_full_server_answers_at_once(pair: dict[str, str], serve: Serve) -> None:
    with serve(**pair, max_connections=PLACES, overload="503") as address:
        with ExitStack() as held:
            for _ in range(PLACES):
                until(lambda: holds(address, held), "a place")
            held.enter_context(Client(address))  # who asks nothing keeps nobody waiting
            for request in (LONG, b"HEAD / HTTP/1.1\r\n"):  # cut or not, it is not read
                with Client(address) as client:
                    client.send(request)
                    answer = client.answer()
                    assert answer.status == 503
                    assert answer.fields["connection"] == "close"
                    assert int(answer.fields["retry-after"]) > 0
                    assert client.sock.recv(1) == b""  # and no reset
        until(lambda: is_free(address), "a free place")


def holds(address: tuple[str, int], held: ExitStack) -> bool:
    """Whether one more client has a place, which it keeps."""
    client = held.enter_context(Client(address))
    return client.get("/1.bin").status == 200


def test_a_client_of_tls_gets_an_alert(tmp_path: Path, serve: Serve) -> None:
    """Each client sees what is for it, also where the first bytes come one by one."""
    made = self_signed(tmp_path, "localhost")
    secure = ssl.create_default_context(cafile=made.cert)
    settings = {"tls_cert": made.cert, "tls_key": made.key, "serving": "thread"}
    with serve(**settings, max_connections=1, overload="503") as address, ExitStack() as undo:
        held = undo.enter_context(socket.create_connection(address, timeout=30))
        undo.enter_context(secure.wrap_socket(held, server_hostname="localhost"))
        refused = undo.enter_context(socket.create_connection(address, timeout=30))
        with pytest.raises(ssl.SSLError, match="ALERT_INTERNAL_ERROR"):
            secure.wrap_socket(refused, server_hostname="localhost")
        with Client(address) as plain:
            assert plain.get("/").status == 503


def test_what_follows_a_proxy_header_is_what_the_server_speaks(tmp_path: Path) -> None:
    made = self_signed(tmp_path, "localhost")
    behind = {"overload": "503", "proxy_protocol": True, "trusted_proxies": ("*",)}
    secure = behind | {"tls_cert": made.cert, "tls_key": made.key}
    for values, expected in ((behind, UNAVAILABLE), (secure, INTERNAL_ERROR)):
        answer = refusal(Settings.of(values))
        assert answer is not None
        assert answer(b"PROXY TCP4 ") == expected


def test_one_client_after_the_other_refuses_none(serve: Serve) -> None:
    with pytest.raises(SettingsError, match="overload: blocking in one thread"):
        serve(serving="async", io="blocking", overload="503").__enter__()


@pytest.fixture
def refusals() -> Iterator[Refusals]:
    made = Refusals(lambda _: REFUSED, 2)
    yield made
    made.close(float("inf"))
    made._ready.close()


def refused(refusals: Refusals) -> socket.socket:
    client, server = socket.socketpair()
    client.settimeout(30)
    refusals.add(server)
    assert server.fileno() < 0, "whoever closes it now closes another's"
    return client


def test_the_eldest_gives_way(refusals: Refusals) -> None:
    with refused(refusals) as eldest, refused(refusals) as second, refused(refusals) as third:
        assert eldest.recv(10) == b""
        for client in (second, third):
            client.sendall(b"G")
            assert client.recv(10) == REFUSED


def test_each_has_a_moment(refusals: Refusals, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(refusing, "MOMENT_S", 0.02)
    with refused(refusals) as silent, refused(refusals) as stays:
        stays.sendall(b"GET /")
        assert stays.recv(10) == REFUSED
        assert silent.recv(10) == stays.recv(10) == b""
        until(lambda: refusals._thread is None, "nobody left")
        with refused(refusals) as later:  # the thread that has ended is replaced
            later.sendall(b"GET /")
            assert later.recv(10) == REFUSED


def test_one_that_never_stops_sending_is_cut(refusals: Refusals) -> None:
    with refused(refusals) as client, pytest.raises(ConnectionError):
        while True:
            client.sendall(bytes(1 << 16))


def test_without_a_thread_it_is_closed(refusals: Refusals, monkeypatch: pytest.MonkeyPatch) -> None:
    def none_left(*_: object) -> None:
        raise RuntimeError("can't start new thread")

    with monkeypatch.context() as lacking:
        lacking.setattr(refusing, "start_thread", none_left)
        client, server = socket.socketpair()
        client.sendall(b"GET /")
        refusals.add(server)
        with closing(client):
            assert client.recv(10) == REFUSED
            assert client.recv(10) == b""
    with refused(refusals) as later:
        later.sendall(b"GET /")
        assert later.recv(10) == REFUSED


def test_what_an_application_forks_keeps_none(refusals: Refusals) -> None:
    with refused(refusals):
        (fd,) = refusals._clients
        child = os.fork()
        if not child:
            try:
                os.fstat(fd)
            except OSError:
                os._exit(0)
            os._exit(1)
        assert os.waitpid(child, 0)[1] == 0
