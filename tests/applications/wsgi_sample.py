"""A WSGI application whose paths do what applications do, well and badly."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any
from wsgiref.validate import validator

Environ = dict[str, Any]
Start = Callable[..., Callable[[bytes], object]]
TEXT = [("Content-Type", "text/plain")]


def hello(environ: Environ, start: Start) -> Iterable[bytes]:
    start("200 OK", TEXT)
    return [b"Hello, ", b"World!"]


def environment(environ: Environ, start: Start) -> Iterable[bytes]:
    start("200 OK", TEXT)
    plain = {k: v for k, v in environ.items() if isinstance(v, str | bool | tuple)}
    return [repr(plain).encode()]


def echo(environ: Environ, start: Start) -> Iterable[bytes]:
    body = environ["wsgi.input"].read()
    start("200 OK", TEXT)
    return [b"%d " % len(body), body[:10]]


class Closing:
    """Parts, and a file that `close` writes: proof that it was called."""

    def __init__(self, parts: Iterable[bytes], mark: str) -> None:
        self._parts = iter(parts)
        self._mark = mark

    def __iter__(self) -> Iterator[bytes]:
        return self._parts

    def close(self) -> None:
        if self._mark:
            Path(self._mark).write_text("closed")


def generator(environ: Environ, start: Start) -> Iterable[bytes]:
    start("200 OK", TEXT)
    return Closing((b"part %d\n" % n for n in range(3)), environ["QUERY_STRING"])


def endless(environ: Environ, start: Start) -> Iterable[bytes]:
    start("200 OK", TEXT)
    return Closing(iter(lambda: b"x" * 65536, b""), environ["QUERY_STRING"])


def fails_late(environ: Environ, start: Start) -> Iterable[bytes]:
    def parts() -> Iterator[bytes]:
        yield b"first"
        raise RuntimeError("in the middle")

    start("200 OK", TEXT)
    return Closing(parts(), environ["QUERY_STRING"])


def fails(environ: Environ, start: Start) -> Iterable[bytes]:
    raise RuntimeError("a secret")


def leaves(environ: Environ, start: Start) -> Iterable[bytes]:
    sys.exit(1)


def recovers(environ: Environ, start: Start) -> Iterable[bytes]:
    start("200 OK", TEXT)
    try:
        raise ValueError("before anything has left")
    except ValueError:
        start("503 Sorry", [("X-Recovered", "yes")], sys.exc_info())
    return [b"sorry"]


def too_late(environ: Environ, start: Start) -> Iterable[bytes]:
    start("200 OK", TEXT)
    yield b"the head has left"
    try:
        raise ValueError("too late")
    except ValueError:
        start("500 Oops", TEXT, sys.exc_info())


def writes(environ: Environ, start: Start) -> Iterable[bytes]:
    write = start("200 OK", TEXT)
    write(b"one ")
    write(b"two ")
    return [b"three"]


def declares(environ: Environ, start: Start) -> Iterable[bytes]:
    """`?5`: ten bytes under a Content-Length of five."""
    start("200 OK", [("Content-Length", environ["QUERY_STRING"])])
    return [b"0123456789"]


def injects(environ: Environ, start: Start) -> Iterable[bytes]:
    start("200 OK", [("X-Name", "a\r\nX-Injected: b")])
    return []


def hop_by_hop(environ: Environ, start: Start) -> Iterable[bytes]:
    start("200 OK", [("Transfer-Encoding", "chunked")])
    return []


def bodiless(environ: Environ, start: Start) -> Iterable[bytes]:
    start(f"{environ['QUERY_STRING']} Whatever", [])
    return []


def file(environ: Environ, start: Start) -> Iterable[bytes]:
    opened = Path(environ["QUERY_STRING"]).open("rb")  # noqa: SIM115 - the server closes it
    start("200 OK", [("Content-Type", "application/octet-stream")])
    wrapped: Iterable[bytes] = environ["wsgi.file_wrapper"](opened, 8192)
    return wrapped


def blocks(environ: Environ, start: Start) -> Iterable[bytes]:
    """Until the file named in the query exists."""
    while not Path(environ["QUERY_STRING"]).exists():
        time.sleep(0.005)  # it blocks: that is its purpose
    start("200 OK", TEXT)
    return [b"unblocked"]


def dies(environ: Environ, start: Start) -> Iterable[bytes]:
    os._exit(9)


@validator
def valid(environ: Environ, start: Start) -> Iterable[bytes]:
    body = environ["wsgi.input"].read(100)
    start("200 OK", [("Content-Type", "text/plain"), ("Content-Length", "5")])
    return [b"valid" if not body or body == b"question" else b"wrong"]


ROUTES: dict[str, Any] = {
    "/": hello,
    "/environ": environment,
    "/echo": echo,
    "/generator": generator,
    "/endless": endless,
    "/fails-late": fails_late,
    "/fails": fails,
    "/leaves": leaves,
    "/recovers": recovers,
    "/too-late": too_late,
    "/writes": writes,
    "/declares": declares,
    "/injects": injects,
    "/hop-by-hop": hop_by_hop,
    "/bodiless": bodiless,
    "/file": file,
    "/blocks": blocks,
    "/dies": dies,
    "/valid": valid,
}


def app(environ: Environ, start: Start) -> Iterable[bytes]:
    answer: Iterable[bytes] = ROUTES[environ["PATH_INFO"]](environ, start)
    return answer
