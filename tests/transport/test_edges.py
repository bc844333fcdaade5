"""What a connection's layers do with errors that nobody foresees: they end that connection."""

from __future__ import annotations

import errno
import ssl
from contextlib import suppress
from pathlib import Path
from time import monotonic
from typing import Any, cast

import pytest

from fivefold.content.application.forwarded import TrustedProxies
from fivefold.errors import LimitReached, PeerGone
from fivefold.http1.limits import Limits
from fivefold.iomodels.interface import Connection
from fivefold.iomodels.lifetime import LAST_CALL_S, LAST_WORDS_S, Lifetime
from fivefold.serving.open_connections import Handler
from fivefold.transport.proxy_protocol import ProxyProtocol
from fivefold.transport.tls.connection import TlsConnection
from fivefold.transport.tls.layer import Tls
from support.openssl import self_signed
from support.scripted_connection import SILENCE, FakeConnection


async def handler(conn: Connection) -> None:
    raise AssertionError("there is nobody to be served")


def tls() -> Handler:
    nothing = cast("Any", None)
    return Tls(handler, nothing, nothing, Limits()).serve


def proxy_protocol() -> Handler:
    return ProxyProtocol(handler, TrustedProxies(("*",)), Limits()).serve


class Broken(FakeConnection):
    """Its first receive raises."""

    def __init__(self, error: BaseException) -> None:
        super().__init__([])
        self._error = error

    async def recv(self) -> bytes:
        raise self._error


@pytest.mark.parametrize("layer", [tls, proxy_protocol])
@pytest.mark.parametrize(
    "error",
    [OSError(errno.EIO, "no socket does this"), LimitReached("no thread"), KeyboardInterrupt()],
    ids=lambda error: type(error).__name__,
)
def test_an_error_before_http_ends_one_connection(
    layer: Any, error: BaseException, caplog: pytest.LogCaptureFixture
) -> None:
    connection = Broken(error)
    with pytest.raises(StopIteration):
        layer()(connection).send(None)
    assert connection.closed
    assert [record.getMessage() for record in caplog.records] == ["a connection failed"]


class Silent(FakeConnection):
    """Says nothing until it is interrupted, and then what had come."""

    def __init__(self, late: bytes) -> None:
        super().__init__([SILENCE, late])
        self.given: list[float] = []

    async def recv(self) -> bytes:
        self.given.append(self.deadline - monotonic())
        return await super().recv()


class Http:
    """Notes whom it is given."""

    def __init__(self) -> None:
        self.served: list[Any] = []

    async def serve(self, conn: Any) -> None:
        self.served.append(conn)


@pytest.mark.parametrize("late", [b"GET / HTTP/1.1\r\n\r\n", b"PROXY UNKNOWN\r\n"])
def test_a_server_that_stops_hears_what_has_come_by_the_end_of_a_last_call(late: bytes) -> None:
    http = Http()
    nothing = cast("Any", None)
    layer = (
        Tls(handler, nothing, cast("Any", http), Limits())
        if late.startswith(b"GET")
        else ProxyProtocol(http.serve, TrustedProxies(("*",)), Limits())
    )
    connection = Silent(late)
    connection.finish()
    with pytest.raises(StopIteration):
        layer.serve(cast("Any", connection)).send(None)
    assert http.served == [connection]
    first_s, last_s = connection.given
    assert first_s <= LAST_CALL_S
    assert last_s <= LAST_WORDS_S


@pytest.mark.parametrize("layer", [tls, proxy_protocol])
def test_a_model_that_closes_ends_it(layer: Any) -> None:
    connection = Broken(GeneratorExit())
    with pytest.raises(GeneratorExit):
        layer()(connection).send(None)
    assert connection.closed


OWN = {"recv", "next_bytes", "last_words"}
"""What a layer does itself, by what it asks below."""


def test_a_connection_around_another_has_its_life() -> None:
    """Deadlines, idleness and the end are those of the one that the server and engine look at."""
    below = FakeConnection([])
    below.allow(7.0)
    below.begin_listening()
    below.finish()
    around = TlsConnection(cast("Any", below), ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER))
    names = {name for name in vars(Lifetime) if not name.startswith("_")} - OWN
    assert {"deadline", "begin_waiting", "interrupt"} <= names
    assert [getattr(around, name) for name in names] == [getattr(below, name) for name in names]


class Agreeing(FakeConnection):
    """To a client of TLS, which says what OpenSSL has it say."""

    def __init__(self) -> None:
        super().__init__([])
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        self._received, self._says = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._client = context.wrap_bio(self._received, self._says)

    async def recv(self) -> bytes:
        self._received.write(self.sent)
        self.sent = b""
        with suppress(ssl.SSLWantReadError):
            self._client.do_handshake()
        return self._says.read()


@pytest.mark.parametrize("size", [1, 100_000])
def test_what_is_sent_behind_our_farewell_is_sent_to_nobody(size: int, tmp_path: Path) -> None:
    """By another coroutine, while the connection is closed: no failure of the server."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    made = self_signed(tmp_path, "localhost")
    context.load_cert_chain(made.cert, made.key)
    below = Agreeing()
    around = TlsConnection(cast("Any", below), context)

    async def ended() -> None:
        await around.handshake(await below.recv())
        await around.close()
        await around.send(bytes(size))

    with pytest.raises(PeerGone):
        ended().send(None)
    assert below.closed
