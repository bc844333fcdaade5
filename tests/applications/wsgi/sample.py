"""A WSGI application with one path for each rule of PEP 3333 that a test asks about."""

from __future__ import annotations

import io
import json
import sys
from collections.abc import Callable, Iterable, Iterator
from typing import Any
from wsgiref.types import StartResponse, WSGIEnvironment
from wsgiref.validate import validator

from applications.notes_and_gates import burn_until, folder, note, wait_at

Body = Iterable[bytes]
TEXT = [("Content-Type", "text/plain")]


class Trouble(Exception):
    """What goes wrong here on purpose."""


class Closing:
    """An iterable that tells when it is closed."""

    def __init__(self, parts: Iterable[bytes]) -> None:
        self._parts = iter(parts)

    def __iter__(self) -> Iterator[bytes]:
        return self._parts

    def close(self) -> None:
        note("closed")


def environ_as_json(environ: WSGIEnvironment, start_response: StartResponse) -> Body:
    shown = {k: v for k, v in environ.items() if isinstance(v, str | bool | tuple)}
    body = json.dumps(shown).encode()
    start_response("200 OK", [("Content-Type", "application/json")])
    return [body]


def echo(environ: WSGIEnvironment, start_response: StartResponse) -> Body:
    body = environ["wsgi.input"].read()
    start_response("200 OK", [*TEXT, ("X-Length", environ.get("CONTENT_LENGTH", "none"))])
    return [body[:1], body[1:]]


def lines(environ: WSGIEnvironment, start_response: StartResponse) -> Body:
    file = environ["wsgi.input"]
    found = [file.read(3), file.readline(), *file.readlines(), *file]
    start_response("200 OK", TEXT)
    return [json.dumps([part.decode() for part in found]).encode()]


def noted(environ: WSGIEnvironment, start_response: StartResponse) -> Body:
    note("called")
    start_response("200 OK", TEXT)
    return [b"noted"]


def generator(environ: WSGIEnvironment, start_response: StartResponse) -> Body:
    start_response("200 OK", TEXT)
    yield b""
    yield b"one"
    yield b""
    yield b"two"


def lazy(environ: WSGIEnvironment, start_response: StartResponse) -> Body:
    """A part is with the client before the next is made."""
    start_response("200 OK", TEXT)
    yield b"first"
    wait_at("lazy")
    yield b"second"


def sized_generator(environ: WSGIEnvironment, start_response: StartResponse) -> Body:
    start_response("200 OK", [*TEXT, ("Content-Length", "6")])
    return iter([b"one", b"two"])


def write(environ: WSGIEnvironment, start_response: StartResponse) -> Body:
    put = start_response("200 OK", TEXT)
    put(b"a")
    put(b"b")
    return [b"c"]


def write_between(environ: WSGIEnvironment, start_response: StartResponse) -> Body:
    put = start_response("200 OK", TEXT)
    put(b"a")

    def parts() -> Iterator[bytes]:
        put(b"b")
        yield b"c"
        put(b"d")
        yield b"e"
        put(b"f")

    return parts()


def write_then_fail(environ: WSGIEnvironment, start_response: StartResponse) -> Body:
    """What was written has left: the error breaks it off."""
    put = start_response("200 OK", TEXT)
    put(b"half a page")
    try:
        raise Trouble("after write")
    except Trouble:
        start_response("503 Busy", [("Content-Length", "5")], sys.exc_info())
    return [b"sorry"]


def closing(environ: WSGIEnvironment, start_response: StartResponse) -> Body:
    start_response("200 OK", TEXT)
    return Closing([b"x"])


def endless(environ: WSGIEnvironment, start_response: StartResponse) -> Body:
    start_response("200 OK", TEXT)

    def parts() -> Iterator[bytes]:
        while True:
            yield bytes(65536)

    return Closing(parts())


def failing_close(environ: WSGIEnvironment, start_response: StartResponse) -> Body:
    class Failing(Closing):
        def close(self) -> None:
            raise Trouble("in close")

    start_response("200 OK", TEXT)
    return Failing([b"whole"])


def fail(environ: WSGIEnvironment, start_response: StartResponse) -> Body:
    raise Trouble("secret detail")


def fail_at_first(environ: WSGIEnvironment, start_response: StartResponse) -> Body:
    start_response("200 OK", TEXT)

    def parts() -> Iterator[bytes]:
        yield b""
        raise Trouble("secret detail")

    return Closing(parts())


def fail_midway(environ: WSGIEnvironment, start_response: StartResponse) -> Body:
    start_response("200 OK", TEXT)

    def parts() -> Iterator[bytes]:
        yield b"begun"
        raise Trouble("secret detail")

    return Closing(parts())


def leave(environ: WSGIEnvironment, start_response: StartResponse) -> Body:
    raise SystemExit(3)


def sorry(start_response: StartResponse) -> bytes:
    try:
        raise Trouble("handled late")
    except Trouble:
        start_response("503 Busy", [*TEXT, ("X-Late", "yes")], sys.exc_info())
    return b"sorry"


def late_before(environ: WSGIEnvironment, start_response: StartResponse) -> Body:
    """The head is replaced: nothing has left yet."""
    start_response("200 OK", [*TEXT, ("X-Early", "yes")])
    yield b""
    yield sorry(start_response)


def late_after(environ: WSGIEnvironment, start_response: StartResponse) -> Body:
    """Too late: start_response raises the error again."""
    start_response("200 OK", TEXT)
    yield b"begun"
    yield sorry(start_response)


def bodiless(environ: WSGIEnvironment, start_response: StartResponse) -> Body:
    status = environ["QUERY_STRING"]
    start_response(f"{status} Whatever", [("ETag", '"e"')])
    return iter([b"must", b" not leave"])


def too_long(environ: WSGIEnvironment, start_response: StartResponse) -> Body:
    start_response("200 OK", [("Content-Length", "4")])
    parts = [b"123456", b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nx"]
    return parts if environ["QUERY_STRING"] == "list" else iter(parts)


def never_ending(environ: WSGIEnvironment, start_response: StartResponse) -> Body:
    length = environ["QUERY_STRING"]
    start_response("200 OK", [("Content-Length", length)] if length else [])
    try:
        while True:
            yield b"123456"
    finally:
        note("the end of the endless")


def too_short(environ: WSGIEnvironment, start_response: StartResponse) -> Body:
    start_response("200 OK", [("Content-Length", "10")])
    return [b"123"] if environ["QUERY_STRING"] == "list" else iter([b"123"])


BAD_STARTS: dict[str, tuple[Any, Any]] = {
    "value": ("200 OK", [("X-A", "1\r\nX-Injected: 1")]),
    "value-lf": ("200 OK", [("X-A", "1\nX-Injected: 1")]),
    "value-cr": ("200 OK", [("X-A", "1\rX-Injected: 1")]),
    "value-nul": ("200 OK", [("X-A", "1\0")]),
    "name": ("200 OK", [("X-Injected: 1\r\nX-A", "1")]),
    "name-space": ("200 OK", [("X-Injected ", "1")]),
    "reason": ("200 OK\r\nX-Injected: 1", []),
    "status": ("2000 OK", []),
    "status-informational": ("103 Early Hints", []),
    "status-number": (200, []),
    "bytes": ("200 OK", [(b"X-A", b"1")]),
    "not-latin-1": ("200 OK", [("X-A", "\u20ac")]),
    "no-pairs": ("200 OK", ["X-A"]),
    "a-dictionary": ("200 OK", {"X-A": "1"}),
    "length": ("200 OK", [("Content-Length", "-1")]),
    "two-lengths": ("200 OK", [("Content-Length", "1"), ("Content-Length", "2")]),
}
"""What must be refused before a byte of it leaves."""


def bad_start(environ: WSGIEnvironment, start_response: Any) -> Body:
    start_response(*BAD_STARTS[environ["QUERY_STRING"]])
    return [b"must not leave"]


HOP_BY_HOP = [
    ("Connection", "Keep-Alive, X-Kept"),
    ("Transfer-Encoding", "chunked"),
    ("Upgrade", "websocket"),
    ("Keep-Alive", "timeout=5"),
    ("Trailer", "X-A"),
    ("Proxy-Connection", "keep-alive"),
]
"""What PEP 3333 leaves to the server, and applications give all the same."""


def hop_by_hop(environ: WSGIEnvironment, start_response: StartResponse) -> Body:
    close = [("Connection", "close")] if environ["QUERY_STRING"] == "close" else []
    start_response("200 OK", [*HOP_BY_HOP, *close, ("X-Kept", "yes")])
    return [b"framed", b" by the server"]


BAD_BODIES: dict[str, Any] = {
    "text": ["text"],
    "text-of-generator": lambda: iter(["text"]),
    "number": 1,
    "nothing": None,
    "bytes": b"text",
}


def bad_body(environ: WSGIEnvironment, start_response: StartResponse) -> Any:
    body = BAD_BODIES[environ["QUERY_STRING"]]
    start_response("200 OK", TEXT)
    return body() if callable(body) else body


def no_start(environ: WSGIEnvironment, start_response: StartResponse) -> Body:
    return [b"must not leave"]


def two_starts(environ: WSGIEnvironment, start_response: StartResponse) -> Body:
    start_response("200 OK", TEXT)
    start_response("200 OK", TEXT)
    return [b"must not leave"]


def file(environ: WSGIEnvironment, start_response: StartResponse) -> Body:
    kind = environ["QUERY_STRING"]
    source: Any
    if kind == "memory":
        source = io.BytesIO(b"0123456789")
    else:
        source = (folder() / "file").open("rb")
        source.seek(3)
    if kind == "shorter":
        start_response("200 OK", [("Content-Length", "4")])
    else:
        start_response("200 OK", TEXT)

    class Noting:
        """The file itself, and a note of its end."""

        def __getattr__(self, name: str) -> Any:
            return getattr(source, name)

        def close(self) -> None:
            source.close()
            note("closed")

    wrapped: Body = environ["wsgi.file_wrapper"](Noting(), 4)
    return wrapped


def gate(environ: WSGIEnvironment, start_response: StartResponse) -> Body:
    note("waiting")
    wait_at(environ["QUERY_STRING"])
    start_response("200 OK", TEXT)
    return [b"passed"]


def burn(environ: WSGIEnvironment, start_response: StartResponse) -> Body:
    note("burning")
    burn_until(environ["QUERY_STRING"])
    start_response("200 OK", TEXT)
    return [b"burnt"]


def mutating(environ: WSGIEnvironment, start_response: StartResponse) -> Body:
    """An environ belongs to its request: what is done to it must not be seen by the next."""
    seen = "X-Mine" in environ
    environ["X-Mine"] = "yes"
    environ["HTTP_HOST"] = "changed"
    start_response("200 OK", TEXT)
    return [b"seen" if seen else b"fresh"]


PATHS: dict[str, Callable[[Any, Any], Any]] = {
    f"/{function.__name__.replace('_', '-')}": function
    for function in (
        *(echo, lines, noted, generator, lazy, sized_generator, write, write_between),
        *(write_then_fail, closing, endless, failing_close, fail, fail_at_first, fail_midway),
        *(leave, late_before, late_after, bodiless, too_long, never_ending, too_short),
        *(bad_start, bad_body, hop_by_hop),
        *(no_start, two_starts, file, gate, burn, mutating),
    )
}


def app(environ: WSGIEnvironment, start_response: StartResponse) -> Any:
    return PATHS.get(environ["PATH_INFO"], environ_as_json)(environ, start_response)


def validated_part(environ: WSGIEnvironment, start_response: StartResponse) -> Body:
    """An application that keeps every rule, so that only the server may break one."""
    length = int(environ.get("CONTENT_LENGTH") or 0)
    body = environ["wsgi.input"].read(length)
    environ["wsgi.errors"].flush()
    if environ["QUERY_STRING"] == "write":
        start_response("200 OK", TEXT)(body)
        return []
    start_response("200 OK", TEXT)
    return [body] if environ["QUERY_STRING"] == "list" else iter([body, b"!"])


validated = validator(validated_part)
