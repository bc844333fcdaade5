"""An application that ends without a response, or with half of one: one line in the log, an
answer that the client cannot take for a whole one, and the next request is served."""

from __future__ import annotations

from http.client import HTTPResponse, IncompleteRead
from typing import Any

from applications import half_responses
from support.every_pair import pairs
from support.servers.deployed import until
from support.servers.embedded import Site, hosting

Pair = dict[str, Any]

BROKEN = "broken"
"""The end of a body that the client can tell from a whole one."""

WITHOUT, FAILED = "the application ended", "the application failed at"
SHORTER, LONGER = "shorter than its Content-Length", "longer than its Content-Length"

ASGI: dict[str, tuple[int, Any, str]] = {
    "nothing": (500, None, WITHOUT + " without a response"),
    "head": (500, None, WITHOUT + " without a body"),
    "begun": (200, BROKEN, WITHOUT + " in the middle of its response"),
    "sized-begun": (200, BROKEN, WITHOUT + " in the middle of its response"),
    "sized-whole-but-not-said": (200, b"abcd", WITHOUT + " in the middle of its response"),
    "shorter": (200, BROKEN, SHORTER),
    "empty": (200, BROKEN, SHORTER),
    "longer": (200, b"abcd", LONGER),
    "longer-later": (200, b"abcd", LONGER),
    "no-head": (500, None, FAILED),
    "two-heads": (500, None, FAILED),
    "two-heads-later": (200, BROKEN, FAILED),
    "behind-the-end": (200, b"abcd", FAILED),
    "no-trailers": (200, BROKEN, WITHOUT + " in the middle of its response"),
    "unknown": (500, None, FAILED),
}
"""Status, body (None: ours), and what the log says of it."""

DEAF: dict[str, tuple[int, Any, str]] = {
    "no-head": (500, None, WITHOUT + " without a response"),
    "two-heads": (500, None, WITHOUT + " without a body"),
    "two-heads-later": (200, BROKEN, WITHOUT + " in the middle of its response"),
    "unknown": (500, None, WITHOUT + " without a body"),
}
"""What it is if the application does not mind the errors of `send`."""

WSGI: dict[str, tuple[int, Any, str]] = {
    "none": (500, None, FAILED),
    "no-start": (500, None, FAILED),
    "no-start-and-nothing": (500, None, FAILED),
    "no-start-in-parts": (500, None, FAILED),
    "start-and-nothing": (200, BROKEN, SHORTER),
    "start-twice": (500, None, FAILED),
    "shorter": (200, BROKEN, SHORTER),
    "shorter-in-parts": (200, BROKEN, SHORTER),
    "shorter-written": (200, BROKEN, SHORTER),
    "longer": (200, b"abcd", LONGER),
    "longer-in-parts": (200, b"abcd", LONGER),
    "longer-written": (200, b"abcd", LONGER),
    "text": (500, None, FAILED),
    "text-later": (200, BROKEN, FAILED),
    "no-iterable": (500, None, FAILED),
    "raises": (500, None, FAILED),
    "raises-behind-start": (500, None, FAILED),
    "raises-in-the-first-part": (500, None, FAILED),
    "raises-later": (200, BROKEN, FAILED),
    "raises-behind-write": (200, BROKEN, FAILED),
    "close": (200, b"abcd", "the application's close() failed at"),
    "close-behind-half": (200, b"part", "the application's close() failed at"),
}


def check(site: Site, target: str, expected: tuple[int, Any, str], minor: int = 1) -> None:
    """Asked on a connection of its own; if that is kept, the next answer is the next request's."""
    status, body, line = expected
    (site.folder / "log").write_text("")
    with site.wire() as wire:
        wire.put(target, minor=minor)
        response = HTTPResponse(wire.sock)
        response.begin()
        try:
            came: Any = response.read()
        except (IncompleteRead, ConnectionResetError):
            came = BROKEN
        assert response.status == status, target
        assert came == body or (body is None and b"500" in came), target
        response.close()
        if came != BROKEN:
            try:
                assert wire.ask("/").body == b"fine", target
            except (EOFError, ConnectionError):
                pass  # it was the last one
    with site.wire() as wire:
        assert wire.ask("/").body == b"fine", target
    until(lambda: "\nthe " in f"\n{site.log}", f"a line about {target}")
    said = [text for text in site.log.splitlines() if text.startswith("the ")]
    assert len(said) == 1, (target, site.log)
    assert line in said[0], target
    assert target.partition("?")[0] in said[0], target


@pairs()
def test_asgi(pair: Pair) -> None:
    with hosting(half_responses.asgi, **pair) as site:
        for name, expected in ASGI.items():
            check(site, f"/{name}", expected)
            check(site, f"/{name}?later", expected)
        for name, expected in DEAF.items():
            check(site, f"/{name}?deaf", expected)
        check(site, "/nothing", ASGI["nothing"], minor=0)
        check(site, "/begun", ASGI["begun"], minor=0)
        check(site, "/begun?listening", ASGI["begun"], minor=0)
        with site.wire() as wire:
            wire.put("/hint")
            assert [wire.head().status, wire.answer().status] == [103, 500]


@pairs()
def test_wsgi(pair: Pair) -> None:
    with hosting(half_responses.wsgi, **pair) as site:
        for name, expected in WSGI.items():
            check(site, f"/{name}", expected)
        check(site, "/raises-later", WSGI["raises-later"], minor=0)
