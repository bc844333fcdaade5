"""What a running server says of the streams of a connection, and what ends those that hang."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from applications import gate
from fivefold import Server, Settings
from fivefold.cli.stacks import lines_of
from fivefold.cli.top import overview
from fivefold.tracing.attach.inspected import inspected
from support.every_pair import pairs
from support.raw_http2 import RawHttp2, request
from support.servers.deployed import until
from support.servers.embedded import address_of
from support.servers.logged import logged
from support.streams import StreamAnswer, Streams

Pair = dict[str, str]

PATIENCE_S = 30.0


def wsgi(environ: dict[str, Any], start: Callable[..., Any]) -> list[bytes]:
    if environ["QUERY_STRING"]:
        gate.pass_the_gate(environ["QUERY_STRING"])
    start("200 OK", [])
    return [b"x"]


async def asgi(scope: dict[str, Any], receive: Any, send: Any) -> None:
    if scope["type"] == "lifespan":
        return
    if scope["path"] == "/later":
        await asyncio.Event().wait()
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"x"})


@contextmanager
def serving(target: Any, log: Path, pair: Pair, **settings: Any) -> Iterator[Server]:
    given = {"target": target, "bind": "127.0.0.1:0", "grace_s": 0.5, "h2c": True}
    with logged(log), Server(Settings.of({**given, **pair, **settings})) as server:
        yield server


def asked(server: Server, target: str) -> StreamAnswer:
    with Streams(address_of(server)) as client:
        return client.get(target)


def seen(server: Server, wanted: Callable[[Any], bool]) -> tuple[Any, Any, Any]:
    """A process, its connection and the stream that is as wanted, once there is one."""
    give_up_at = time.monotonic() + PATIENCE_S
    while True:
        processes = inspected(server.pid)
        for process in processes:
            for one in process["connections"]:
                if one["stream"] is not None and wanted(one):
                    owner = next(c for c in process["connections"] if c["streams"] is not None)
                    return process, owner, one
        assert time.monotonic() < give_up_at, processes
        time.sleep(0.02)


def at_the_gate(what: dict[str, Any]) -> bool:
    return any(line.endswith("in pass_the_gate") for line in what["stack"][-2:])


@pairs()
def test_a_stream_is_followed_into_its_application(pair: Pair, fifo: Path, tmp_path: Path) -> None:
    log = tmp_path / "log"
    target = f"/x?gate={quote(str(fifo))}"
    with (
        serving(wsgi, log, pair, slow_request_s=0.1) as server,
        Streams(address_of(server)) as client,
    ):
        number = client.ask(target)
        process, connection, stream = seen(server, at_the_gate)
        until(lambda: " takes " in log.read_text(), "a slow request")
        assert stream["stream"] == number
        assert stream["request"] == f"GET {target} HTTP/2.0"
        assert stream["state"] == "in the application"
        assert 0 <= stream["request_s"] <= stream["age_s"]
        assert (connection["streams"], connection["request"]) == (1, None)
        assert (connection["fd"], connection["peer"]) == (stream["fd"], stream["peer"])
        assert not at_the_gate(connection)
        printed = "\n".join(lines_of(process))
        assert f"connection {stream['fd']} stream {number} from " in printed
        assert "HTTP/2, 1 stream\n" in printed
        shown = "\n".join(overview(server.pid, [process], ""))
        assert "1 connection" in shown
        assert "HTTP/2, 1 stream" in shown
        with fifo.open("wb") as opened:
            opened.write(b"x")
        assert client.answer(number).body == b"x"
        assert client.get("/").status == 200
    assert log.read_text().count(f"'GET {target} HTTP/2.0'") == 1


@pairs()
def test_a_stream_whose_application_hangs_gets_503_and_the_next_its_answer(
    pair: Pair, fifo: Path, tmp_path: Path
) -> None:
    log = tmp_path / "log"
    target = f"/late?gate={quote(str(fifo))}"
    with serving(wsgi, log, pair, request_timeout_s=0.25) as server:
        assert asked(server, target).status == 503
    said = log.read_text()
    assert "(--request-timeout-s)" in said
    assert "'GET /late?" in said


@pytest.mark.parametrize("io", ["epoll", "aio:uring"])
def test_others_of_the_connection_are_answered_meanwhile(io: str, tmp_path: Path) -> None:
    log = tmp_path / "log"
    pair = {"serving": "async", "io": io}
    with (
        serving(asgi, log, pair, request_timeout_s=0.25) as server,
        Streams(address_of(server)) as client,
    ):
        late, other = client.ask("/later"), client.ask("/")
        assert client.answer(other).status == 200
        assert client.answer(late).status == 503
        assert client.get("/").status == 200


FIRST_STEPS = [
    pytest.param(wsgi, {"inline": True}, id="wsgi"),
    pytest.param(gate.asgi, {}, id="asgi"),
]
"""Applications that are called where requests are begun, before the stream is one of those that
are open."""


@pytest.mark.parametrize(("target", "settings"), FIRST_STEPS)
def test_a_stream_that_hangs_in_its_first_step_is_shown(
    target: Any, settings: dict[str, Any], fifo: Path, tmp_path: Path
) -> None:
    log, pair = tmp_path / "log", {"serving": "async", "io": "epoll"}
    path = f"/x?gate={quote(str(fifo))}"
    with (
        serving(target, log, pair, slow_request_s=0.1, **settings) as server,
        Streams(address_of(server)) as client,
    ):
        number = client.ask(path)
        process, connection, stream = seen(server, at_the_gate)
        until(lambda: f"'GET {path} HTTP/2.0' from " in log.read_text(), "a slow request")
        assert (stream["stream"], stream["request"]) == (number, f"GET {path} HTTP/2.0")
        assert stream["state"] == "in the application"
        assert stream["tid"] == process["pid"]
        assert (connection["streams"], connection["request"]) == (1, None)
        assert not at_the_gate(connection)
        with fifo.open("wb") as opened:
            opened.write(b"x")
        assert client.answer(number).body == b"x"


@pytest.mark.parametrize("serving_model", ["thread", "process"])
def test_requests_that_wait_for_their_turn_are_counted(
    serving_model: str, fifo: Path, tmp_path: Path
) -> None:
    """Under a blocking engine, whose streams of a connection are answered one after the other."""
    pair = {"serving": serving_model, "io": "blocking"}
    with (
        serving(wsgi, tmp_path / "log", pair) as server,
        RawHttp2(address_of(server)) as client,
    ):
        client.begin()
        client.send(request(1, f"/x?gate={quote(str(fifo))}") + request(3) + request(5))
        process, connection, _ = seen(server, at_the_gate)
        assert (connection["streams"], connection["waiting"]) == (1, 2)
        assert "HTTP/2, 1 stream, 2 more wait for their turn\n" in "\n".join(lines_of(process))
        with fifo.open("wb") as opened:
            opened.write(b"x")
        assert [client.status(number) for number in (1, 3, 5)] == [200] * 3
