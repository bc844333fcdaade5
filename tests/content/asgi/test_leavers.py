"""Clients that leave while a handler waits, and clients that only seem to."""

from __future__ import annotations

import os
import socket
from pathlib import Path
from typing import Any

import pytest

from applications.asgi import leavers as asgi_leavers
from support.every_pair import pairs
from support.servers.embedded import ASYNC, MODELS, Site, hosting, open_gate
from support.wire import Wire

Pair = dict[str, Any]

SHORT_S = 0.2
"""The grace of a server whose handlers wait for ever: what it would wait for at its stop."""

CHUNK = b"5\r\nbegun\r\n"


@pytest.fixture(params=MODELS)
def model(request: pytest.FixtureRequest) -> dict[str, Any]:
    return MODELS[request.param]


def waiting(site: Site, path: str, **request: Any) -> Wire:
    """A client whose handler waits."""
    wire = site.wire()
    wire.put(path, **request)
    if path == "/silent":
        site.notes.until("called")
    else:
        wire.head()
        wire.exactly(5)
    return wire


def served(site: Site) -> bool:
    with site.wire() as wire:
        return wire.ask("/plain").body == b"plain"


LEAVERS: list[tuple[str, dict[str, Any]]] = [
    ("/begun", {}),
    ("/silent", {}),
    ("/sized", {}),
    ("/begun", {"minor": 0}),
    ("/silent", {"minor": 0}),
    ("/begun", {"method": "POST", "fields": "Content-Length: 5\r\n"}),
    ("/silent", {"method": "POST", "body": b"12345"}),
]
"""Handlers that never listen; bodies that have come, and one that has not."""


@pairs()
def test_leavers_keep_nobody_out(pair: Pair) -> None:
    """More of them than connections: each must give its connection back."""
    with hosting(asgi_leavers.app, max_connections=6, grace_s=SHORT_S, **pair) as site:
        for path, request in LEAVERS:
            waiting(site, path, **request).sock.close()
        for path in ("/begun", "/silent"):
            waiting(site, path).leave()
        assert served(site)


def test_a_leaver_behind_bytes_that_nobody_reads(model: dict[str, Any]) -> None:
    """What came of the next request hides the end of the stream."""
    with hosting(asgi_leavers.app, max_connections=1, grace_s=SHORT_S, **model) as site:
        with waiting(site, "/begun") as wire:
            wire.send(b"x" * 100_000)
        assert served(site)


@pytest.mark.parametrize("model", MODELS)
def test_leavers_at_a_unix_socket(model: str, tmp_path: Path) -> None:
    path = tmp_path / "socket"
    bind = ("127.0.0.1:0", f"unix:{path}")
    with hosting(
        asgi_leavers.app, bind=bind, max_connections=2, grace_s=SHORT_S, **MODELS[model]
    ) as site:
        for target in (b"begun", b"silent", b"sized", b"begun"):
            with socket.socket(socket.AF_UNIX) as sock:
                sock.connect(os.fspath(path))
                sock.sendall(b"GET /%b HTTP/1.1\r\nHost: t\r\n\r\n" % target)
                if target == b"silent":
                    site.notes.until("called")
                else:
                    sock.recv(1)
        assert served(site)


@pairs()
def test_an_application_that_listens_sees_it(pair: Pair) -> None:
    with hosting(asgi_leavers.app, **pair) as site:
        for _ in range(2):
            waiting(site, "/listening").sock.close()
            assert site.notes.next() == "http.disconnect"
        assert served(site)
        assert not site.log


@pairs()
def test_who_sends_is_not_cut_by_an_error_where_another_task_listens(pair: Pair) -> None:
    """It is the listening task's to say what becomes of the other: Django closes a response whose
    sender it has cancelled, and not one whose sender has failed."""
    with hosting(asgi_leavers.app, **pair) as site:
        for turn in range(10):
            wire = waiting(site, "/listening_apart")
            wire.leave() if turn % 2 else wire.sock.close()
            assert site.notes.next() == "http.disconnect, CancelledError"
        assert served(site)
        assert not site.log


def test_who_sends_on_is_ended_by_an_error_after_all(model: dict[str, Any]) -> None:
    with hosting(asgi_leavers.app, **model) as site:
        waiting(site, "/heedless").sock.close()
        assert site.notes.next() == "ClientLeft"
        assert served(site)


def test_a_handler_goes_on_without_its_client() -> None:
    with hosting(asgi_leavers.app, max_connections=1, **ASYNC) as site:
        gate = site.gate("gate")
        waiting(site, "/persistent").sock.close()
        assert site.notes.next() == "OSError"
        open_gate(gate)
        assert site.notes.next() == "went on"
        assert served(site)


@pairs()
def test_a_client_that_has_only_said_all_gets_the_whole_answer(pair: Pair) -> None:
    """`nc -N`: its FIN comes while the handler works."""
    with hosting(asgi_leavers.app, **pair) as site:
        with site.wire() as wire:
            gates = [site.gate(f"gate{number}") for number in range(3)]
            wire.put("/slow")
            wire.sock.shutdown(socket.SHUT_WR)
            wire.head()
            for gate in gates:
                assert wire.chunk() == b"begun"
                open_gate(gate)
            assert wire.chunk() == b"end"
            assert wire.chunks() == []
            assert wire.at_end()
        with site.wire() as wire:
            gate = site.gate("gate")
            wire.put("/slow_to_begin")
            wire.sock.shutdown(socket.SHUT_WR)
            site.notes.until("called")
            open_gate(gate)
            assert wire.answer().body == b"1234567890" * 10
        with site.wire() as wire:
            wire.send(
                b"GET /hurried HTTP/1.1\r\nHost: t\r\n\r\nGET /plain HTTP/1.1\r\nHost: t\r\n\r\n"
            )
            wire.sock.shutdown(socket.SHUT_WR)
            assert wire.answer().body == b"all the same"
            assert wire.answer().body == b"plain"  # what it had said before, too


def test_a_client_that_is_asked_whether_it_is_there(model: dict[str, Any]) -> None:
    """After its FIN, and half a second without an answer."""
    with hosting(asgi_leavers.app, **model) as site, site.wire() as wire:
        gate = site.gate("gate")
        wire.put("/slow_to_begin")
        wire.sock.shutdown(socket.SHUT_WR)
        assert wire.head().status == 100
        open_gate(gate)
        assert wire.answer().body == b"1234567890" * 10
        assert wire.at_end()


@pairs(overlapping=True)
def test_work_behind_a_response_holds_no_connection(pair: Pair) -> None:
    with hosting(asgi_leavers.app, **pair) as site, site.wire() as wire:
        gate = site.gate("gate")
        assert wire.ask("/background").body == b"accepted"
        for _ in range(2):
            assert wire.ask("/plain").body == b"plain"
        open_gate(gate)
        assert wire.ask("/plain").body == b"plain"
        assert [site.notes.next(), site.notes.next()] == ["http.disconnect", "RuntimeError"]
        assert wire.ask("/plain").body == b"plain"
        assert "background work fails" in site.log


@pairs()
def test_work_goes_on_when_there_is_no_connection(pair: Pair) -> None:
    with hosting(asgi_leavers.app, **pair) as site:
        for _ in range(2):
            gate = site.gate("gate")
            with site.wire() as wire:
                assert wire.ask("/lasting").body == b"accepted"
            open_gate(gate)
            assert site.notes.next() == "worked"
        assert served(site)


@pytest.mark.parametrize("framework", ["starlette", "fastapi", "quart", "django"])
def test_streams_of_frameworks_end_with_their_client(framework: str, model: dict[str, Any]) -> None:
    request: dict[str, Any] = {}
    if framework == "fastapi":
        fields = "Content-Type: application/json\r\n"
        request = {"method": "POST", "fields": fields, "body": b'{"a": 1}'}
    with hosting(f"applications.asgi.leavers:{framework}()", max_connections=1, **model) as site:
        for _ in range(2):
            wire = site.wire()
            wire.put("/", **request)
            assert wire.head().status == 200
            assert wire.chunk() == b"begun"
            wire.sock.close()
            assert site.notes.next() == "ended"
