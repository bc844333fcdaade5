"""What no library sends: frames by hand, in whatever order, number and size."""

from __future__ import annotations

import socket
import zlib
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from applications.asgi import websocket_sample
from fivefold.linux.processes import processes_of_tree
from support.every_pair import pairs
from support.servers.embedded import ASYNC, MODELS, Site, hosting, open_gate
from support.websocket.raw import (
    BINARY,
    CLOSE,
    CONT,
    DEFLATE,
    PING,
    PONG,
    TEXT,
    RawWebSocket,
    closing,
    deflated,
    frame,
)

LIMIT = 1_048_576
"""Of a message here."""


@pytest.fixture(scope="module", params=MODELS)
def shared(request: pytest.FixtureRequest) -> Iterator[Site]:
    settings: dict[str, Any] = {"websocket_message_bytes": LIMIT, "linger_s": 0.2}
    with hosting(websocket_sample.app, **settings, **MODELS[request.param]) as site:
        yield site


@pytest.fixture
def site(shared: Site) -> Site:
    shared.notes.forget()
    return shared


def opened(site: Site, path: str = "/silent-echo", fields: str = "") -> RawWebSocket:
    client = RawWebSocket(site.address)
    assert client.open(path, fields).status == 101
    return client


# Broken frames

BROKEN = {
    "opcode 3": (frame(3, b"x"), 1002),
    "opcode 11": (frame(11, b"x"), 1002),
    "first reserved bit": (frame(TEXT, b"x", reserved=4), 1002),
    "second reserved bit": (frame(TEXT, b"x", reserved=2), 1002),
    "third reserved bit of a ping": (frame(PING, b"x", reserved=1), 1002),
    "no mask": (frame(TEXT, b"x", masked=False), 1002),
    "a ping without a mask": (frame(PING, masked=False), 1002),
    "a ping of 126 bytes": (frame(PING, bytes(126)), 1002),
    "a fragmented ping": (frame(PING, b"x", fin=False), 1002),
    "a fragmented close": (frame(CLOSE, b"", fin=False), 1002),
    "a close of 126 bytes": (frame(CLOSE, b"\x03\xe8" + bytes(124)), 1002),
    "a continuation of nothing": (frame(CONT, b"x"), 1002),
    "a message in a message": (frame(TEXT, b"x", fin=False) + frame(TEXT, b"y"), 1002),
    "so long that the sign bit is set": (frame(BINARY, length=1 << 63), 1009),
    "longer than all memory": (frame(BINARY, length=(1 << 63) - 1), 1009),
    "a byte too long": (frame(BINARY, bytes(LIMIT + 1)), 1009),
    "a close of one byte": (frame(CLOSE, b"\x03"), 1002),
    "close code 0": (closing(0), 1002),
    "close code 999": (closing(999), 1002),
    "close code 1004": (closing(1004), 1002),
    "close code 1005": (closing(1005), 1002),
    "close code 1006": (closing(1006), 1002),
    "close code 1015": (closing(1015), 1002),
    "close code 2999": (closing(2999), 1002),
    "close code 5000": (closing(5000), 1002),
    "close code 65535": (closing(65535), 1002),
    "a reason that is no text": (closing(1000, b"\xff"), 1007),
    "a text that is none": (frame(TEXT, b"\xff"), 1007),
    "half a character": (frame(TEXT, b"\xc3"), 1007),
    "a surrogate": (frame(TEXT, b"\xed\xa0\x80"), 1007),
    "half a character at the end of fragments": (
        frame(TEXT, b"\xc3\xbc", fin=False) + frame(CONT, b"\xc3"),
        1007,
    ),
    "fragments of which the first is no text": (frame(TEXT, b"\xff", fin=False), 1007),
    "no text, then a close": (frame(TEXT, b"\xff") + closing(1000), (1000, 1007)),
    "no text, then no frame": (frame(TEXT, b"\xff") + frame(3), (1002, 1007)),
}


@pytest.mark.parametrize("case", BROKEN)
def test_what_breaks_the_protocol_is_closed_with_its_code(site: Site, case: str) -> None:
    """And the application hears of it: it notes the code, the last where two things are wrong."""
    sent, code = BROKEN[case]
    with opened(site, "/echo") as client:
        client.send(sent)
        answer = client.frame()
        codes = code if isinstance(code, tuple) else (code,)
        assert answer.code in codes, answer
        assert client.at_end()
    while not site.notes.next().startswith(f'["websocket.disconnect", {codes[-1]},'):
        pass  # of another that ended late


VALID = {
    "an empty text": (frame(TEXT), 0x81, b""),
    "an empty message in three fragments": (
        frame(BINARY, fin=False) + frame(CONT, fin=False) + frame(CONT),
        0x82,
        b"",
    ),
    "a character in four fragments, with pongs in between": (
        frame(TEXT, b"\xf0", fin=False)
        + frame(PONG)
        + frame(CONT, b"\x9f", fin=False)
        + frame(PONG, bytes(125))
        + frame(CONT, b"\x98", fin=False)
        + frame(CONT, b"\x80"),
        0x81,
        "😀".encode(),
    ),
    "a length in more bytes than it needs": (
        b"\x81\xff" + (2).to_bytes(8, "big") + b"\0\0\0\0ab",
        0x81,
        b"ab",
    ),
    "a ping of 125 bytes": (frame(PING, bytes(125)), 0x8A, bytes(125)),
    "close code 3000": (closing(3000, b"why"), 0x88, b"\x0b\xb8why"),
    "close code 4999": (closing(4999), 0x88, b"\x13\x87"),
    "a close amid fragments": (
        frame(TEXT, b"never ", fin=False) + closing(1001),
        0x88,
        b"\x03\xe9",
    ),
}


@pytest.mark.parametrize("case", VALID)
def test_what_is_unusual_is_understood(site: Site, case: str) -> None:
    sent, first, data = VALID[case]
    with opened(site) as client:
        client.send(sent)
        received = client.frame()
        assert (received.first, received.data) == (first, data)
    with opened(site) as client:
        for byte in sent:
            client.send(bytes([byte]))
        received = client.frame()
        assert (received.first, received.data) == (first, data)


def test_pings_amid_a_message_that_is_as_long_as_may_be(site: Site) -> None:
    with opened(site) as client:
        client.send(frame(BINARY, bytes(LIMIT), fin=False) + frame(PING, bytes(125)))
        assert client.frame().first == 0x80 | PONG
        client.send(frame(CONT, fin=False) + frame(PING) + frame(CONT))
        assert client.frame().first == 0x80 | PONG
        assert client.frame().data == bytes(LIMIT)
        client.send(frame(BINARY, bytes(LIMIT), fin=False) + frame(CONT, b"x"))
        assert client.frame().code == 1009


def test_an_idle_websocket_keeps_nothing_of_what_was_said() -> None:
    """In one thread: each thread has a heap, which keeps what it was given once."""
    with hosting(websocket_sample.app, **ASYNC) as site, ExitStack() as later:
        clients = [later.enter_context(opened(site, "/measure")) for _ in range(17)]
        before = 0
        for client in clients:
            client.send(frame(BINARY, bytes(LIMIT)))
            assert int(client.frame().data) == LIMIT
            before = before or memory_of(site)
        assert memory_of(site) - before < 8 * LIMIT  # and not 16


def test_pings_are_answered_as_fast_as_answers_are_taken(site: Site) -> None:
    ping = frame(PING, bytes(125))
    with RawWebSocket(site.address, receive_buffer=8192) as client:
        client.sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 65536)
        assert client.open("/silent-echo").status == 101
        before = memory_of(site)
        sent = until_blocked(client, ping * 1000, most=64 * LIMIT)
        assert sent < 64 * LIMIT
        assert memory_of(site) - before < 4 * LIMIT
        for _ in range(100):
            answer = client.frame()
            assert (answer.first, len(answer.data)) == (0x8A, 125)


def until_blocked(client: RawWebSocket, data: bytes, *, most: int) -> int:
    """Send it again and again until nobody takes any more; how many bytes were taken."""
    sent = 0
    client.sock.settimeout(0.3)
    try:
        while sent < most:
            sent += client.sock.send(memoryview(data)[sent % len(data) :])
    except TimeoutError:
        pass
    client.sock.settimeout(30)
    return sent


# Deflate


def test_an_inflated_message_is_as_long_as_may_be_and_no_longer(site: Site) -> None:
    bomb = deflated(bytes(64 * LIMIT))
    half = deflated(bytes(LIMIT // 2))
    with opened(site, fields=DEFLATE) as client:
        client.send(frame(BINARY, deflated(bytes(LIMIT)), reserved=4))
        assert zlib.decompressobj(-12).decompress(client.frame().data) == bytes(LIMIT)
        before = peak_of(site)
        client.send(frame(BINARY, bomb, reserved=4))
        assert client.frame().code == 1009
    for rest in (deflated(bytes(LIMIT // 2 + 1)), bomb):
        with opened(site, fields=DEFLATE) as client:
            client.send(frame(BINARY, half + b"\0\0\xff\xff", fin=False, reserved=4))
            client.send(frame(CONT, rest))
            assert client.frame().code == 1009
    assert peak_of(site) - before < 8 * LIMIT  # a bomb is 64


def final(data: bytes) -> bytes:
    """Deflated, with a final block (RFC 7692, section 7.2.3.4)."""
    deflate = zlib.compressobj(wbits=-12)
    return deflate.compress(data) + deflate.flush() + b"\0"


@pytest.mark.parametrize("fields", [DEFLATE, DEFLATE[:-2] + "; client_no_context_takeover\r\n"])
def test_a_final_block_ends_nothing_but_its_message(site: Site, fields: str) -> None:
    """zlib would inflate nothing more, and keep what it is given: 100 MB here."""
    with opened(site, fields=fields) as client:
        inflate = zlib.decompressobj(-12)
        for data in (b"Hello", b"Hello", bytes(100_000)):
            for coded in (final(data), deflated(data)):
                client.send(frame(BINARY, coded, reserved=4))
                assert inflate.decompress(client.frame().data + b"\0\0\xff\xff") == data
        client.send(frame(BINARY, final(b"in two "), fin=False, reserved=4))
        client.send(frame(CONT, final(b"streams")))
        assert inflate.decompress(client.frame().data + b"\0\0\xff\xff") == b"in two streams"


def test_nothing_may_follow_a_final_block_in_its_frame(site: Site) -> None:
    with opened(site, fields=DEFLATE) as client:
        client.send(frame(BINARY, final(b"Hello") + b"behind it", reserved=4))
        assert client.frame().code == 1002


@pytest.mark.parametrize("coded", [b"\xff\xff\xff\xff", b"\x07"], ids=["no block", "type 3"])
def test_what_is_not_deflated_is_1002(site: Site, coded: bytes) -> None:
    with opened(site, fields=DEFLATE) as client:
        client.send(frame(BINARY, coded, reserved=4))
        assert client.frame().code == 1002


OFFERS = {
    "": "permessage-deflate",
    "; client_max_window_bits": "client_max_window_bits=12",
    "; server_no_context_takeover; client_no_context_takeover": "no_context_takeover",
    "; server_max_window_bits=9; client_max_window_bits=8": "server_max_window_bits=9",
    "; server_max_window_bits=15": "server_max_window_bits=12",
    "; server_max_window_bits=8": None,
    "; server_max_window_bits=7": None,
    "; server_max_window_bits=16, permessage-deflate": "permessage-deflate",
    "; unknown": None,
    "; server_no_context_takeover=1": None,
    "; server_no_context_takeover; server_no_context_takeover": None,
    "-frame": None,
}


@pytest.mark.parametrize("parameters", OFFERS)
def test_what_is_offered_is_agreed_on_or_not(site: Site, parameters: str) -> None:
    with RawWebSocket(site.address) as client:
        fields = f"Sec-WebSocket-Extensions: permessage-deflate{parameters}\r\n"
        answer = client.open("/silent-echo", fields)
        assert answer.status == 101
        agreed = answer.fields.get("sec-websocket-extensions")
        expected = OFFERS[parameters]
        assert agreed is None if expected is None else expected in str(agreed)
        for _ in range(2):
            if agreed:
                client.send(frame(TEXT, deflated(b"said"), reserved=4))
                assert client.frame().first == 0xC1
            client.send(frame(TEXT, b"said"))
            assert client.frame().first == (0xC1 if agreed else 0x81)


@pytest.mark.parametrize("model", MODELS)
def test_deflate_can_be_switched_off(model: str) -> None:
    with (
        hosting(websocket_sample.app, websocket_deflate=False, **MODELS[model]) as site,
        RawWebSocket(site.address) as client,
    ):
        answer = client.open("/silent-echo", DEFLATE)
        assert "sec-websocket-extensions" not in answer.fields
        client.send(frame(TEXT, b"plain"))
        assert client.frame().data == b"plain"
        client.send(frame(TEXT, deflated(b"x"), reserved=4))
        assert client.frame().code == 1002


# In every pair


@pairs()
def test_nothing_is_lost_and_little_is_taken_ahead(pair: dict[str, Any]) -> None:
    settings: dict[str, Any] = {
        "websocket_message_bytes": LIMIT,
        "websocket_queue_bytes": 65536,
        **pair,
    }
    with hosting(websocket_sample.app, **settings) as site:
        with RawWebSocket(site.address) as client:
            early = frame(PING, b"early") + frame(TEXT, b"one") + frame(TEXT, b"tw", fin=False)
            assert client.open("/echo", then=early).status == 101
            client.send(frame(CONT, b"o"))
            assert [client.frame().data for _ in range(3)] == [b"early", b"one", b"two"]
            client.send(frame(TEXT, b"unfinished", fin=False) + closing(1001))
            assert client.frame().code == 1001
            assert client.at_end()
        site.notes.until('["websocket.disconnect", 1001, ""]')
        with RawWebSocket(site.address) as client:
            check_backpressure(site, client)


def check_backpressure(site: Site, client: RawWebSocket) -> None:
    """A client that sends what it can to an application that does not listen yet."""
    gate = site.gate("slow")
    client.sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 65536)
    assert client.open("/slow-reader", DEFLATE).status == 101
    site.notes.until("waiting")
    before = memory_of(site)
    message = frame(BINARY, deflated(bytes(LIMIT)), reserved=4)
    client.send(message * 30)
    plain = frame(BINARY, bytes(LIMIT))
    count, sent = divmod(until_blocked(client, plain, most=30 * LIMIT), len(plain))
    assert count < 10
    assert memory_of(site) - before < 14 * LIMIT  # and not 30
    open_gate(gate)
    client.send(plain[sent:])
    client.send(frame(BINARY))
    inflate = zlib.decompressobj(-12)
    total = inflate.decompress(client.frame().data + b"\0\0\xff\xff")
    assert int(total) == (30 + count + 1) * LIMIT


def memory_of(site: Site) -> int:
    """Of the largest process of the server, in memory now: bytes."""
    return largest(site, "VmRSS")


def peak_of(site: Site) -> int:
    """Of the one that was the largest ever."""
    return largest(site, "VmHWM")


def largest(site: Site, name: str) -> int:
    sizes = []
    for pid in processes_of_tree(site.server.pid):
        status = Path(f"/proc/{pid}/status").read_text()
        sizes += [int(x.split()[1]) for x in status.splitlines() if x.startswith(name)]
    return max(sizes) * 1024
