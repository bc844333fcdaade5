"""Which requests become websockets, which are answered as any other, and which are refused."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from typing import Any

import pytest

from applications.asgi import websocket_sample
from support.every_pair import pairs
from support.servers.embedded import MODELS, Site, hosting
from support.websocket.raw import TEXT, RawWebSocket, frame, request
from support.wire import Wire

KEY = base64.b64encode(bytes(16))

PLAIN = request("/silent-echo", key=KEY)


@pytest.fixture(scope="module", params=MODELS)
def site(request: pytest.FixtureRequest) -> Iterator[Site]:
    with hosting(websocket_sample.app, **MODELS[request.param]) as site:
        yield site


VALID = {
    "plain": PLAIN,
    "cookies as large as a head may be": request(
        "/silent-echo", f"Cookie: {'a' * 30_000}\r\n", key=KEY
    ),
    "as many fields as may be": request("/silent-echo", "X-Field: 1\r\n" * 250, key=KEY),
    "a long target": request("/silent-echo?" + "a" * 8000, key=KEY),
    "HTTP/1.2": request("/silent-echo", key=KEY, minor=2),
    "other protocols, too": request("/silent-echo", "Upgrade: h2c\r\n", key=KEY),
    "a token for a subprotocol": request(
        "/silent-echo", f"Sec-WebSocket-Protocol: {'a' * 9000}\r\n", key=KEY
    ),
    "a length of nothing": request("/silent-echo", "Content-Length: 0\r\n", key=KEY),
    "bytes that are no ASCII": request("/silent-echo", "X-Name: \xfc\r\n", key=KEY),
}


@pytest.mark.parametrize("case", VALID)
def test_a_handshake_may_be_whatever_a_request_may_be(site: Site, case: str) -> None:
    with RawWebSocket(site.address) as client:
        client.send(VALID[case] + frame(TEXT, b"early"))
        assert client.head().status == 101
        assert client.frame().data == b"early"


NO_HANDSHAKE = {
    "HTTP/1.0": request("/silent-echo", "Connection: keep-alive\r\n", key=KEY, minor=0),
    "a method with a body": PLAIN.replace(b"GET", b"POST").replace(
        b"\r\n\r\n", b"\r\nContent-Length: 0\r\n\r\n"
    ),
    "another option of the connection": PLAIN.replace(b": Upgrade", b": upgraded"),
    "another protocol": PLAIN.replace(b": websocket", b": websockets"),
    "a body": PLAIN.replace(b"\r\n\r\n", b"\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
}


@pytest.mark.parametrize("case", NO_HANDSHAKE)
def test_what_is_no_handshake_is_a_request_like_any_other(site: Site, case: str) -> None:
    """And what comes behind it is the next one."""
    with Wire(site.address) as wire:
        wire.send(NO_HANDSHAKE[case] * 3)
        for _ in range(3):
            answer = wire.answer()
            assert (answer.status, answer.body) == (200, b"over http")


INVALID = {
    "no key": request("/silent-echo"),
    "a key of 15 bytes": request("/silent-echo", key=base64.b64encode(bytes(15))),
    "a key that is no base64": request("/silent-echo", key=b"*" * 24),
    "a key that is no ASCII": request("/silent-echo", key=b"\xfc" * 24),
    "two keys": request("/silent-echo", f"Sec-WebSocket-Key: {KEY.decode()}\r\n", key=KEY),
    "another version": PLAIN.replace(b": 13", b": 12"),
    "no version": PLAIN.replace(b"-Version: 13", b"-Versions: 13"),
    "two versions": request("/silent-echo", "Sec-WebSocket-Version: 13\r\n", key=KEY),
    "extensions that are none": request(
        "/silent-echo", "Sec-WebSocket-Extensions: ;=,\r\n", key=KEY
    ),
    "extensions without end": request(
        "/silent-echo", f"Sec-WebSocket-Extensions: {'a' * 9000}\r\n", key=KEY
    ),
}


@pytest.mark.parametrize("case", INVALID)
def test_an_invalid_handshake_is_refused(site: Site, case: str) -> None:
    with RawWebSocket(site.address) as client:
        client.send(INVALID[case])
        answer = client.answer()
        assert answer.status == (431 if case == "extensions without end" else 400)
        assert answer.fields["sec-websocket-version"] == "13"
        assert client.at_end()


@pairs()
def test_a_refusal_can_be_read_by_who_has_said_more(pair: dict[str, Any]) -> None:
    """Unread bytes would make a reset of the close, which may destroy the answer."""
    more = frame(TEXT, bytes(100_000))
    with hosting(websocket_sample.app, **pair) as site:
        for path, status, body in (
            ("/reject", 403, b"Forbidden\n"),
            ("/deny", 418, b"not coffee"),
            ("/fail-early", 500, b"Internal Server Error\n"),
        ):
            with RawWebSocket(site.address) as client:
                client.send(request(path, key=KEY) + more)
                answer = client.answer()
                assert (answer.status, answer.body) == (status, body)
                assert client.at_end()


def test_nothing_follows_a_denial_that_has_begun(site: Site) -> None:
    """Neither another head, which would be read as its body, nor an end that looks whole."""
    with RawWebSocket(site.address) as client:
        client.send(request("/deny-and-waver", key=KEY))
        head = client.head()
        assert (head.status, head.fields["transfer-encoding"]) == (418, "chunked")
        assert client.to_the_end() == b"2\r\nno\r\n" + b"4\r\nlate\r\n" * 3
