"""Applications, ASGI and WSGI, that end without a response, or with half of one."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from typing import Any

from applications.notes_and_gates import Receive, Scope, Send

START: dict[str, Any] = {"type": "http.response.start", "status": 200, "headers": []}
SIZED: dict[str, Any] = START | {"headers": [(b"content-length", b"4")]}


def part(data: bytes, *, more: bool = False) -> dict[str, Any]:
    return {"type": "http.response.body", "body": data, "more_body": more}


HINT = {"type": "http.response.early_hint", "links": [b"</a>"]}

MESSAGES: dict[str, list[dict[str, Any]]] = {
    "nothing": [],
    "head": [START],
    "begun": [START, part(b"part", more=True)],
    "sized-begun": [SIZED, part(b"ab", more=True)],
    "sized-whole-but-not-said": [SIZED, part(b"abcd", more=True)],
    "shorter": [SIZED, part(b"ab")],
    "empty": [SIZED, part(b"")],
    "longer": [SIZED, part(b"abcdef")],
    "longer-later": [SIZED, part(b"abcd", more=True), part(b"ef")],
    "no-head": [part(b"ab")],
    "two-heads": [START, START],
    "two-heads-later": [START, part(b"part", more=True), START],
    "behind-the-end": [SIZED, part(b"abcd"), part(b"more")],
    "hint": [HINT],
    "no-trailers": [START | {"trailers": True}, part(b"part")],
    "unknown": [START, {"type": "http.response.unheard_of"}],
}


async def asgi(scope: Scope, receive: Receive, send: Send) -> None:
    """/name sends these messages; with ?later it lets others run between them, with ?deaf it
    does not mind what `send` raises, with ?listening it waits for the client's end as well."""
    if scope["type"] != "http":
        raise NotImplementedError
    how = scope["query_string"].decode()
    if how == "listening":
        await receive()
        listener = asyncio.ensure_future(receive())
        listener.add_done_callback(lambda listener: listener.cancelled() or listener.result())
        await asyncio.sleep(0)
    for message in MESSAGES.get(scope["path"][1:], [SIZED, part(b"fine")]):
        if how == "later":
            await asyncio.sleep(0)
        try:
            await send(message)
        except RuntimeError:
            if how != "deaf":
                raise


HEAD: list[tuple[str, str]] = [("Content-Type", "text/plain")]
FOUR = [*HEAD, ("Content-Length", "4")]


class Closing:
    """Parts, and a `close` that raises."""

    def __init__(self, *parts: bytes) -> None:
        self._parts = iter(parts)

    def __iter__(self) -> Iterator[bytes]:
        return self._parts

    def close(self) -> None:
        raise ValueError("close fails")


def parts(*given: Any) -> Iterator[Any]:
    for each in given:
        if isinstance(each, Exception):
            raise each
        yield each


def raising() -> Any:
    raise ValueError("it raises")


def wrote(write: Callable[[bytes], Any], data: bytes, then: Any) -> Any:
    write(data)
    return then() if callable(then) else then


CALLS: dict[str, Callable[[Any], Any]] = {
    "none": lambda start: start("200 OK", HEAD) and None,
    "no-start": lambda start: [b"ab"],
    "no-start-and-nothing": lambda start: [],
    "no-start-in-parts": lambda start: parts(b"ab"),
    "start-and-nothing": lambda start: start("200 OK", FOUR) and [],
    "start-twice": lambda start: start("200 OK", HEAD) and start("200 OK", HEAD) and [],
    "shorter": lambda start: start("200 OK", FOUR) and [b"ab"],
    "shorter-in-parts": lambda start: start("200 OK", FOUR) and parts(b"a", b"b"),
    "shorter-written": lambda start: wrote(start("200 OK", FOUR), b"ab", []),
    "longer": lambda start: start("200 OK", FOUR) and [b"abcdef"],
    "longer-in-parts": lambda start: start("200 OK", FOUR) and parts(b"abcd", b"ef"),
    "longer-written": lambda start: wrote(start("200 OK", FOUR), b"abcd", [b"ef"]),
    "text": lambda start: start("200 OK", HEAD) and ["ab"],
    "text-later": lambda start: start("200 OK", HEAD) and parts(b"part", "ab"),
    "no-iterable": lambda start: start("200 OK", HEAD) and 5,
    "raises": lambda start: raising(),
    "raises-behind-start": lambda start: start("200 OK", HEAD) and raising(),
    "raises-in-the-first-part": lambda start: start("200 OK", HEAD) and parts(ValueError("a bug")),
    "raises-later": lambda start: start("200 OK", HEAD) and parts(b"part", ValueError("a bug")),
    "raises-behind-write": lambda start: wrote(start("200 OK", HEAD), b"part", raising),
    "close": lambda start: start("200 OK", FOUR) and Closing(b"abcd"),
    "close-behind-half": lambda start: start("200 OK", HEAD) and Closing(b"part"),
}


def wsgi(environ: dict[str, Any], start_response: Any) -> Any:
    call = CALLS.get(environ["PATH_INFO"][1:])
    if call is not None:
        return call(start_response)
    start_response("200 OK", FOUR)
    return [b"fine"]
