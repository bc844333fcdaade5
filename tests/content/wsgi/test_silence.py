"""Clients that leave while an application yields b"", and clients that only seem to."""

from __future__ import annotations

import socket
from typing import Any

import pytest

from applications.wsgi import trouble as wsgi_trouble
from fivefold.content.wsgi import silence
from support.every_pair import pairs
from support.servers.embedded import WSGI_WAYS, Site, hosting
from support.wire import Wire

Pair = dict[str, Any]

ZERO = b"0"
"""The first digit of the next chunk's size: a client that is there goes on reading."""


@pytest.fixture(autouse=True)
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(silence, "PEEK_S", 0.02)
    monkeypatch.setattr(silence, "PATIENCE_S", 0.05)


def waiting(site: Site, query: str = "", **request: Any) -> Wire:
    wire = site.wire()
    wire.put(f"/not-ready?{query}", **request)
    if query.startswith("begun"):
        wire.head()
    else:
        site.notes.until("called")
    return wire


LEAVERS: list[tuple[str, dict[str, Any]]] = [
    ("", {}),
    ("begun", {}),
    ("begun,sized", {}),
    ("", {"minor": 0}),
    ("", {"method": "POST", "body": b"12345"}),
]


@pairs()
def test_an_iterator_that_yields_nothing_ends_with_its_client(pair: Pair) -> None:
    with hosting(wsgi_trouble.app, max_connections=1, **pair) as site:
        for query, request in LEAVERS:
            waiting(site, query, **request).sock.close()
            site.notes.until("closed")
        waiting(site).leave()
        site.notes.until("closed")
        with site.wire() as wire:
            assert wire.ask("/here").status == 200
        assert "failed" not in site.log


@pytest.mark.parametrize("way", WSGI_WAYS)
def test_a_client_that_has_only_said_all_gets_the_whole_answer(way: str) -> None:
    with hosting(wsgi_trouble.app, **WSGI_WAYS[way]) as site, waiting(site) as wire:
        wire.sock.shutdown(socket.SHUT_WR)
        assert wire.head().status == 100
        (site.folder / "ready").touch()
        answer = wire.answer()
        assert (answer.status, answer.body) == (201, b"done")


@pytest.mark.parametrize("way", WSGI_WAYS)
def test_in_the_middle_it_gets_the_rest(way: str) -> None:
    with hosting(wsgi_trouble.app, **WSGI_WAYS[way]) as site, site.wire() as wire:
        wire.put("/not-ready?begun")
        wire.head()
        assert wire.chunk() == b"begun"
        wire.sock.shutdown(socket.SHUT_WR)
        assert wire.sock.recv(1) == ZERO
        (site.folder / "ready").touch()
        assert wire.chunks() == [b"done"]


@pytest.mark.parametrize("way", WSGI_WAYS)
def test_one_that_stays_is_asked_nothing(way: str) -> None:
    with hosting(wsgi_trouble.app, **WSGI_WAYS[way]) as site, waiting(site) as wire:
        wire.sock.settimeout(0.2)
        with pytest.raises(TimeoutError):
            wire.sock.recv(1)
        wire.sock.settimeout(30)
        (site.folder / "ready").touch()
        assert wire.answer().body == b"done"
