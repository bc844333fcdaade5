"""A `send` that an application gives up (asyncio.wait_for) cuts nothing: once it has begun it
goes to its end, and what comes later comes behind it."""

from __future__ import annotations

from collections.abc import Iterator
from http.client import HTTPResponse, IncompleteRead
from typing import Any

import pytest

from applications.asgi.cancelled import FIRST, SECOND, THIRD, app
from support.every_pair import pairs
from support.servers.embedded import Site, hosting
from support.websocket.raw import handshake
from support.wire import Wire

Pair = dict[str, Any]


@pytest.fixture
def site(pair: Pair) -> Iterator[Site]:
    with hosting(app, **pair) as site:
        yield site


def asked(
    site: Site, path: str, notes: list[str], method: str = "GET"
) -> tuple[HTTPResponse, Wire]:
    """The response as Python's own client sees it, once the application has given up."""
    wire = site.wire(receive_buffer=65536)
    wire.put(path)
    for note in notes:
        assert site.notes.next() == note
    response = HTTPResponse(wire.sock, method=method)
    response.begin()
    return response, wire


CASES: dict[str, tuple[list[str], bytes]] = {
    "in_chunks": (["given up", "given up"], FIRST + THIRD),
    "with_length": (["given up"], FIRST + THIRD),
    "a_file": (["given up"], FIRST + THIRD),
    "the_last": (["given up"], FIRST),
    "by_its_task": (["given up"], FIRST + THIRD),
}


@pairs()
def test_what_has_begun_is_sent_to_its_end(pair: Pair, site: Site) -> None:
    for path, (notes, whole) in CASES.items():
        response, wire = asked(site, f"/{path}", notes)
        with wire, response:
            assert response.read() == whole, path
            if not response.will_close:
                assert wire.ask("/plain").body == b"plain", path  # still in step
    response, wire = asked(site, "/with_length_and_a_gap", ["given up", "given up"])
    with wire, response, pytest.raises(IncompleteRead) as cut:
        response.read()
    assert cut.value.partial in (FIRST, FIRST + THIRD)
    assert "Traceback" not in site.log


def frames(wire: Wire) -> Iterator[tuple[int, bytes]]:
    """RFC 6455, section 5.2, by hand."""
    while True:
        first, length = wire.exactly(2)
        if length > 125:
            length = int.from_bytes(wire.exactly(2 if length == 126 else 8))
        yield first, wire.exactly(length)


def large_field(wire: Wire) -> bytes:
    """The last field of a head; `Wire.head` would look for its end again and again."""
    rest = wire._until(b"x-large: ")
    assert rest.endswith(b"\r\nx-large: ")
    value = wire.exactly(len(FIRST))
    assert wire.exactly(4) == b"\r\n\r\n"
    return value


@pairs()
def test_frames_are_sent_to_their_end(pair: Pair, site: Site) -> None:
    with site.wire(receive_buffer=65536) as wire:
        handshake(wire, "/messages")
        for _ in range(2):
            assert site.notes.next() == "given up"
        assert wire.head().status == 101
        came = frames(wire)
        assert next(came) == (0x82, FIRST)
        following = next(came)
        if following == (0x82, SECOND):  # or its turn never came
            following = next(came)
        assert following == (0x81, b"third")
        assert next(came) == (0x88, b"\x03\xe8")
    with site.wire(receive_buffer=65536) as wire:
        handshake(wire, "/acceptance")
        assert site.notes.next() == "given up"
        assert wire.exactly(12) == b"HTTP/1.1 101"
        assert large_field(wire) == FIRST
        came = frames(wire)
        assert next(came) == (0x81, b"third")
        assert next(came) == (0x88, b"\x03\xe8")
    with site.wire(receive_buffer=65536) as wire:
        handshake(wire, "/denial")
        assert site.notes.next() == "given up"
        response = HTTPResponse(wire.sock, method="GET")
        response.begin()
        assert (response.status, response.read()) == (403, FIRST)
    assert "Traceback" not in site.log
