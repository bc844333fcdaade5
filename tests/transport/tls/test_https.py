"""HTTPS as seen by curl, openssl and Python's ssl: certificates, versions, names, mistakes."""

from __future__ import annotations

import logging
import socket
import ssl
import subprocess
import sys
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from websockets.sync.client import connect

from fivefold import Server, Settings
from fivefold.iomodels import ENGINES
from fivefold.iomodels.interface import IOModel
from fivefold.serving import MODELS
from support import TESTS
from support.client import TIMEOUT_S, Client
from support.openssl import Made, self_signed
from support.servers.folder import Serve
from support.servers.logged import logged
from support.tls_clients import s_client, shaken, status

ALERT = b"\x15"
"""RFC 8446, section 5.1: the type of a record."""


def test_versions(made: Made, serve: Serve) -> None:
    with serve(tls_cert=made.cert, tls_key=made.key) as address:
        assert "New, TLSv1.3" in s_client(address, "-tls1_3")
        assert "New, TLSv1.2" in s_client(address, "-tls1_2")
        for old in ("-tls1_1", "-tls1"):
            assert "New, (NONE)" in s_client(address, old, "-cipher", "DEFAULT@SECLEVEL=0")
    with serve(tls_cert=made.cert, tls_key=made.key, tls_min="1.3") as address:
        assert "New, (NONE)" in s_client(address, "-tls1_2")


def test_protocols_resumption_and_renegotiation(made: Made, serve: Serve) -> None:
    settings = {"workers": 2, "first_byte_s": 0.5}  # the last client waits for our close
    with serve(tls_cert=made.cert, tls_key=made.key, **settings) as address:
        assert "ALPN protocol: h2" in s_client(address, "-alpn", "http/1.1,h2")
        assert "ALPN protocol: http/1.1" in s_client(address, "-alpn", "http/1.1")
        assert "No ALPN negotiated" in s_client(address, "-alpn", "h3")
        # Both workers know the tickets: their keys are older than they are.
        said = s_client(address, "-tls1_2", "-reconnect")
        assert said.count("Reused, TLSv1.2") == 5
        done = subprocess.run(
            ["openssl", "s_client", "-connect", "{}:{}".format(*address), "-tls1_2"],
            check=False,
            capture_output=True,
            input=b"R\n",  # the client wants to agree anew
        )
        assert b"no renegotiation" in done.stderr


def test_a_name_chooses_the_certificate(tmp_path: Path, made: Made, serve: Serve) -> None:
    other = self_signed(tmp_path, "other.example", "*.other.example")
    with serve(tls_cert=(made.cert, other.cert), tls_key=(made.key, other.key)) as address:
        trust = ssl.create_default_context(cafile=made.cert)
        trust.load_verify_locations(other.cert)
        for name, wanted in (
            ("localhost", "localhost"),
            ("other.example", "other.example"),
            ("WWW.other.example", "other.example"),
        ):
            with shaken(address, trust, name) as secure:
                certificate = secure.getpeercert()
                assert certificate is not None
                assert certificate["subject"] == ((("commonName", wanted),),)
                assert status(secure) == b"HTTP/1.1 200"
        for name in ("unknown.example", "a.b.other.example"):
            assert "CN = localhost" in s_client(address, "-servername", name)
        assert "CN = localhost" in s_client(address, "-noservername")


@pytest.mark.parametrize("serving", MODELS)
def test_a_name_that_is_no_text_is_one_line_of_ours(
    serving: str,
    made: Made,
    serve: Serve,
    tmp_path: Path,
    capfd: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Python's ssl prints a traceback of its own for it, as many as a client likes."""
    monkeypatch.setattr(sys, "unraisablehook", sys.__unraisablehook__)  # pytest's prints nothing
    caplog.set_level(logging.INFO, "fivefold")
    log = tmp_path / "log"
    files = {"tls_cert": made.cert, "tls_key": made.key}
    with logged(log), serve(serving=serving, **files) as address:
        for name in (b"\xff\xfe\xff.example", b"caf\xc3\xa9s.example"):
            with socket.create_connection(address, timeout=TIMEOUT_S) as sock:
                sock.sendall(hello(name))
                assert sock.recv(100)[:1] == ALERT
                assert sock.recv(100) == b""
        with shaken(address, ssl.create_default_context(cafile=made.cert)) as secure:
            assert status(secure) == b"HTTP/1.1 200"
    assert log.read_text().count("the name that it asks for is not text") == 2
    assert "UnicodeDecodeError" not in capfd.readouterr().err


@pytest.mark.parametrize("engine", ENGINES, ids=lambda engine: engine.engine)
@pytest.mark.parametrize("serving", MODELS)
def test_an_alert_is_not_overtaken_by_a_reset(
    serving: str, engine: type[IOModel], made: Made, serve: Serve
) -> None:
    """Though much is unread behind the record that is refused."""
    files = {"tls_cert": made.cert, "tls_key": made.key}
    with (
        serve(serving=serving, io=engine.engine, **files) as address,
        socket.create_connection(address, timeout=TIMEOUT_S) as sock,
    ):
        sock.sendall(b"\x16\x03\x01\x00\x04nope" + bytes(300_000))
        assert sock.recv(100)[:1] == ALERT
        assert sock.recv(100) == b""


def hello(name: bytes) -> bytes:
    """A ClientHello that asks for these bytes, as many as a name of a host."""
    stand_in = "x" * len(name.partition(b".")[0]) + ".example"
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    client = ssl.create_default_context().wrap_bio(incoming, outgoing, server_hostname=stand_in)
    with pytest.raises(ssl.SSLWantReadError):
        client.do_handshake()
    sent = outgoing.read()
    assert sent.count(stand_in.encode()) == 1
    return sent.replace(stand_in.encode(), name)


def test_a_new_certificate_is_taken_without_a_restart(tmp_path: Path, serve: Serve) -> None:
    made = self_signed(tmp_path, "localhost")

    def fingerprint(address: tuple[str, int]) -> str:
        return ssl.get_server_certificate(address)

    with serve(tls_cert=made.cert, tls_key=made.key) as address:
        old = fingerprint(address)
        Path(made.key).write_text("nonsense")
        for _ in range(3):
            assert fingerprint(address) == old
        self_signed(tmp_path, "localhost")
        new = Path(made.cert).read_text()
        while fingerprint(address).split() != new.split():
            pass  # it looks at the files every two seconds; the test's own limit ends a hang


def test_websockets(made: Made, serve: Serve) -> None:
    trust = ssl.create_default_context(cafile=made.cert)
    with (
        serve(
            target="applications.asgi.echo:app", chdir=TESTS, tls_cert=made.cert, tls_key=made.key
        ) as (_, port),
        connect(f"wss://127.0.0.1:{port}/", ssl=trust) as websocket,
    ):
        for size in (1, 5000, 300_000):
            websocket.send("x" * size)
            assert websocket.recv(timeout=TIMEOUT_S) == "x" * size
        websocket.send("tell")
        assert websocket.recv(timeout=TIMEOUT_S) == "wss 772 None"


def test_plain_http_is_sent_on(made: Made, tmp_path: Path) -> None:
    log = tmp_path / "access.log"
    settings = Settings.of(
        {
            "tls_cert": made.cert,
            "tls_key": made.key,
            "bind": "127.0.0.1:0",
            "redirect_http": "127.0.0.1:0",
            "access_log": str(log),
            "access_log_format": "{status} {request}",
        }
    )
    with Server(settings) as server:
        https, http = map(urlsplit, server.addresses)
        assert (https.scheme, http.scheme) == ("https", "http")
        assert http.port is not None
        with Client(("127.0.0.1", http.port)) as client:
            answer = client.get("//evil.example/a?b=c")
            assert answer.status == 301
            assert answer.fields["location"] == f"https://test:{https.port}//evil.example/a?b=c"
        for request, wanted in (
            (b"POST / HTTP/1.1\r\nHost: [::1]:80\r\nContent-Length: 0\r\n\r\n", b"https://[::1]:"),
            (b"GET / HTTP/1.1\r\nHost: a.example:80\r\n\r\n", b"https://a.example:"),
            (b"GET / HTTP/1.0\r\n\r\n", b"400 "),
            (b"GET / HTTP/1.1\r\nHost: a/b@c\r\n\r\n", b"400 "),
        ):
            with Client(("127.0.0.1", http.port)) as client:
                client.send(request)
                assert wanted in client.sock.recv(65536)
    lines = log.read_text().splitlines()
    assert lines[0] == "301 GET //evil.example/a?b=c HTTP/1.1"
    assert [line[:3] for line in lines] == ["301", "308", "301", "400", "400"]
