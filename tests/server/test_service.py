"""SIGHUP reads the configuration again: new workers have what is new, or nothing is changed."""

from __future__ import annotations

import signal
from dataclasses import fields
from pathlib import Path

import pytest

from fivefold import Settings
from fivefold.server.service import KEPT, with_kept
from fivefold.server.settings import FIELDS, FILE_ONLY, GROUPS
from fivefold.serving import MODELS
from support.client import Client
from support.servers.deployed import Deployed, asked_at, deployed, until

SHOP = """
def first(environ, start_response):
    start_response("200 OK", [])
    return [b"first"]

def second(environ, start_response):
    start_response("201 Created", [])
    return [b"second"]

async def other(scope, receive, send):
    raise NotImplementedError
"""


REREAD = {
    *("target", "chdir", "env_file", "host", "mount", "auth", "root_path"),
    *("trusted_proxies", "forwarded_fields", "proxy_protocol"),
    *("fresh", "max_connections", "inline", "threads", "slow_request_s", "request_timeout_s"),
    *("lifespan", "websocket_deflate", "asgi_extensions"),
    *("access_log", "access_log_format", "server_timing", "otel"),
    *(
        each.name
        for name in ("limits", "rules", "recycling", "http2")
        for each in fields(GROUPS[name])
    ),
}
"""What only workers are made of."""


def test_every_setting_is_read_again_or_needs_another_server() -> None:
    """A new one is to be put on one of the two lists."""
    assert {*FIELDS, *FILE_ONLY} == KEPT | REREAD
    assert not KEPT & REREAD


def reread(server: Deployed, text: str, words: str) -> None:
    """Until the log says so: a word more than before."""
    before = server.log.count(words)
    (server.folder / "server.toml").write_text(text)
    server.process.send_signal(signal.SIGHUP)
    server.said(words, before + 1)


def answer(server: Deployed) -> tuple[bytes, bool]:
    """The body, and whether it says how long it took."""
    with Client(server.address) as client:
        got = client.get("/")
    return got.body, "server-timing" in got.fields


def until_served(socket: Path, status: bytes) -> None:
    """A worker that is about to leave may take a last connection."""
    until(lambda: asked_at(socket, "/") == status, f"{status!r} at {socket.name}")


RELOADED = "reloaded: all workers are new"
UNCHANGED = "nothing is changed, and the workers stay"


@pytest.mark.parametrize("serving", MODELS)
def test_new_workers_have_the_new_settings_and_a_broken_file_changes_nothing(
    serving: str, tmp_path: Path
) -> None:
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "index.html").write_text(name)
    (tmp_path / "server.toml").write_text('target = "one"\nlog_level = "info"\n')
    arguments = ("--config", "server.toml", "--serving", serving)
    with deployed(tmp_path, *arguments) as server:
        assert answer(server) == (b"one", False)
        changed = 'target = "two"\nserver_timing = true\nlog_level = "debug"\n'
        reread(server, changed, RELOADED)
        until(lambda: answer(server) == (b"two", True), "an answer of a new worker")
        assert "new workers have other settings: server_timing, target\n" in server.log
        assert "SIGHUP: log_level: a change needs SIGUSR2, and is left out\n" in server.log
        reread(server, 'target = "two"\nserver_timing = yes\n', UNCHANGED)
        assert f"config: {tmp_path}/server.toml is not TOML: " in server.log
        assert "(at line 2, column 17)" in server.log
        reread(server, 'target = "three"\n', UNCHANGED)
        assert "three" in server.log
        assert server.log.count("new workers have other settings") == 1
        assert f"(key target in {tmp_path}/server.toml)" in server.log
        assert server.log.count("reloading (SIGHUP)") == 1
        until(lambda: answer(server) == (b"two", True), "an answer of a new worker")
        assert server.stop() == 0


def test_services_are_reread_one_by_one_and_an_application_stays_of_its_kind(
    tmp_path: Path,
) -> None:
    (tmp_path / "shop.py").write_text(SHOP)
    table = '[[serve]]\ntarget = "shop:{}"\nbind = "unix:{}"\n'
    other = table.format("first", "other")
    (tmp_path / "server.toml").write_text(table.format("first", "own") + other)
    with deployed(tmp_path, "--config", "server.toml", bind="") as server:
        server.said("listening on unix:other")
        reread(server, table.format("second", "own") + other, RELOADED)
        until_served(tmp_path / "own", b"201")
        assert asked_at(tmp_path / "other", "/") == b"200"
        reread(server, other, UNCHANGED)
        assert "serve: services with other addresses need SIGUSR2" in server.log
        reread(server, table.format("other", "own") + other, "shop:other is asgi now, and was wsgi")
        until_served(tmp_path / "own", b"201")
        reread(server, table.format("first", "own") + other, RELOADED)
        until_served(tmp_path / "own", b"200")
        assert server.stop() == 0


def test_what_needs_another_supervisor_stays_also_within_groups() -> None:
    old = Settings.of({"target": "one", "workers": 2, "grace_s": 5.0})
    new = Settings.of({"target": "two", "workers": 3, "grace_s": 6.0, "head_s": 7.0})
    expected = {"target": "two", "workers": 2, "grace_s": 5.0, "head_s": 7.0}
    assert with_kept(new, old) == Settings.of(expected)
