"""Websockets (RFC 6455) with the `websockets` client, under every serving model."""

from __future__ import annotations

import asyncio
import base64
import json
import os
import resource
from collections.abc import Iterator
from contextlib import ExitStack, suppress

import pytest
from websockets.asyncio.client import connect as connect_async
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.frames import Frame, Opcode
from websockets.typing import Subprotocol

from applications.asgi import websocket_sample
from support.servers.embedded import ASYNC, MODELS, Site, hosting, open_gate
from support.websocket.library import closed_by, opened
from support.websocket.raw import handshake

MANY = 1000


@pytest.fixture(scope="module", params=MODELS)
def shared(request: pytest.FixtureRequest) -> Iterator[Site]:
    with hosting(websocket_sample.app, way=request.param, **MODELS[request.param]) as site:
        yield site


@pytest.fixture
def site(shared: Site) -> Site:
    shared.notes.forget()
    return shared


def hears(site: Site, code: int) -> None:
    """Wait until the application has noted the end; others may end late, and note theirs."""
    while f'["websocket.disconnect", {code},' not in site.notes.next():
        pass


# Messages


@pytest.mark.parametrize("compression", ["deflate", None])
@pytest.mark.parametrize("size", [0, 1, 126, 65536, 1_000_000])
def test_messages_come_back(site: Site, size: int, compression: str | None) -> None:
    binary, text = os.urandom(size // 2) + bytes(size - size // 2), "ü" * size
    with opened(site, "/echo", compression=compression, max_size=None) as client:
        assert bool(client.protocol.extensions) is (compression is not None)
        for message in (binary, text, binary):
            client.send(message)
            assert client.recv(timeout=30) == message


@pytest.mark.parametrize("compression", ["deflate", None])
def test_fragments_are_one_message(site: Site, compression: str | None) -> None:
    with opened(site, "/echo", compression=compression) as client:
        client.send(["frag", "", "ments ", "ü"])
        assert client.recv(timeout=30) == "fragments ü"
        client.send([b"a", b"b"])
        assert client.recv(timeout=30) == b"ab"


def test_a_character_may_be_cut_by_fragments(site: Site) -> None:
    with site.wire() as wire:
        handshake(wire, "/echo")
        assert wire.head().status == 101
        for frame in (
            Frame(Opcode.TEXT, b"\xc3", fin=False),
            Frame(Opcode.PING, b"between"),
            Frame(Opcode.CONT, b"\xbc"),
        ):
            wire.send(frame.serialize(mask=True))
        assert wire.exactly(9) == b"\x8a\x07between"
        assert wire.exactly(4) == b"\x81\x02\xc3\xbc"


def test_pings_are_answered(site: Site) -> None:
    with opened(site, "/echo") as client:
        assert client.ping().wait(30)
        client.send("still there")
        assert client.recv(timeout=30) == "still there"


def test_several_children_send_and_one_listens(site: Site) -> None:
    with opened(site, "/both-ways") as client:
        found = [str(client.recv(timeout=30)) for _ in range(150)]
        for name in "abc":
            assert [x for x in found if x[0] == name] == [f"{name}{n}" for n in range(50)]
        client.send("heard")
        assert client.recv(timeout=30) == "heard"


def test_two_children_listen(site: Site) -> None:
    with opened(site, "/two-listeners") as client:
        assert client.recv(timeout=30) == "ready"
        client.send("a")
        client.send("b")
        assert client.recv(timeout=30) == "a b"


def test_listening_can_be_given_up(site: Site) -> None:
    with opened(site, "/impatient") as client:
        assert client.recv(timeout=30) == "cancelled: True"
        client.send("heard")
        assert client.recv(timeout=30) == "heard"


def test_many_messages_before_the_application_listens(site: Site) -> None:
    """A fast sender is held back, and loses nothing."""
    gate = site.gate("slow")
    with opened(site, "/slow-reader", compression=None) as client:
        site.notes.until("waiting")
        for _ in range(40):  # more than is read ahead, less than buffers hold
            client.send(bytes(1000))
        client.send(b"")
        open_gate(gate)
        assert client.recv(timeout=30) == "40000"


# Opening


def test_scope_and_subprotocol(site: Site) -> None:
    offered = [Subprotocol("first"), Subprotocol("second")]
    with opened(site, "/describe", subprotocols=offered) as client:
        answer = json.loads(client.recv(timeout=30))
        assert answer["type"] == "websocket"
        assert answer["scheme"] == "ws"
        assert answer["subprotocols"] == offered
        assert answer["client"] == list(client.local_address)
        assert client.subprotocol == "second"
        assert client.response is not None
        assert client.response.headers["X-Accepted"] == "yes"


def test_a_rejected_websocket_gets_403(site: Site) -> None:
    with pytest.raises(InvalidStatus) as caught:
        opened(site, "/reject")
    assert caught.value.response.status_code == 403


def test_a_denial_is_a_response_of_the_application(site: Site) -> None:
    with pytest.raises(InvalidStatus) as caught:
        opened(site, "/deny")
    response = caught.value.response
    assert (response.status_code, response.headers["X-Why"]) == (418, "taste")
    assert b"not coffee" in response.body.replace(b"\r\n6\r\n", b"")


@pytest.mark.parametrize("path", ["/fail-early", "/too-early", "/injecting", "/injecting-field"])
def test_a_failure_before_the_handshake_is_500(site: Site, path: str) -> None:
    with pytest.raises(InvalidStatus) as caught:
        opened(site, path)
    assert caught.value.response.status_code == 500
    assert "X-Injected" not in caught.value.response.headers
    assert b"secret" not in caught.value.response.body


@pytest.mark.parametrize(
    ("fields", "status"),
    [
        ("", 400),
        ("Sec-WebSocket-Version: 12\r\n", 400),
        ("Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dG9vIHNob3J0\r\n", 400),
    ],
    ids=["no version", "old version", "two keys"],
)
def test_an_invalid_handshake_is_refused(site: Site, fields: str, status: int) -> None:
    with site.wire() as wire:
        handshake(wire, "/echo", fields)
        assert wire.answer().status in (status, 426)
        assert wire.at_end()


@pytest.mark.parametrize(
    "line", ["Upgrade:websocket", "upgrade:  WebSocket ", "UPGRADE: websocket"]
)
def test_an_upgrade_is_understood_however_it_is_written(site: Site, line: str) -> None:
    key = base64.b64encode(os.urandom(16)).decode()
    with site.wire() as wire:
        wire.put(
            "/echo",
            fields=f"Connection: keep-alive, Upgrade\r\n{line}\r\nSec-WebSocket-Version: 13\r\n"
            f"Sec-WebSocket-Key: {key}\r\n",
        )
        assert wire.head().status == 101


def test_other_upgrades_are_ignored(site: Site) -> None:
    with site.wire() as wire:
        assert wire.ask("/", fields="Connection: Upgrade\r\nUpgrade: h2c\r\n").body == b"over http"


def test_websockets_and_requests_share_a_server(site: Site) -> None:
    with opened(site, "/echo") as client, site.wire() as wire:
        assert wire.ask("/").body == b"over http"
        client.send("still there")
        assert client.recv(timeout=30) == "still there"


# Closing


def test_the_client_closes_with_code_and_reason(site: Site) -> None:
    with opened(site, "/echo") as client:
        client.close(4001, "bye, märchen")
        assert client.protocol.close_code == 4001  # the server's answer
    site.notes.until(json.dumps(["websocket.disconnect", 4001, "bye, märchen"]))


def test_a_close_without_code_is_1005(site: Site) -> None:
    with site.wire() as wire:
        handshake(wire, "/echo")
        assert wire.head().status == 101
        wire.send(Frame(Opcode.CLOSE, b"").serialize(mask=True))
        assert wire.exactly(2) == b"\x88\x00"
        assert wire.at_end()
    hears(site, 1005)


def test_the_application_closes_with_code_and_reason(site: Site) -> None:
    with opened(site, "/close") as client:
        assert closed_by(client) == (4321, "enough, märchen")
    assert [site.notes.next(), site.notes.next()] == ["OSError", "websocket.disconnect"]


def test_an_application_cannot_close_with_what_no_frame_can_hold(site: Site) -> None:
    with opened(site, "/impossible-closes") as client:
        assert closed_by(client) == (4000, str(len(websocket_sample.IMPOSSIBLE) + 1))


def test_an_application_that_ends_closes(site: Site) -> None:
    with opened(site, "/ends") as client:
        assert closed_by(client)[0] == 1000


@pytest.mark.parametrize("path", ["/fail", "/cancel"])
def test_an_application_that_fails_closes_with_1011(site: Site, path: str) -> None:
    with opened(site, path) as client:
        code, reason = closed_by(client)
    assert code == 1011
    assert "secret" not in reason


def test_a_client_that_vanishes_is_1006(site: Site) -> None:
    with site.wire() as wire:
        handshake(wire, "/echo")
        assert wire.head().status == 101
        wire.leave()
    hears(site, 1006)


def test_pushing_ends_when_the_client_leaves(site: Site) -> None:
    with opened(site, "/push", max_queue=None) as client:
        for number in range(100):
            assert client.recv(timeout=30) == str(number)
    assert site.notes.next() == "OSError"


def test_pushing_ends_when_the_client_vanishes(site: Site) -> None:
    with site.wire() as wire:
        handshake(wire, "/push")
        assert wire.head().status == 101
        wire.exactly(10)
        wire.leave()
    assert site.notes.next() == "OSError"


def test_text_that_is_not_utf_8_is_1007(site: Site) -> None:
    with opened(site, "/echo") as client:
        client.send(b"\xff\xfe", text=True)
        assert closed_by(client)[0] == 1007
    hears(site, 1007)


def test_a_frame_without_mask_is_1002(site: Site) -> None:
    with site.wire() as wire:
        handshake(wire, "/echo")
        assert wire.head().status == 101
        wire.send(Frame(Opcode.TEXT, b"bare").serialize(mask=False))
        data = wire.to_the_end()
    assert data[:1] == b"\x88"
    assert int.from_bytes(data[2:4], "big") == 1002


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("compression", ["deflate", None])
def test_a_message_too_big_is_1009(model: str, compression: str | None) -> None:
    with hosting(websocket_sample.app, websocket_message_bytes=1000, **MODELS[model]) as site:
        with opened(site, "/echo", compression=compression) as client:
            client.send(bytes(1000))
            assert client.recv(timeout=30) == bytes(1000)
            client.send(bytes(1001))
            assert closed_by(client)[0] == 1009
        hears(site, 1009)
        with opened(site, "/echo", compression=compression) as client:
            with suppress(ConnectionClosed):  # while we still send
                client.send([bytes(600), bytes(600)])
            assert closed_by(client)[0] == 1009


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("path", ["/ends", "/close"])
def test_a_client_that_does_not_answer_a_close_is_let_go(model: str, path: str) -> None:
    with (
        hosting(websocket_sample.app, linger_s=0.1, **MODELS[model]) as site,
        site.wire() as wire,
    ):
        handshake(wire, path)
        assert wire.head().status == 101
        assert wire.exactly(1) == b"\x88"
        wire.to_the_end()


@pytest.mark.parametrize("model", MODELS)
def test_a_client_that_answers_no_ping_is_let_go(model: str) -> None:
    with (
        hosting(websocket_sample.app, websocket_ping_s=0.1, linger_s=0.1, **MODELS[model]) as site,
        site.wire() as wire,
    ):
        handshake(wire, "/echo")
        assert wire.head().status == 101
        assert wire.exactly(2) == b"\x89\x00"
        wire.to_the_end()
        hears(site, 1006)


@pytest.mark.parametrize("model", MODELS)
def test_whoever_cannot_answer_a_ping_is_not_gone(model: str) -> None:
    """A frame that takes long keeps its pong back; so does an application that is behind."""
    settings = MODELS[model] | {"websocket_queue_messages": 1}
    with hosting(websocket_sample.app, websocket_ping_s=0.1, linger_s=0.1, **settings) as site:
        with site.wire() as wire:
            handshake(wire, "/echo")
            assert wire.head().status == 101
            slow = Frame(Opcode.BINARY, b"slow").serialize(mask=True)
            for start in range(0, len(slow), 3):
                assert wire.exactly(2) == b"\x89\x00"
                wire.send(slow[start : start + 3])
            while (head := wire.exactly(2)) == b"\x89\x00":
                pass
            assert head + wire.exactly(4) == b"\x82\x04slow"
        gate = site.gate("slow")
        with site.wire() as wire:
            handshake(wire, "/slow-reader")
            assert wire.head().status == 101
            message = Frame(Opcode.BINARY, bytes(1000)).serialize(mask=True)
            wire.send(message * 10 + Frame(Opcode.BINARY, b"").serialize(mask=True))
            for _ in range(4):
                assert wire.exactly(2) == b"\x89\x00"
            open_gate(gate)
            while (head := wire.exactly(2)) == b"\x89\x00":
                pass
            assert head + wire.exactly(5) == b"\x81\x0510000"


@pytest.mark.parametrize("model", MODELS)
def test_a_server_that_stops_says_1012(model: str) -> None:
    with ExitStack() as later:
        with hosting(websocket_sample.app, **MODELS[model]) as site:
            client = later.enter_context(opened(site, "/silent-echo"))
            client.send("there")
            assert client.recv(timeout=30) == "there"
        assert closed_by(client)[0] == 1012


# Many


def test_a_thousand_websockets_at_once() -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(max(soft, 4 * MANY), hard), hard))
    try:
        with hosting(websocket_sample.app, **ASYNC) as site:
            assert asyncio.run(talk_to_many(site.ws + "/silent-echo")) == MANY
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


async def talk_to_many(url: str) -> int:
    """Open all, then let each say something, then hear all, then close."""
    gate = asyncio.Semaphore(100)

    async def opened_one() -> object:
        async with gate:
            return await connect_async(
                url, compression=None, proxy=None, ping_interval=None, open_timeout=60
            )

    clients = [await task for task in [asyncio.create_task(opened_one()) for _ in range(MANY)]]
    heard = 0
    for _ in range(2):
        heard = 0
        for number, client in enumerate(clients):
            await client.send(str(number))  # type: ignore[attr-defined]
        for number, client in enumerate(clients):
            heard += await client.recv() == str(number)  # type: ignore[attr-defined]
    await asyncio.gather(*(client.close() for client in clients))  # type: ignore[attr-defined]
    return heard
