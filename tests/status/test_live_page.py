"""The live page in a browser: one row for each connection and thread, from the network nothing
else, in light and dark, on a desk and on a phone; and what it costs when viewers are many."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, expect

from fivefold.processes.census import Census
from fivefold.status.live import looking
from fivefold.status.live.looking import MOST_VIEWERS, LivePage, rest_s
from support.chromium import complaints_of, needs_chromium
from support.client import Client
from support.page_layout import READABLE, unreadable
from support.servers.deployed import Deployed, deployed, until
from support.status_client import tcp_address

PHONE, TABLET, DESK = 400, 800, 1400
"""Widths of windows, in pixels of CSS."""

APPLICATION = """
import pathlib, time

def app(environ, start_response):
    while environ["PATH_INFO"] == "/slow" and not pathlib.Path("done").exists():
        time.sleep(0.01)
    start_response("200 OK", [])
    return [b"ok"]
"""


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Deployed]:
    (tmp_path / "watched.py").write_text(APPLICATION)
    arguments = "watched:app", "--serving", "thread", "--status", "127.0.0.1:0"
    with deployed(tmp_path, *arguments) as server:
        yield server
        (tmp_path / "done").touch()
        assert server.stop() == 0


@needs_chromium
def test_the_page_shows_what_the_server_does(browser: Browser, server: Deployed) -> None:
    host, port = tcp_address(server)
    page = browser.new_page(viewport={"width": PHONE, "height": 800}, color_scheme="dark")
    page.set_default_timeout(60_000)
    complaints = complaints_of(page)
    with Client(server.address) as client:
        long = b"&x=" + b"y" * 300
        client.send(b"GET /slow?<b>=1%b HTTP/1.1\r\nHost: a\r\n\r\n" % long)
        page.goto(f"http://{host}:{port}/")
        row = page.locator("#connections tr").filter(has_text="/slow?<b>=1")
        expect(row).to_contain_text("in the application", timeout=60_000)
        expect(page.locator("#lanes tr").filter(has_text="fivefold-trace")).not_to_have_count(0)
        expect(page.locator("#workers")).to_have_text("1 of 1")
        expect(page.locator("#active")).to_have_text("1")
        expect(page.locator("#says")).to_have_text("live, once a second")
        for width in (PHONE, TABLET, DESK):
            page.set_viewport_size({"width": width, "height": 800})
            assert page.evaluate("document.documentElement.scrollWidth") <= width
            assert unreadable(page) == READABLE, width
        deaf = "show({...before, at: before.at + 1, deaf: [77]})"
        says = page.evaluate(f"({deaf}, by('says').textContent)")
        assert "process 77 gives no answer" in says
    dark = page.evaluate("getComputedStyle(document.body).backgroundColor")
    page.emulate_media(color_scheme="light")
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") != dark
    assert complaints == []
    page.close()


def test_viewers_have_a_limit_and_leave_when_they_close(server: Deployed) -> None:
    address = tcp_address(server)
    ask = b"GET /events HTTP/1.1\r\nHost: a\r\n\r\n"
    viewers = [Client(address) for _ in range(MOST_VIEWERS)]
    for viewer in viewers:
        viewer.send(ask)
        assert viewer.exactly(15) == b"HTTP/1.1 200 OK"
    with Client(address) as further:
        assert further.get("/events").status == 503
    with Client(address) as monitor:
        assert monitor.get("/health/ready").status == 200
    for viewer in viewers:
        viewer.sock.close()

    def has_room() -> bool:
        with Client(address) as client:
            client.send(ask)
            return client.exactly(15) == b"HTTP/1.1 200 OK"

    until(has_room, "room for a viewer")


def test_a_viewer_that_gets_no_thread_takes_no_place(monkeypatch: pytest.MonkeyPatch) -> None:
    page = LivePage("title", {}, Census(), {}, os.getpid())

    def refuses(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", refuses)
    nobody: Any = None
    for _ in range(MOST_VIEWERS + 1):
        with pytest.raises(RuntimeError, match="new thread"):
            page.events(nobody).send(None)


def test_a_process_that_gives_no_answer_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    answers = {"pid": 1, "name": "worker 1", "threads": [], "connections": [], "raw": None}
    found = [answers, answers | {"pid": 2, "raw": "Current thread"}]
    monkeypatch.setattr(looking, "inspected", lambda _: found)
    page = LivePage("title", {}, Census(), {}, os.getpid())
    assert page._look()["deaf"] == [2]


def test_many_connections_are_looked_at_less_often() -> None:
    assert rest_s(0, 0) == rest_s(1000, 1) == rest_s(4000, 4) == 0
    assert rest_s(10_000, 1) == pytest.approx(7.0)
