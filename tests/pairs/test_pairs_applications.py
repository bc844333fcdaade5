"""One WSGI and one ASGI application in all fifteen pairs, on every engine."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from applications.asgi import sample as asgi_sample
from applications.asgi import websocket_sample
from applications.frameworks import flask_site
from applications.wsgi import sample as wsgi_sample
from support.every_pair import pairs
from support.servers.embedded import hosting, still_in_step
from support.servers.static_files import CSS, prepare
from support.websocket.library import closed_by, opened
from support.wire import chunked

Pair = dict[str, Any]


@pairs()
def test_wsgi(pair: Pair) -> None:
    body = os.urandom(300_000)
    with hosting(wsgi_sample.app, **pair) as site:
        (site.folder / "file").write_bytes(b"0123456789")
        with site.wire() as wire:
            for _ in range(2):
                assert wire.ask("/echo", method="POST", body=body).body == body
                wire.put("/echo", method="POST", fields="Transfer-Encoding: chunked\r\n")
                wire.send(chunked(body, b"end"))
                assert wire.answer().body == body + b"end"
                assert wire.ask("/generator").body == b"onetwo"
                assert wire.ask("/file").body == b"3456789"
                assert wire.ask("/write-between").body == b"abcdef"
                assert site.notes.next() == "closed"
            wire.send(b"GET /generator HTTP/1.1\r\nHost: t\r\n\r\n" * 5)  # pipelined
            for _ in range(5):
                assert wire.answer().body == b"onetwo"
            assert wire.ask("/fail").status == 500
        leaving = site.wire()
        leaving.put("/endless")
        leaving.head()
        leaving.leave()
        assert site.notes.next() == "closed"


@pairs()
def test_asgi(pair: Pair) -> None:
    body = os.urandom(300_000)
    with hosting(asgi_sample.app, **pair) as site:
        (site.folder / "file").write_bytes(b"0123456789")
        with site.wire() as wire:
            for _ in range(2):
                assert wire.ask("/echo", method="POST", body=body).body == body
                assert wire.ask_json("/tools") == [True, [0, 1, 2], 6, "hello", 0]
                assert wire.ask_json("/context") == ["nobody", "somebody", "somebody"]
                assert wire.ask("/children", method="POST", body=b"123").body == b"123abc"
                assert wire.ask("/pathsend?file").body == b"0123456789"
                assert wire.ask("/zerocopysend").body == b"12389!"
                assert wire.ask("/trailers").body == b"whole"
            counted = [json.loads(wire.ask("/count").body) for _ in range(2)]
            assert counted == [[1, True], [2, True]]
            assert wire.ask("/fail").status == 500


@pairs()
def test_asgi_streams_both_ways(pair: Pair) -> None:
    with hosting(asgi_sample.app, **pair) as site:
        with site.wire() as wire:
            wire.put("/converse", method="POST", fields="Transfer-Encoding: chunked\r\n")
            for number, word in enumerate((b"one", b"two", b"three")):
                wire.send(b"%x\r\n%b\r\n" % (len(word), word))
                if not number:
                    wire.head()
                assert wire.chunk() == word.upper()
            wire.send(b"0\r\n\r\n")
            assert wire.chunks() == []
            assert still_in_step(wire)
        with site.wire(receive_buffer=4096) as slow:
            slow.put("/pushing")
            slow.head()
            assert slow.chunk() == asgi_sample.BLOCK
            assert site.recorded("sent") < asgi_sample.BLOCKS
            assert len(b"".join(slow.chunks())) == asgi_sample.BLOCK_BYTES * (
                asgi_sample.BLOCKS - 1
            )
        assert site.notes.next() == "done"


@pairs()
def test_asgi_notices_the_client(pair: Pair) -> None:
    """Watching for the end of the client loses nothing that it sends."""
    request = b"POST /echo HTTP/1.1\r\nHost: t\r\nContent-Length: 3\r\n\r\n"
    with hosting(asgi_sample.app, **pair) as site:
        with site.wire() as wire:
            for _ in range(20):
                wire.put("/listening")
                wire.send(request + b"1")
                assert wire.answer().body == b"ab"
                wire.send(b"23")
                assert wire.answer().body == b"123"
            wire.put("/left")
            wire.head()
            assert wire.chunk() == b"begun"
        assert [site.notes.next(), site.notes.next()] == ["http.disconnect", "OSError"]
        vanishing = site.wire()
        vanishing.put("/left-while-sending")
        vanishing.head()
        vanishing.leave()
        assert site.notes.next() == "OSError"


@pairs()
def test_websockets(pair: Pair) -> None:
    with hosting(websocket_sample.app, **pair) as site:
        with opened(site, "/echo") as client:
            for message in ("text", b"\x00\xff", "ü" * 100_000, os.urandom(500_000)):
                client.send(message)
                assert client.recv(timeout=30) == message
            client.close(4001, "bye")
        assert json.loads(site.notes.next()) == ["websocket.disconnect", 4001, "bye"]
        with opened(site, "/close") as client:
            assert closed_by(client) == (4321, "enough, märchen")
        assert [site.notes.next(), site.notes.next()] == ["OSError", "websocket.disconnect"]
        with opened(site, "/both-ways") as client:
            assert len([client.recv(timeout=30) for _ in range(150)]) == 150
            client.send("heard")
            assert client.recv(timeout=30) == "heard"
        with opened(site, "/push", max_queue=None) as client:
            for number in range(100):
                assert client.recv(timeout=30) == str(number)
        assert site.notes.next() == "OSError"


@pairs()
def test_flask(pair: Pair) -> None:
    with hosting(flask_site.app, **pair) as site, site.wire() as wire:
        assert wire.ask_json("/?a=1")["args"] == {"a": "1"}
        assert wire.ask("/stream").body == b"0;1;2;"
        json_type = "Content-Type: application/json\r\n"
        assert wire.ask_json("/json", method="POST", fields=json_type, body=b"[1]") == [1]


@pairs()
def test_starlette(pair: Pair) -> None:
    with hosting("applications.frameworks.starlette_site:app()", prepare=prepare, **pair) as site:
        with site.wire() as wire:
            assert wire.ask_json("/?a=1") == {"greeting": "hello", "query": {"a": "1"}}
            assert wire.ask("/echo", method="POST", body=b"x" * 200_000).body == b"x" * 200_000
            assert wire.ask("/file").body == CSS.encode()
            assert wire.ask_json("/in-thread") == "from a thread"
            wire.put("/endless")
            wire.head()
            assert wire.chunk()
            wire.leave()
        with site.wire() as wire:
            assert wire.ask("/").status == 200


@pairs()
@pytest.mark.parametrize("application", [wsgi_sample.app, asgi_sample.app], ids=["wsgi", "asgi"])
def test_a_client_that_vanishes_in_a_response_harms_no_later_one(
    pair: Pair, application: Any
) -> None:
    """The later one may be served on the very descriptor that the first one had."""
    path, noted = {"wsgi": ("/endless", "closed"), "asgi": ("/left-while-sending", "OSError")}[
        application.__module__.split(".")[1]
    ]
    with hosting(application, **pair) as site:
        for _ in range(5):
            vanishing = site.wire(receive_buffer=4096)
            vanishing.put(path)
            vanishing.head()
            vanishing.leave()
            assert site.notes.next() == noted
            with site.wire() as later:
                for _ in range(3):
                    assert still_in_step(later)


@pairs(overlapping=True)
def test_a_client_that_vanishes_in_a_file_harms_no_later_one(pair: Pair, tmp_path: Path) -> None:
    """The same for content that closes in the very step in which it learns of the end."""
    (tmp_path / "large").write_bytes(bytes(20_000_000))
    (tmp_path / "small").write_bytes(b"x")
    with hosting(str(tmp_path), **pair) as site:
        for _ in range(3):
            vanishing = site.wire(receive_buffer=4096)
            vanishing.put("/large")
            vanishing.head()
            with site.wire() as meanwhile:
                assert meanwhile.ask("/small").body == b"x"
            vanishing.leave()
            with site.wire() as later:
                for _ in range(3):
                    assert later.ask("/small").body == b"x"
