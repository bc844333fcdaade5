"""Real applications and real clients, under every serving model."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import httpx
import pytest
from websockets.sync.client import connect

from support.client import TIMEOUT_S
from support.servers.embedded import MODELS, Site, hosting
from support.servers.static_files import CSS, prepare
from support.wire import Wire

UPLOAD_BYTES = 100_000_000

Start = Callable[..., Any]


@pytest.fixture(params=MODELS)
def model(request: pytest.FixtureRequest) -> dict[str, Any]:
    return MODELS[request.param]


@contextmanager
def browsing(target: str, **settings: Any) -> Iterator[tuple[Site, httpx.Client]]:
    with (
        hosting(target, prepare=prepare, **settings) as site,
        httpx.Client(base_url=site.url, timeout=TIMEOUT_S, trust_env=False) as client,
    ):
        yield site, client


def test_flask(model: dict[str, Any]) -> None:
    with browsing("applications.frameworks.flask_site:app", **model) as (site, client):
        host, port = site.address
        answer = client.get("/", params={"a": "ü"}).json()
        assert answer == {"args": {"a": "ü"}, "host": f"{host}:{port}", "root": ""}
        posted = client.post("/form", data={"n": "ü"}, files={"f": ("a.bin", bytes(3_000_000))})
        assert posted.json() == {"form": {"n": "ü"}, "files": {"f": 3_000_000}}
        assert client.post("/json", json=[1, {"a": None}]).json() == [1, {"a": None}]
        chunked = client.post("/json", content=iter([b"[1,", b"2]"]), headers=JSON)
        assert chunked.json() == [1, 2]
        assert client.get("/stream").text == "0;1;2;"
        assert [client.get("/count").json() for _ in range(3)] == [1, 2, 3]
        assert client.head("/stream").status_code == 200
        failed = client.get("/fail")
        assert failed.status_code == 500
        assert "secret" not in failed.text
        assert client.get("/none").status_code == 404


JSON = {"Content-Type": "application/json"}


@pytest.mark.parametrize("interface", ["wsgi", "asgi"])
def test_django(model: dict[str, Any], interface: str) -> None:
    with browsing(f"applications.frameworks.django_site:{interface}()", **model) as (_, client):
        assert client.get("/?a=1").json() == {"path": "/", "query": {"a": "1"}}
        static = client.get("/static/site.css")
        assert static.text == CSS
        assert static.headers["content-type"].startswith("text/css")
        since = {"If-Modified-Since": static.headers["last-modified"]}
        assert client.get("/static/site.css", headers=since).status_code == 304
        assert client.get("/static/none.css").status_code == 404
        assert client.get("/download").text == CSS
        assert client.get("/stream").text == "0;1;2;"


@pytest.mark.parametrize("interface", ["wsgi", "asgi"])
def test_an_upload_of_100_mb_to_django(model: dict[str, Any], interface: str) -> None:
    block = os.urandom(1_000_000)
    digest = hashlib.sha256()
    for _ in range(UPLOAD_BYTES // len(block)):
        digest.update(block)
    with hosting(
        f"applications.frameworks.django_site:{interface}()", prepare=prepare, **model
    ) as site:
        head = (
            b"--edge\r\nContent-Disposition: form-data; name=file; filename=film\r\n"
            b"Content-Type: application/octet-stream\r\n\r\n"
        )
        tail = b"\r\n--edge--\r\n"
        length = len(head) + UPLOAD_BYTES + len(tail)
        with site.wire() as wire:
            wire.put(
                "/upload",
                method="POST",
                fields="Content-Type: multipart/form-data; boundary=edge\r\n"
                f"Content-Length: {length}\r\n",
            )
            wire.send(head)
            for _ in range(UPLOAD_BYTES // len(block)):
                wire.send(block)
            wire.send(tail)
            answer = json.loads(wire.answer().body)
        assert answer == {"size": UPLOAD_BYTES, "sha256": digest.hexdigest()}


def test_an_upload_beyond_the_limit_is_refused(model: dict[str, Any]) -> None:
    with browsing("applications.frameworks.flask_site:app", body_bytes=1000, **model) as (
        site,
        client,
    ):
        assert client.post("/json", json=["x" * 900]).status_code == 200
        with Wire(site.address) as wire:
            wire.put("/json", method="POST", fields="Content-Length: 1001\r\n")
            assert wire.answer().status == 413
        assert client.post("/json", content=iter([b"x" * 999, b"yy"])).status_code == 413


def test_starlette(model: dict[str, Any]) -> None:
    with browsing("applications.frameworks.starlette_site:app()", **model) as (site, client):
        home = client.get("/?a=1")
        assert home.json() == {"greeting": "hello", "query": {"a": "1"}}
        assert home.headers["x-marked"] == "yes"
        posted = client.post("/form", data={"name": "ü"}, files={"file": bytes(2_000_000)})
        assert posted.json() == {"name": "ü", "size": 2_000_000}
        echoed = client.post("/echo", content=iter([b"a" * 100_000, b"b", b"c" * 100_000]))
        assert echoed.content == b"a" * 100_000 + b"b" + b"c" * 100_000
        assert client.get("/file").text == CSS
        part = client.get("/file", headers={"Range": "bytes=5-9"})
        assert (part.status_code, part.text) == (206, CSS[5:10])
        assert client.get("/static/site.css").text == CSS
        assert client.get("/background").json() == "accepted"
        assert site.notes.next() == "worked"
        assert client.get("/in-thread").json() == "from a thread"
        assert client.get("/fail").status_code == 500
        assert client.head("/").status_code == 200
        # What it leaves behind is Starlette's to collect (reference cycles of its middleware);
        # that the application is told at once, test_asgi.py shows.
        with client.stream("GET", "/endless") as stream:
            assert next(stream.iter_raw())
        assert client.get("/?a=1").status_code == 200
        with connect(site.ws + "/ws", proxy=None, open_timeout=TIMEOUT_S) as socket:
            socket.send("hello")
            assert socket.recv(timeout=30) == "HELLO"
        assert client.get("/").status_code == 200


def test_fastapi(model: dict[str, Any]) -> None:
    with browsing("applications.frameworks.fastapi_site:app", **model) as (site, client):
        assert client.get("/items/7?page=2").json() == {"number": 7, "page": 2}
        assert client.get("/items/seven").status_code == 422
        item = {"name": "ü", "price": 1.5}
        assert client.post("/items", json=item).json() == item
        assert client.post("/items", json={"name": 1}).status_code == 422
        uploaded = client.post("/upload", files={"file": ("f", bytes(2_000_000))})
        assert uploaded.json() == {"name": "f", "size": 2_000_000}
        assert client.get("/in-thread").json() == "from a thread"
        assert "/items" in client.get("/openapi.json").json()["paths"]
        with connect(site.ws + "/ws", proxy=None, open_timeout=TIMEOUT_S) as socket:
            socket.send('{"a": 1}')
            assert json.loads(socket.recv(timeout=30)) == {"a": 1}


def test_quart(model: dict[str, Any]) -> None:
    with browsing("applications.frameworks.quart_site:app", **model) as (site, client):
        assert client.get("/?a=1").json() == {"args": {"a": "1"}}
        posted = client.post("/form", data={"n": "ü"}, files={"f": bytes(100_000)})
        assert posted.json() == {"form": {"n": "ü"}, "files": {"f": 100_000}}
        assert client.get("/stream").text == "0;1;2;"
        assert client.get("/none").status_code == 404
        with connect(site.ws + "/ws", proxy=None, open_timeout=TIMEOUT_S) as socket:
            for word in ("abc", "def"):
                socket.send(word)
                assert socket.recv(timeout=30) == word[::-1]


def test_httpbin(model: dict[str, Any]) -> None:
    with browsing("httpbin:app", **model) as (_, client):
        for method in ("GET", "POST", "PUT", "PATCH", "DELETE"):
            answer = client.request(method, "/anything/x?a=1", headers={"X-Y": "z"}).json()
            assert (answer["method"], answer["args"], answer["headers"]["X-Y"]) == (
                method,
                {"a": "1"},
                "z",
            )
        assert client.post("/post", content=iter([b"one", b"two"])).json()["data"] == "onetwo"
        assert client.post("/post", files={"f": b"content"}).json()["files"] == {"f": "content"}
        for status in (200, 204, 304, 404, 418, 500):
            assert client.get(f"/status/{status}").status_code == status
        assert client.get("/gzip").json()["gzipped"] is True
        assert client.get("/deflate").json()["deflated"] is True
        assert len(client.get("/stream/20").text.splitlines()) == 20
        assert len(client.get("/stream-bytes/10000?chunk_size=100").content) == 10000
        assert len(client.get("/bytes/10000").content) == 10000
        assert client.get("/range/100", headers={"Range": "bytes=1-5"}).text == "bcdef"
        assert client.get("/drip?numbytes=3&duration=0.01&delay=0").text == "***"
        assert client.get("/redirect/2", follow_redirects=True).status_code == 200
        assert client.get("/basic-auth/u/p", auth=("u", "p")).json()["authenticated"] is True
        client.get("/cookies/set?a=b")
        assert client.get("/cookies").json() == {"cookies": {"a": "b"}}
        assert client.get("/encoding/utf8").encoding == "utf-8"
        headers = client.get("/response-headers?X-Own=1").headers
        assert headers["x-own"] == "1"
        assert client.get("/image/png").content.startswith(b"\x89PNG")
