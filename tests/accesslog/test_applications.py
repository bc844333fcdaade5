"""Applications in the log: what they really sent, in whatever way they sent it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect

from fivefold import Server, Settings
from support.client import TIMEOUT_S, Client
from support.servers.embedded import address_of

FORMAT = "{method} {target} {status} {bytes} {end}"

WAYS = [
    {"serving": "async"},
    {"serving": "thread", "io": "blocking"},
    {"serving": "process", "io": "blocking"},
]


def wsgi(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    path = environ["PATH_INFO"]
    if path == "/fails":
        raise RuntimeError("as it should")
    status = "404 Not Found" if path == "/missing" else "200 OK"
    start_response(status, [("Content-Type", "text/plain")])
    if path == "/parts":
        return parts()
    if path == "/file":
        return environ["wsgi.file_wrapper"](Path(environ["HTTP_X_FILE"]).open("rb"))  # type: ignore[no-any-return]
    return [b"hello"]


def parts() -> Iterator[bytes]:
    yield b"one"
    yield b"three"


async def asgi(scope: dict[str, Any], receive: Any, send: Any) -> None:
    if scope["type"] == "websocket":
        await receive()
        if scope["path"] == "/no":
            await send({"type": "websocket.close"})
            return
        await send({"type": "websocket.accept"})
        message = await receive()
        await send({"type": "websocket.send", "text": message["text"]})
        await receive()
        return
    if scope["path"] == "/waits":
        await receive()
        await receive()  # until the client has left
        return
    fields = [(b"content-length", b"5")] if scope["path"] == "/whole" else []
    await send({"type": "http.response.start", "status": 201, "headers": fields})
    if scope["path"] == "/parts":
        await send({"type": "http.response.body", "body": b"abc", "more_body": True})
        await asyncio.sleep(0)
    await send({"type": "http.response.body", "body": b"hello"})


def serving(application: Any, log: Path, way: dict[str, Any]) -> Server:
    values = {
        "target": application,
        "bind": "127.0.0.1:0",
        "access_log": str(log),
        "access_log_format": FORMAT,
        **way,
    }
    return Server(Settings.of(values))


@pytest.mark.parametrize("way", WAYS, ids=str)
def test_wsgi(way: dict[str, Any], tmp_path: Path) -> None:
    file, log = tmp_path / "file", tmp_path / "log"
    file.write_bytes(b"x" * 100_000)
    with serving(wsgi, log, way) as server, Client(address_of(server)) as client:
        for path in ("/list", "/list", "/missing"):
            client.get(path)
        client.get("/list", method="HEAD")
        assert len(client.get("/file", X_File=str(file)).body) == 100_000
        client.send(b"GET /parts HTTP/1.1\r\nHost: t\r\n\r\n")
        assert client._until(b"0\r\n\r\n").endswith(b"\r\n\r\n3\r\none\r\n5\r\nthree\r\n0\r\n\r\n")
        failed = client.get("/fails")
        assert failed.status == 500
    assert log.read_text().splitlines() == [
        "GET /list 200 5 complete",
        "GET /list 200 5 complete",
        "GET /missing 404 5 complete",
        "HEAD /list 200 0 complete",
        "GET /file 200 100000 complete",
        "GET /parts 200 23 complete",  # with the frames of its chunks, as nginx counts
        f"GET /fails 500 {len(failed.body)} complete",
    ]


@pytest.mark.parametrize("way", WAYS, ids=str)
def test_asgi_and_websockets(way: dict[str, Any], tmp_path: Path) -> None:
    log = tmp_path / "log"
    with serving(asgi, log, way) as server:
        with Client(address_of(server)) as client:
            for path in ("/whole", "/whole", "/plain"):
                assert client.get(path).body == b"hello"
            client.send(b"GET /parts HTTP/1.1\r\nHost: t\r\n\r\n")
            assert client._until(b"0\r\n\r\n")
        with Client(address_of(server)) as client:
            client.send(b"GET /waits HTTP/1.1\r\nHost: t\r\n\r\n")
        ws = server.addresses[0].replace("http", "ws")
        with connect(
            ws + "/echo", proxy=None, compression=None, open_timeout=TIMEOUT_S
        ) as websocket:
            websocket.send("twelve bytes")
            assert websocket.recv() == "twelve bytes"
        with pytest.raises(InvalidStatus):
            connect(ws + "/no", proxy=None)
    assert sorted(log.read_text().splitlines()) == [
        "GET /echo 101 18 complete",  # a frame of 2 + 12 bytes, and 4 that close
        "GET /no 403 10 complete",
        "GET /parts 201 23 complete",
        "GET /plain 201 5 complete",
        "GET /waits 499 0 aborted",
        "GET /whole 201 5 complete",
        "GET /whole 201 5 complete",
    ]
