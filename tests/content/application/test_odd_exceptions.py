"""Exceptions that fail when they are looked at: 500, and one entry in the log all the same."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from fivefold.serving import MODELS
from support import TESTS
from support.client import Client
from support.servers.deployed import deployed

ODD = Path(TESTS, "applications", "odd_exceptions.py")

APPLICATION = """
import asyncio
from odd_exceptions import ODD, UNSPEAKABLE

KINDS = {kind.__name__: kind for kind in ODD + UNSPEAKABLE}

def fail_at(path):
    if path != "/":
        raise KINDS[path.rpartition("/")[2]]("of the shop")

def wsgi(environ, start_response):
    fail_at(environ["PATH_INFO"])
    start_response("200 OK", [])
    return [b"fine"]

async def asgi(scope, receive, send):
    if scope["type"] == "lifespan":
        await receive()
        fail_at("/Unprintable")
    if scope["path"].startswith("/later/"):
        await asyncio.sleep(0.001)
    fail_at(scope["path"])
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"fine"})
"""

WEBSOCKET = {
    "Connection": "Upgrade",
    "Upgrade": "websocket",
    "Sec_WebSocket_Version": "13",
    "Sec_WebSocket_Key": "AAAAAAAAAAAAAAAAAAAAAA==",
}

WAYS: dict[str, list[tuple[str, dict[str, str]]]] = {
    "wsgi": [("/", {})],
    "asgi": [("/", {}), ("/later/", {}), ("/ws/", WEBSOCKET)],
}


@pytest.mark.parametrize("interface", WAYS)
@pytest.mark.parametrize("serving", MODELS)
def test_they_are_said_as_far_as_they_can_be(serving: str, interface: str, tmp_path: Path) -> None:
    shutil.copy(ODD, tmp_path)
    (tmp_path / "shop.py").write_text(APPLICATION)
    with deployed(tmp_path, f"shop:{interface}", "--serving", serving) as server:
        server.answers()
        assert ("start-up failed: Unprintable: (its text" in server.log) is (interface == "asgi")
        for kind in ("Unprintable", "Empty", "Undecided", "Pretender"):
            for way, fields in WAYS[interface]:
                with Client(server.address) as client:
                    assert client.get(way + kind, **fields).status == 500
                server.said(f"the application failed at {way}{kind}\n")
                entry = server.log.rpartition(f"failed at {way}{kind}\n")[2]
                assert "Traceback (most recent call last)" in entry
                assert "in fail_at" in entry
                assert kind in entry
        server.answers()
        assert server.log.count("the application failed at") == 4 * len(WAYS[interface])
        assert server.stop() == 0
