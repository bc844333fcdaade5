"""`--request-id`: one name for a request, in the application, in both logs and in the response."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from fivefold.content.request_ids import name_of, renamed
from fivefold.serving import MODELS
from support.client import Client
from support.servers.deployed import deployed
from support.websocket.raw import TEXT, RawWebSocket, frame

SHOP = """
import asyncio, logging

log = logging.getLogger("shop")

def app(environ, start_response):
    log.warning("asked for %s", environ["HTTP_X_REQUEST_ID"])
    if environ["PATH_INFO"] == "/fail":
        raise ValueError("of the shop")
    own = [("X-Request-ID", "of-the-shop")] if environ["PATH_INFO"] == "/own" else []
    start_response("200 OK", own)
    return [environ["HTTP_X_REQUEST_ID"].encode()]

async def asgi(scope, receive, send):
    if scope["type"] != "http":
        raise NotImplementedError
    name = dict(scope["headers"])[b"x-request-id"].decode()
    log.warning("asked for %s", name)
    asyncio.create_task(later(name))
    await asyncio.sleep(0)
    log.warning("asked for %s", name)
    if scope["path"] == "/fail":
        raise ValueError("of the shop")
    own = [(b"x-request-id", b"of-the-shop")] if scope["path"] == "/own" else []
    body = b",".join(value for name, value in scope["headers"] if name == b"x-request-id")
    await send({"type": "http.response.start", "status": 200, "headers": own})
    await send({"type": "http.response.body", "body": body})

async def later(name):
    log.warning("asked for %s", name)
"""

LOGGING = {
    "formatters": {"lines": {"format": "%(name)s|%(request_id)s|%(message)s"}},
    "handlers": {
        "all": {"class": "logging.FileHandler", "filename": "log", "formatter": "lines"},
        "stderr": {"class": "logging.StreamHandler"},
    },
    "root": {"handlers": ["all"]},
    "loggers": {"fivefold": {"handlers": ["stderr"]}},
}

HEAD = b"GET / HTTP/1.1\r\nHost: h\r\n%b\r\n"

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
TRACEPARENT = f"traceparent: 00-{TRACE}-00f067aa0ba902b7-01\r\n".encode()

NEW = re.compile(rb"[0-9a-f]{32}")


@pytest.mark.parametrize("application", ["app", "asgi"])
@pytest.mark.parametrize("serving", MODELS)
def test_application_logs_and_response_have_one_name(
    tmp_path: Path, serving: str, application: str
) -> None:
    (tmp_path / "shop.py").write_text(SHOP)
    (tmp_path / "files").mkdir()
    (tmp_path / "files" / "a").write_text("file")
    log = tmp_path / "access.log"
    arguments = ("--serving", serving, "--request-id", "--mount", f"/files={tmp_path / 'files'}")
    writing = ("--access-log", str(log), "--access-log-format", "json")
    (tmp_path / "logging.json").write_text(json.dumps(LOGGING))
    configured = ("--log-config", "logging.json")
    with deployed(tmp_path, f"shop:{application}", *arguments, *writing, *configured) as server:
        with Client(server.address) as client:
            first = client.get("/")
            second = client.get("/")
            given = client.get("/", **{"X-Request-ID": "order-7"})
            traced = client.get("/", traceparent=f"00-{TRACE}-00f067aa0ba902b7-01")
            own = client.get("/own", **{"X-Request-ID": "order-8"})
            file = client.get("/files/a", **{"X-Request-ID": "order-9"})
        with Client(server.address) as client:
            failed = client.get("/fail", **{"X-Request-ID": "order-10"})
        assert server.stop() == 0
    for answer in (first, second, given, traced):
        assert answer.fields["x-request-id"].encode() == answer.body
    assert first.body != second.body
    assert NEW.fullmatch(first.body)
    assert (given.body, traced.body) == (b"order-7", TRACE.encode())
    assert own.fields["x-request-id"] == "of-the-shop"
    assert (file.body, file.fields["x-request-id"]) == (b"file", "order-9")
    assert (failed.status, failed.fields["x-request-id"]) == (500, "order-10")
    lines = (tmp_path / "log").read_text().splitlines()  # those of a traceback have no parts
    said = [line.split("|") for line in lines if "|" in line]
    shop = [(name, text) for logger, name, text in said if logger == "shop"]
    assert all(text == f"asked for {name}" for name, text in shop)
    expected = {first.body.decode(), "order-7", "order-8", "order-10", TRACE}
    assert {name for name, _ in shop} > expected
    interface = "wsgi" if application == "app" else "asgi"
    assert [f"fivefold.{interface}", "order-10", "the application failed at /fail"] in said
    assert ["fivefold", "-"] in [line[:2] for line in said]
    names = {json.loads(line)["request_id"] for line in log.read_text().splitlines()}
    made = {first.body.decode(), second.body.decode()}
    assert names == {*made, TRACE, *(f"order-{n}" for n in (7, 8, 9, 10))}


ROOM = """
import asyncio, logging, sys

import fivefold

handler = logging.StreamHandler(sys.stderr)
handler.addFilter(fivefold.RequestId())
handler.setFormatter(logging.Formatter("APP %(request_id)s %(message)s"))
logging.getLogger("room").addHandler(handler)

async def app(scope, receive, send):
    await receive()
    await send({"type": "websocket.accept"})
    await receive()
    await asyncio.to_thread(logging.getLogger("room").error, "heard")
    raise ValueError("of the room")
"""


@pytest.mark.parametrize("how", ["text", "json"])
@pytest.mark.parametrize("serving", MODELS)
def test_websocket_and_its_lines_have_the_name(tmp_path: Path, serving: str, how: str) -> None:
    (tmp_path / "room.py").write_text(ROOM)
    arguments = ("--serving", serving, "--request-id", "--log-format", how, "--lifespan", "off")
    with deployed(tmp_path, "room:app", *arguments) as server:
        with RawWebSocket(server.address) as client:
            head = client.open("/", "X-Request-ID: room-1\r\n")
            client.send(frame(TEXT, b"a"))
            client.frame()  # the close
        assert server.stop() == 0
    assert (head.status, head.fields["x-request-id"]) == (101, "room-1")
    assert "APP room-1 heard" in server.log
    if how == "text":
        assert "fivefold.asgi (request room-1): the application failed at /" in server.log
    else:
        said = [json.loads(line) for line in server.log.splitlines() if line.startswith("{")]
        named = [one["message"] for one in said if one.get("request_id") == "room-1"]
        assert named == ["the application failed at /"]


@pytest.mark.parametrize(
    "fields",
    [
        b"",
        b"X-Request-ID: \r\n",
        b"x-request-id: a b\r\n",
        b"X-Request-ID: a\r\nX-REQUEST-ID: b\r\n",
        b'X-Request-ID: "><script>\r\n',
        b"X-Request-ID: \xff\r\n",
        b"X-Request-ID: %b\r\n" % (b"a" * 129),
        b"traceparent: 00-%b-00f067aa0ba902b7-01\r\n" % (b"0" * 32),
        b"traceparent: 00-%b-0000000000000000-01\r\n" % TRACE.encode(),
        b"traceparent: ff-%b-00f067aa0ba902b7-01\r\n" % TRACE.encode(),
        b"traceparent: 00-%b-zz\r\n" % TRACE.encode(),
        b"traceparent: 00-%b-00f067aa0ba902b7-01-more\r\n" % TRACE.encode(),
        b"traceparent: 00-%b-00f067aa0ba902b7-01more\r\n" % TRACE.encode(),
        b"traceparent: 00-%b-00F067AA0BA902B7-01\r\n" % TRACE.encode(),
        TRACEPARENT + TRACEPARENT,
        b"X-Request_ID: a\r\n",
        b"A: X-Request-ID: a\r\n",
    ],
)
def test_what_is_no_harmless_name_is_replaced(fields: bytes) -> None:
    name = name_of(HEAD % fields)
    head = renamed(HEAD % fields, name.decode())
    assert NEW.fullmatch(name)
    assert name != TRACE.encode()
    assert re.findall(rb"\r\n(?i:x-request-id):([^\r]*)\r\n", head) == [b" " + name]
    assert head.endswith(b"\r\n\r\n")


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        (b"X-Request-ID:a\r\n", b"a"),
        (b"x-request-ID: \tf47ac10b-58cc-4372 \r\n" + TRACEPARENT, b"f47ac10b-58cc-4372"),
        (b"X-Request-ID: %b\r\n" % (b"a" * 128), b"a" * 128),
        (TRACEPARENT, TRACE.encode()),
        (TRACEPARENT.replace(b": 00-", b":\t01-").replace(b"\r", b"-more \r"), TRACE.encode()),
        (TRACEPARENT.replace(b"\r", b" \r"), TRACE.encode()),
        (b"X-Request-ID: a b\r\n" + TRACEPARENT, TRACE.encode()),
    ],
)
def test_a_name_that_came_is_kept(fields: bytes, expected: bytes) -> None:
    assert name_of(HEAD % fields) == expected
