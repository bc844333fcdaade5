"""What a connection's layers do with errors that nobody foresees: they end that connection."""

from __future__ import annotations

import errno
from typing import Any, cast

import pytest

from fivefold.content.application.forwarded import TrustedProxies
from fivefold.errors import LimitReached
from fivefold.http1.limits import Limits
from fivefold.iomodels.base import Connection
from fivefold.serving.base import Handler
from fivefold.transport.proxy_protocol import ProxyProtocol
from fivefold.transport.tls.layer import Tls
from support.scripted_connection import FakeConnection


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


@pytest.mark.parametrize("layer", [tls, proxy_protocol])
def test_a_model_that_closes_ends_it(layer: Any) -> None:
    connection = Broken(GeneratorExit())
    with pytest.raises(GeneratorExit):
        layer()(connection).send(None)
    assert connection.closed
