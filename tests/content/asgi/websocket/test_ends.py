"""Whatever ends a websocket: its application is told, and its connection is given back."""

from __future__ import annotations

import json
from socket import SHUT_WR
from typing import Any

from applications.asgi import websocket_ends
from support.every_pair import pairs
from support.servers.embedded import Site, hosting
from support.websocket.library import opened
from support.websocket.raw import handshake
from support.wire import Wire

Pair = dict[str, Any]

DEFLATE = (
    "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Extensions: permessage-deflate\r\n"  # RFC 7692
)

NO_DEFLATE = "Sec-WebSocket-Version: 13\r\n"


def agreed(site: Site, path: str, fields: str = DEFLATE) -> Wire:
    wire = site.wire()
    handshake(wire, path, fields)
    assert wire.head().status == 101
    return wire


def masked(opcode: int, data: bytes, *, first: int = 0x80) -> bytes:
    """A frame as RFC 6455, section 5.2, draws it; `first`: its FIN and reserved bits."""
    length = bytes([0x80 | len(data)]) if len(data) < 126 else b"\xfe" + len(data).to_bytes(2)
    return bytes([first | opcode]) + length + bytes(4) + data


BREAKING: dict[str, tuple[bytes, int]] = {
    "no mask": (b"\x81\x04bare", 1002),
    "reserved opcode": (masked(3, b""), 1002),
    "reserved bit": (masked(1, b"", first=0x90), 1002),
    "close of one byte": (masked(8, b"\x03"), 1002),
    "close with a code that is none": (masked(8, (999).to_bytes(2)), 1002),
    "long ping": (masked(9, bytes(126)), 1002),
    "continuation of nothing": (masked(0, b"x"), 1002),
    "no deflate": (masked(2, b"\xff" * 9, first=0xC0), 1002),
    "no UTF-8": (masked(1, b"\xff"), 1007),
    "too large": (masked(2, bytes(1001)), 1009),
    "too large in fragments": (masked(2, bytes(600), first=0) + masked(0, bytes(600)), 1009),
}


@pairs()
def test_an_end_is_reported_with_its_code(pair: Pair) -> None:
    with hosting(
        websocket_ends.app, websocket_message_bytes=1000, max_connections=1, **pair
    ) as site:
        for name, (data, code) in BREAKING.items():
            with agreed(site, "/echo") as wire:
                wire.send(data)
                frame = wire.exactly(4)
                assert (frame[0], int.from_bytes(frame[2:])) == (0x88, code), name
            assert json.loads(site.notes.next()) == ["websocket.disconnect", code], name
        agreed(site, "/echo").leave()
        assert json.loads(site.notes.next()) == ["websocket.disconnect", 1006]
        agreed(site, "/echo").sock.close()
        assert json.loads(site.notes.next()) == ["websocket.disconnect", 1006]
        wire = site.wire()
        handshake(wire, "/closed_in_handshake")
        site.notes.until("called")
        wire.sock.close()
        assert json.loads(site.notes.next()) == ["websocket.disconnect", 1006]
        assert site.notes.next() == "OSError"
        assert not said(site)
        # What an engine or the system may say, and nobody has foreseen.
        with agreed(site, "/broken") as wire:
            wire.send(masked(1, b"wakes its receive"))
            assert json.loads(site.notes.next()) == ["websocket.disconnect", 1006]
            assert ended(wire)
        assert site.log.count("Input/output error\n") == 1
        assert site.log.count("the websocket at /broken failed\n") == 1
        assert answered(site)


def said(site: Site) -> list[str]:
    """The lines of the log, without that of a server which has all the connections it may."""
    return [line for line in site.log.splitlines() if "as many as can be" not in line]


def ended(wire: Wire) -> bool:
    """Whether the server closes now, by whatever means, after whatever it has sent."""
    try:
        wire.to_the_end()
    except ConnectionResetError:
        pass  # something of ours was not read any more
    return True


def answered(site: Site) -> bool:
    with site.wire() as wire:
        return wire.ask("/plain").body == b"plain"


@pairs()
def test_leavers_keep_nobody_out(pair: Pair) -> None:
    """Their applications go on waiting; of connections there is one."""
    with hosting(websocket_ends.app, max_connections=1, grace_s=0.2, **pair) as site:
        for path in ("/mute", "/deaf", "/denying"):
            for leave in (Wire.leave, lambda wire: wire.sock.close()):
                wire = site.wire()
                handshake(wire, path)
                site.notes.until("called")
                leave(wire)
        assert answered(site)
        wire = site.wire()
        handshake(wire, "/closed_in_handshake")
        site.notes.until("called")
        wire.sock.close()
        assert json.loads(site.notes.next()) == ["websocket.disconnect", 1006]
        assert site.notes.next() == "OSError"
        with opened(site, "/going_on"):
            pass
        assert [site.notes.next(), site.notes.next()] == ["OSError", "went on"]
        for leave in (Wire.leave, lambda wire: wire.sock.close()) * 2:
            wire = agreed(site, "/listening_apart", NO_DEFLATE)
            assert wire.exactly(2)[0] == 0x82
            leave(wire)
            # It is the listening task's to say what becomes of the other.
            assert site.notes.next() == "websocket.disconnect, CancelledError"
        assert answered(site)
        assert not said(site)


@pairs()
def test_a_client_that_ends_its_side_while_the_application_sends(pair: Pair) -> None:
    """The application hears of it although what it sends is not taken, and sends no more."""
    heard = json.dumps(["websocket.disconnect", 1006])
    notes = []
    with hosting(websocket_ends.app, **pair) as site:
        with agreed(site, "/sending", NO_DEFLATE) as wire:
            assert wire.exactly(2)[0] == 0x82  # the first message is on its way
            wire.sock.shutdown(SHUT_WR)
            if pair["io"] != "blocking":  # which reads nothing while it sends
                notes.append(site.notes.next())
                assert notes == [heard]
            assert ended(wire)
        while len(notes) < 2:
            notes.append(site.notes.next())
        assert set(notes) == {heard, "OSError"}
        assert not said(site)
