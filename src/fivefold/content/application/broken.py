"""The page that stands for an application that cannot be loaded, under `--reload`.

A developer who edits an application looks at the browser as often as at the terminal; so the
error is the answer to every request until a change of the code mends it.  It shows
source lines: nothing for a server that the world can reach, like `--reload` itself.
"""

from __future__ import annotations

import html
import os
import traceback
from importlib.resources import files
from pathlib import Path
from string import Template

from ...http1.exchange import Exchange
from ...http1.request import fields_of
from ...http1.response import Response, plain
from ..base import Content

PACKAGE = os.fspath(Path(__file__).parents[2]) + os.sep


class Broken(Content):
    """Content that says why there is no other."""

    def __init__(self, error: Exception) -> None:
        trace = trace_of(error)
        block = f"<pre>{html.escape(trace)}</pre>" if trace else ""
        page = Template(files(__package__).joinpath("broken.html").read_text("utf-8"))
        text = page.substitute(error=html.escape(str(error)), trace=block)
        self._page = text.encode(errors="backslashreplace")
        self._text = f"{error}\n\n{trace}".rstrip()

    async def respond(self, exchange: Exchange) -> None:
        exchange.keep = False  # the next request may meet the mended application
        accepted = dict(fields_of(exchange.request_head)).get(b"accept", b"")
        fresh = (b"Cache-Control", b"no-store")
        if b"text/html" in accepted:
            fields = [(b"Content-Type", b"text/html; charset=utf-8"), fresh]
            await exchange.answer(Response(500, fields, self._page))
        else:
            await exchange.answer(plain(500, self._text, [fresh]))


def trace_of(error: BaseException) -> str:
    """The traceback of what the application raised, without our frames and importlib's."""
    cause = error.__cause__
    if cause is None:
        return ""
    exception = traceback.TracebackException.from_exception(cause)
    link: traceback.TracebackException | None = exception
    while link is not None:
        kept = [frame for frame in link.stack if is_foreign(frame.filename)]
        link.stack = traceback.StackSummary.from_list(kept)
        link = link.__cause__ or link.__context__
    return "".join(exception.format())


def is_foreign(file: str) -> bool:
    return not file.startswith((PACKAGE, "<frozen importlib")) and "importlib" not in file
