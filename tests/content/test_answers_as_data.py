"""What content answers at once is data, and the bytes of HTTP/1.1 say the same."""

from __future__ import annotations

import asyncio
import os
import re
from collections.abc import Awaitable, Callable
from http.client import HTTPResponse
from io import BytesIO
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

import fivefold
from fivefold.content.application.forwarded import TrustedProxies
from fivefold.content.base import Around, Content
from fivefold.content.static.site import Static
from fivefold.content.wsgi.environ import WsgiConstants
from fivefold.content.wsgi.gateway import Wsgi
from fivefold.content.wsgi.places import InPlace
from fivefold.http1.answer import Answer, HeadAndFile, Whole
from fivefold.http1.connection import Http1
from fivefold.http1.exchange import Exchange
from fivefold.http1.limits import Limits
from fivefold.http1.request import Request
from fivefold.http1.stream import HttpConnection
from support.scripted_connection import FakeConnection

SMALL, LARGE = b"0123456789" * 10, os.urandom(100_000)

ADDED = {"Server", "Date", "Content-Length", "Connection"}
"""By HTTP/1.1, to the fields of an answer."""


class FileConnection(FakeConnection):
    """One that reads files; its answers may be told apart."""

    async def read_file(self, file: Any, offset: int, count: int) -> bytes:
        return os.pread(file.fd, count, offset)

    async def send_file(self, head: bytes, file: Any, offset: int, count: int) -> None:
        await self.send(head, os.pread(file.fd, count, offset))

    async def send(self, *buffers: bytes) -> None:
        self.sent = b"".join(buffers)

    @staticmethod
    async def _sleep(seconds: float) -> None:
        """The file stays as it is."""

    io: Any = SimpleNamespace(sleep=_sleep)


class Kept(Around):
    """Keeps the answers of another content."""

    answer: Answer | None = None

    def answer_at_once(
        self, request: Request, head: bytes, conn: HttpConnection, now: float
    ) -> Answer | None:
        self.answer = self._content.answer_at_once(request, head, conn, now)
        return self.answer

    def respond(self, exchange: Exchange) -> Awaitable[None]:
        return self._content.respond(exchange)


class Received(BytesIO):
    """What Python's own client takes for a socket."""

    def makefile(self, *_: Any) -> BytesIO:
        return self


def static(folder: Path) -> Content:
    (folder / "small.txt").write_bytes(SMALL)
    (folder / "large.bin").write_bytes(LARGE)
    return Static(str(folder))


def hello(environ: dict[str, Any], start_response: Callable[..., Any]) -> list[bytes]:
    length = [("Content-Length", "100")] if environ["PATH_INFO"] == "/sized" else []
    start_response("201 Created", [("Content-Type", "text/plain"), ("X-Two", "a, b"), *length])
    return [SMALL[:40], SMALL[40:]]


def wsgi(_: Path) -> Content:
    constants = WsgiConstants(
        multithread=False, multiprocess=False, script_name="", proxies=TrustedProxies((), ())
    )
    return Wsgi(hello, constants, InPlace(Limits(), shared=False))


CASES: dict[str, tuple[Callable[[Path], Content], str, str, type, int, bytes]] = {
    "a small file": (static, "/small.txt", "", Whole, 200, SMALL),
    "a part of it": (static, "/small.txt", "Range: bytes=3-6\r\n", Whole, 206, b"3456"),
    "not modified": (
        *(static, "/small.txt", "If-Modified-Since: Fri, 01 Jan 2100 00:00:00 GMT\r\n"),
        *(Whole, 304, b""),
    ),
    "a large file": (static, "/large.bin", "", HeadAndFile, 200, LARGE),
    "a part of that": (
        *(static, "/large.bin", "Range: bytes=50000-50999\r\n"),
        *(HeadAndFile, 206, LARGE[50_000:51_000]),
    ),
    "an application": (wsgi, "/", "", Whole, 201, SMALL),
    "with a length": (wsgi, "/sized", "", Whole, 201, SMALL),
}


@pytest.mark.parametrize("case", CASES)
def test_data_and_bytes_say_the_same(case: str, tmp_path: Path) -> None:
    make, target, fields, kind, status, body = CASES[case]
    content = Kept(make(tmp_path))
    request = f"GET {target} HTTP/1.1\r\nHost: test\r\n{fields}\r\n".encode()
    conn = FileConnection([request, request])
    conn.socket_ends = conn.local, conn.peer
    asyncio.run(Http1(content, Limits()).serve(conn))
    content.close()
    answer = content.answer
    assert isinstance(answer, Whole | HeadAndFile)
    assert type(answer) is kind
    assert answer.head.status == status
    if isinstance(answer, Whole):
        assert (answer.body, answer.size) == (body, len(body))
    else:
        assert answer.part.count == len(body)
    sent = HTTPResponse(Received(conn.sent), method="GET")  # type: ignore[arg-type]
    sent.begin()
    assert sent.status == status
    assert sent.read() == body
    assert [
        (name.encode(), value.encode()) for name, value in sent.getheaders() if name not in ADDED
    ] == answer.head.fields
    assert sent.headers["Content-Length"] == (str(len(body)) if status != 304 else None)


@pytest.mark.parametrize("case", ["a small file", "a part of that"])
def test_an_answer_that_is_kept_ends_a_connection_that_is_not(case: str, tmp_path: Path) -> None:
    make, target, fields, _, status, body = CASES[case]
    content = Kept(make(tmp_path))
    head = f"GET {target} HTTP/1.1\r\nHost: test\r\n{fields}"
    conn = FileConnection([f"{head}\r\n".encode(), f"{head}Connection: close\r\n\r\n".encode()])
    asyncio.run(Http1(content, Limits()).serve(conn))
    content.close()
    assert content.answer is not None
    sent = HTTPResponse(Received(conn.sent), method="GET")  # type: ignore[arg-type]
    sent.begin()
    assert (sent.status, sent.headers["Connection"], sent.read()) == (status, "close", body)


ASKS = re.compile(r"(isinstance\([^)]*|is (not )?)\b(Whole|HeadAndFile|Deferred)\b")

ASKING = {
    "http1/connection.py": "the loop that all requests pass saves a call",
    "http2/dispatcher.py": "the same for streams",
    "tracing/attach/recorder.py": "a stream whose answer leaves at once has no coroutine to record",
    "content/static/file_responses.py": "of what it keeps itself, before that is an answer",
}


def test_which_answer_it_is_is_asked_in_one_place() -> None:
    source = Path(fivefold.__file__).parent
    found = [
        module.relative_to(source).as_posix()
        for module in source.rglob("*.py")
        if ASKS.search(module.read_text())
    ]
    assert sorted(found) == sorted(ASKING)
