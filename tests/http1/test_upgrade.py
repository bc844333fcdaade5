"""`Upgrade` to a protocol that is not spoken here is ignored, whatever the body (RFC 9110, 7.8)."""

from __future__ import annotations

import subprocess
from typing import Any

import pytest

from applications.asgi import sample as asgi_sample
from applications.wsgi import sample as wsgi_sample
from support.servers.embedded import MODELS, hosting
from support.wire import chunked

JAVA = "Connection: Upgrade, HTTP2-Settings\r\nHTTP2-Settings: AAEAAEAA\r\nUpgrade: h2c\r\n"
WEBSOCKET = (
    "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
    "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n"
)
"""WSGI applications have none; nor is a request with a body one of ASGI."""
TLS = "Connection: Upgrade\r\nUpgrade: TLS/1.0\r\n"


@pytest.mark.parametrize("app", [wsgi_sample.app, asgi_sample.app], ids=["wsgi", "asgi"])
@pytest.mark.parametrize("model", MODELS)
def test_upgrade_is_ignored(model: str, app: Any) -> None:
    with hosting(app, **MODELS[model]) as site:
        with site.wire() as wire:
            wire.send(b"GET /peer HTTP/1.1\r\nHost: test\r\n%b\r\n" % TLS.encode() * 3)
            first = wire.answer()
            assert first.status == 200
            assert [wire.answer().body for _ in range(2)] == [first.body] * 2
            for fields in (JAVA, TLS, WEBSOCKET):
                assert wire.ask("/echo", method="POST", fields=fields, body=b"hi").body == b"hi"
                wire.put("/echo", method="POST", fields=fields + "Transfer-Encoding: chunked\r\n")
                wire.send(chunked(b"one", b"two"))
                assert wire.answer().body == b"onetwo"
            host, port = wire.sock.getpeername()
        command = ["curl", "-sS", "--max-time", "20", "--http2", "-d", "a=b"]
        asked = subprocess.run(
            [*command, f"http://{host}:{port}/echo"], capture_output=True, check=True
        )
        assert asked.stdout == b"a=b"
