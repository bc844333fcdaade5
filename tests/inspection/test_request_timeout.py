"""`--request-timeout-s`: what its client gets, what the log says, and what it costs the worker."""

from __future__ import annotations

import asyncio
import os
import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, quote

import pytest

from applications import gate
from fivefold import Server, Settings
from fivefold.errors import SettingsError
from fivefold.serving import MODELS
from support.client import Answer, Client, until
from support.every_pair import pairs
from support.process_tree import wait_until_gone
from support.servers.deployed import deployed
from support.servers.embedded import address_of
from support.servers.logged import logged
from support.websocket.raw import frame

Pair = dict[str, str]

LIMIT_S = 0.25

NO_ANSWER = b"503 Service Unavailable\n\nThe application has not answered in time.\n"

ASGI_PAIRS = pytest.mark.parametrize(
    "pair",
    [
        {"serving": serving, "io": engine}
        for serving in MODELS
        for engine in ("blocking", "epoll")
        if (serving, engine) != ("async", "blocking")
    ],
    ids=lambda pair: "{serving}-{io}".format(**pair),
)


@contextmanager
def serving(target: Any, log: Path, pair: Pair, **settings: Any) -> Iterator[tuple[str, int]]:
    given = {"target": target, "bind": "127.0.0.1:0", "grace_s": 0.1, **pair, **settings}
    with logged(log), Server(Settings.of({"request_timeout_s": LIMIT_S} | given)) as server:
        yield address_of(server)


def asked(address: tuple[str, int], path: str, **fields: str) -> Answer:
    with Client(address) as client:
        return client.get(path, **fields)


def answers(address: tuple[str, int]) -> None:
    """A busy machine may be too slow for the limit."""
    until(lambda: asked(address, "/"), lambda answer: answer.status == 200)


def logged_at(log: Path, path: str) -> list[str]:
    """What the log says of requests that were ended."""
    entries = log.read_text().split("'GET ")[1:]
    return [e for e in entries if e.startswith(path) and "(--request-timeout-s)" in e]


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return tmp_path / "log"


def wsgi(environ: dict[str, Any], start: Callable[..., Any]) -> Any:
    path = environ["PATH_INFO"]
    start("200 OK", [("Content-Type", "text/plain")])
    if path == "/":
        return [b"here"]
    return begun(environ) if path == "/begun" else [gate.pass_the_gate(environ["QUERY_STRING"])]


def begun(environ: dict[str, Any]) -> Iterator[bytes]:
    try:
        yield b"first"
        gate.pass_the_gate(environ["QUERY_STRING"])
        yield b"second"
    finally:
        Path(environ["HTTP_CLOSED"]).touch()


@pairs()
def test_a_client_gets_503_and_the_log_the_stack_before_it(
    pair: Pair, fifo: Path, log: Path
) -> None:
    with serving(wsgi, log, pair) as address:
        for _ in range(10):  # on a busy machine it may be late before it is at the gate
            with Client(address) as client:
                answer = client.get(f"/late?gate={quote(str(fifo))}")
                assert (answer.status, answer.body) == (503, NO_ANSWER)
                assert answer.fields["connection"] == "close"
                said = logged_at(log, "/late")[-1]
                assert client.at_end()
            if "in pass_the_gate" in said:
                break
        assert re.search(r"thread \d+ sleeps in \w+ (on .* )?for \d", said)
        assert "in pass_the_gate" in said
        answers(address)


@pytest.mark.parametrize("serving_model", MODELS)
def test_a_call_that_hangs_takes_no_other_connection_its_thread(
    serving_model: str, fifo: Path, log: Path
) -> None:
    """Nor does the last place for a connection stay with it."""
    pair = {"serving": serving_model, "io": "epoll"}
    with serving(wsgi, log, pair, max_connections=1) as address:
        for _ in range(3):
            assert asked(address, f"/late?gate={quote(str(fifo))}").status == 503
            answers(address)
    assert "is replaced" not in log.read_text()


@pytest.mark.parametrize("serving_model", MODELS)
def test_a_response_that_has_begun_ends_short_and_the_iterator_is_closed_later(
    serving_model: str, fifo: Path, log: Path, tmp_path: Path
) -> None:
    closed = tmp_path / "closed"
    with serving(wsgi, log, {"serving": serving_model, "io": "epoll"}) as address:
        received = b""
        while b"first" not in received:  # under load it may not even begin in time
            with Client(address) as client:
                target = f"/begun?gate={quote(str(fifo))}".encode()
                client.send(
                    b"GET %b HTTP/1.1\r\nHost: t\r\nClosed: %b\r\n\r\n"
                    % (target, os.fsencode(closed))
                )
                received = b""
                while data := client.sock.recv(65536):
                    received += data
        assert received.endswith(b"5\r\nfirst\r\n")
        assert not closed.exists()
        with fifo.open("wb") as opened:
            opened.write(bytes(10))
        appears(closed)
        answers(address)


def appears(path: Path) -> None:
    end = time.monotonic() + 30
    while not path.exists():
        assert time.monotonic() < end
        time.sleep(0.01)


async def asgi(scope: dict[str, Any], receive: Any, send: Any) -> None:
    if scope["type"] == "lifespan":
        return
    signs = Path(parse_qs(scope["query_string"].decode()).get("signs", [""])[0])
    if scope["type"] == "websocket":
        await receive()
        await send({"type": "websocket.accept"})
        await until_there(signs / "go")
        await send({"type": "websocket.send", "text": "late"})
        return
    if scope["path"] == "/late":
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            (signs / "cancelled").touch()
            await asyncio.Event().wait()
    body = b""
    if scope["path"] == "/upload":
        while (message := await receive())["more_body"]:
            body += message["body"]
        body += message["body"]
    fields = [(b"content-type", b"text/event-stream")]
    await send({"type": "http.response.start", "status": 200, "headers": fields})
    if scope["path"] == "/events":
        await send({"type": "http.response.body", "body": b"one", "more_body": True})
        await until_there(signs / "go")
    body = b"%d" % len(body)
    await send({"type": "http.response.body", "body": body})


async def until_there(path: Path) -> None:
    while not path.exists():  # noqa: ASYNC110, ASYNC240 - another process makes it
        await asyncio.sleep(0.01)


@ASGI_PAIRS
def test_a_task_is_cancelled_and_its_client_waits_for_nothing_that_it_then_does(
    pair: Pair, log: Path, tmp_path: Path
) -> None:
    with serving(asgi, log, pair) as address:
        answer = asked(address, f"/late?signs={quote(str(tmp_path))}")
        assert (answer.status, answer.body) == (503, NO_ANSWER)
        assert "in asgi" in logged_at(log, "/late")[0]
        appears(tmp_path / "cancelled")
        answers(address)


@pytest.mark.parametrize("serving_model", ["thread", "async"])
def test_neither_a_slow_client_nor_a_stream_of_events_nor_a_websocket_is_ended(
    serving_model: str, log: Path, tmp_path: Path
) -> None:
    pair = {"serving": serving_model, "io": "epoll"}
    signs = f"?signs={quote(str(tmp_path))}"
    with (
        serving(asgi, log, pair, request_timeout_s=1.0) as address,
        Client(address) as events,
        Client(address) as upload,
        Client(address) as websocket,
    ):
        assert events.get(f"/events{signs}").status == 200
        assert events.exactly(8) == b"3\r\none\r\n"
        upload.send(b"POST /upload HTTP/1.1\r\nHost: t\r\nContent-Length: 8\r\n\r\nhalf")
        key = "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13"
        websocket.send(
            f"GET /{signs} HTTP/1.1\r\nHost: t\r\n{key}\r\n"
            "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n".encode()
        )
        assert websocket.answer().status == 101
        # Whoever comes later has been ended: all of these are older than the limit.
        assert asked(address, f"/late{signs}").status == 503
        (tmp_path / "go").touch()
        upload.send(b"half")
        assert events.exactly(6) == b"1\r\n0\r\n"
        assert websocket.exactly(6) == frame(1, b"late", masked=False)
        assert upload.answer().status == 200
    assert len(logged_at(log, "/")) == 1


HANGS = """
import os, threading, time

def app(environ, start_response):
    if environ["PATH_INFO"] == "/hang":
        threading.Event().wait()
    start_response("200 OK", [])
    return [str(os.getpid()).encode()]

async def asgi(scope, receive, send):
    if scope["path"] == "/hang":
        time.sleep(1000)
    await send({"type": "http.response.start", "status": 200,
                "headers": [(b"content-length", b"%d" % len(str(os.getpid())))]})
    await send({"type": "http.response.body", "body": str(os.getpid()).encode()})
"""


@pytest.mark.parametrize(
    ("arguments", "status"),
    [
        (["hangs:asgi", "--serving", "async"], None),
        (["hangs:asgi", "--serving", "thread", "--io", "epoll"], 503),
        (["hangs:asgi", "--serving", "process"], None),
        (["hangs:app", "--serving", "async", "--threads", "2"], 503),
        (["hangs:app", "--serving", "async", "--inline"], None),
        (["hangs:app", "--serving", "thread", "--threads", "2"], 503),
        (["hangs:app", "--serving", "process"], 503),
    ],
    ids=lambda value: "-".join(value) if isinstance(value, list) else str(value),
)
def test_what_cannot_be_interrupted_costs_its_process_and_not_the_server(
    arguments: list[str], status: int | None, tmp_path: Path
) -> None:
    (tmp_path / "hangs.py").write_text(HANGS)
    limits = ("--lifespan", "off", "--request-timeout-s", "0.5", "--grace-s", "0.1")
    with deployed(tmp_path, *arguments, *limits) as server:
        assert server.status("/hang") == status
        server.said("(--request-timeout-s)")
        found = re.search(r"\[(\d+)\] fivefold\.slow", server.log)
        assert found
        wait_until_gone(int(found[1]))
        answer = server.get("/")
        assert answer is not None
        assert answer != found[1].encode()
        assert server.stop() == 0


@pytest.mark.parametrize("limit_s", [0.0, -1.0])
def test_a_limit_is_a_time(limit_s: float) -> None:
    with pytest.raises(SettingsError, match="request_timeout_s"):
        Settings.of({"request_timeout_s": limit_s})
