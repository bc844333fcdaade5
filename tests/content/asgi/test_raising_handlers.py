"""The edge of an ASGI application: whatever it raises, and whenever, takes its own call only."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from websockets.exceptions import InvalidStatus

from applications.asgi import trouble as asgi_trouble
from support.every_pair import pairs
from support.servers.embedded import MODELS, Site, hosting
from support.websocket.library import closed_by, opened

Pair = dict[str, Any]


@pytest.fixture(scope="module", params=MODELS)
def site(request: pytest.FixtureRequest) -> Iterator[Site]:
    with hosting(asgi_trouble.app, **MODELS[request.param]) as site:
        yield site


def ask(site: Site, path: str) -> tuple[int, bytes]:
    """On a connection of its own: its status, and what came of its body."""
    with site.wire() as wire:
        wire.put(path, fields="Connection: close\r\n")
        head = wire.head()
        return head.status, wire.to_the_end()


def fails(site: Site, path: str, moment: str) -> None:
    before = site.log.count("the application failed at")
    status, body = ask(site, path)
    if moment == "begun":
        assert (status, body) == (200, b"5\r\nbegun\r\n")  # no last chunk
    else:
        assert status == 500
        assert b"secret" not in body
    assert ask(site, "/")[0] == 200
    assert site.log.count("the application failed at") == before + 1


@pytest.mark.parametrize("moment", asgi_trouble.MOMENTS)
@pytest.mark.parametrize("kind", asgi_trouble.KINDS)
def test_whatever_a_handler_raises_is_500_and_one_traceback(
    site: Site, kind: str, moment: str
) -> None:
    fails(site, f"/raise?{kind}&{moment}", moment)
    entry = site.log[site.log.rindex("the application failed at /raise\n") :]
    assert entry.count("Traceback") >= 1
    assert type(asgi_trouble.KINDS[kind]).__name__ in entry


@pairs()
def test_whatever_a_handler_raises_in_every_pair(pair: Pair) -> None:
    with hosting(asgi_trouble.app, **pair) as site:
        for kind in ("cancelled", "keyboard", "exit", "generator", "own"):
            for moment in ("first", "begun"):
                fails(site, f"/raise?{kind}&{moment}", moment)


@pytest.mark.parametrize("kind", asgi_trouble.KINDS)
def test_whatever_a_websocket_raises_is_500_or_1011(site: Site, kind: str) -> None:
    before = site.log.count("the application failed at /ws")
    for moment in ("first", "later"):
        with pytest.raises(InvalidStatus) as refused, opened(site, f"/ws?{kind}&{moment}"):
            pass
        assert refused.value.response.status_code == 500
    with opened(site, f"/ws?{kind}&begun") as client:
        client.send("now")
        assert closed_by(client)[0] == 1011
    assert ask(site, "/")[0] == 200
    assert site.log.count("the application failed at /ws") == before + 3


def test_what_its_own_tasks_raise_ends_nothing(site: Site) -> None:
    with site.wire() as bystander:
        first = bystander.ask("/").body
        for _ in range(2):
            assert ask(site, "/orphans") == (200, b"alive")
        assert bystander.ask("/").body == first  # the same process, the same connection


def test_a_handler_may_swallow_cancellations(site: Site) -> None:
    with site.wire() as wire:
        assert wire.ask("/stubborn").body == b"swallowed 3"
        assert wire.ask("/").status == 200


def test_a_scope_that_was_emptied_is_no_trouble_for_the_log(site: Site) -> None:
    fails(site, "/changed", "first")


def test_a_line_of_the_log_cannot_be_forged(site: Site) -> None:
    target = "/raise%0aforged%1b[31m?exception&first"
    fails(site, target, "first")
    with site.wire() as wire:
        wire.send(b"GET /raise\\\x22?exception&first HTTP/1.1\r\nHost: t\r\n\r\n")
        assert wire.answer().status == 500
    assert "\nforged" not in site.log
    assert "\x1b" not in site.log
    assert "failed at /raise%0aforged%1b[31m\n" in site.log
    assert "failed at /raise\\x5C\\x22\n" in site.log


@pytest.mark.parametrize("model", MODELS)
def test_an_application_that_is_no_coroutine_function(model: str) -> None:
    with hosting(asgi_trouble.plain, interface="asgi", **MODELS[model]) as site:
        for path in ("/sync", "/none"):
            fails(site, path, "first")
        with site.wire() as wire:
            assert wire.ask("/future").body == b"a future"
