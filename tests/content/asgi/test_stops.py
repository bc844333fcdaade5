"""A server that stops: who is told, who may go on, and what comes last."""

from __future__ import annotations

from contextlib import ExitStack
from socket import SHUT_WR
from typing import Any

import pytest

from applications.asgi import stops as asgi_stops
from support.every_pair import pairs
from support.servers.embedded import Site, hosting, open_gate
from support.servers.left_behind import Files, kept
from support.websocket.library import closed_by, opened
from support.websocket.raw import handshake
from support.wire import Wire

Pair = dict[str, Any]


def begun(site: Site, path: str) -> Wire:
    wire = site.wire()
    wire.put(path)
    wire.head()
    assert wire.chunk() == b"begun"
    return wire


def last_is_the_shutdown(files: Files, *others: str) -> None:
    """Of the application: each process of the pool has a shutdown of its own."""
    recorded = [line for line in files.record if line != "shutdown"]
    assert sorted(recorded) == sorted(others)
    assert files.record[-1] == "shutdown"


@pairs()
def test_a_stream_sees_the_stop_and_may_end(pair: Pair) -> None:
    with kept() as files:
        with hosting(asgi_stops.app, **pair, prepare=files.keep) as site:
            wire = begun(site, "/stream")
            site.terminate()
            with wire:
                assert wire.chunk() == b"end"
                assert wire.chunks() == []
                wire.sock.shutdown(SHUT_WR)  # else it would have a moment for another request
                assert wire.at_end()
        last_is_the_shutdown(files, "told")
        assert files.log == ""


@pairs(overlapping=True)
def test_who_is_in_the_middle_of_something(pair: Pair) -> None:
    """Answers are finished, work behind them as well; websockets are told at once."""
    with kept() as files, ExitStack() as clients:
        with hosting(asgi_stops.app, **pair, prepare=files.keep) as site:
            gates = {name: site.gate(name) for name in ("slow", "background", "late", "behind")}
            slow, accepted, handshaking = (clients.enter_context(site.wire()) for _ in range(3))
            assert accepted.ask("/background").body == b"accepted"
            slow.put("/slow")
            site.notes.until("called")
            talking = clients.enter_context(opened(site, "/talk"))
            talking.send("there")
            assert talking.recv(timeout=30) == "there"
            behind = clients.enter_context(opened(site, "/behind", compression=None))
            site.notes.until("called")
            behind.send(b"one that is there when the server stops")
            assert behind.ping().wait(30)  # its reader has come so far
            for _ in range(40):
                behind.send(b"more than is read ahead")
            handshake(handshaking, "/late")
            site.notes.until("called")
            site.terminate()
            assert closed_by(talking)[0] == 1012
            assert closed_by(behind)[0] == 1012
            for gate in gates.values():
                open_gate(gate)
            assert slow.answer().body == b"whole"
            assert handshaking.head().status == 101
            assert handshaking.exactly(4)[2:] == (1012).to_bytes(2)
            for done in (accepted, slow, handshaking):
                done.sock.shutdown(SHUT_WR)  # else it would have a moment for something else
        last_is_the_shutdown(files, "answered", "worked", "code-1012", "late-1012", "behind-1012")
        assert files.log == ""


@pairs()
def test_what_does_not_end_is_cut_and_said(pair: Pair) -> None:
    """By a cancellation, before the lifespan takes away what it uses."""
    with kept() as files:
        with hosting(asgi_stops.app, grace_s=0.3, **pair, prepare=files.keep) as site:
            wire = begun(site, "/deaf")
            site.terminate()
            with wire, pytest.raises((EOFError, ConnectionResetError)):
                wire.chunk()
        last_is_the_shutdown(files, "cancelled", "released")
        assert "cancelled" in files.log
        assert "Traceback" not in files.log
