"""A trace as one page that needs nothing else: a drawing to play, tables to read.

Nothing on it comes from the network, and its policy forbids that anything does.  Whatever
a trace brings (a request's target is the client's to choose) goes in as text; the policy
names the page's own script by its hash, so that no other would run.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Sequence
from html import escape
from importlib.resources import files
from string import Template

from ...model import Trace
from ..labels import listed, pair_of, request_of
from .diagram import diagram
from .tables import comparison, report


def as_html(traces: Trace | Sequence[Trace]) -> str:
    """The page, for one trace or for several of one request."""
    several = listed(traces)
    style, script = _part("trace.css"), _part("trace.js")
    page = Template(_part("trace.html")).substitute(
        title=escape(request_of(several[0])),
        style=style,
        style_hash=_hash(style),
        script=script,
        script_hash=_hash(script),
        comparison=comparison(several),
        choice=_choice(several),
        diagram=diagram(several[0]),
        reports="\n".join(report(index, trace) for index, trace in enumerate(several)),
        json=_embedded(several),
    )
    # A command line's bytes that are no UTF-8 come as surrogates, which no file can hold.
    return page.encode("utf-8", "backslashreplace").decode("utf-8")


def _part(name: str) -> str:
    return files(__package__).joinpath(name).read_text("utf-8")


def _hash(text: str) -> str:
    """As a Content-Security-Policy names what it allows."""
    return base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


def _embedded(traces: tuple[Trace, ...]) -> str:
    """JSON that cannot end its element, nor begin a comment or another script in it."""
    return json.dumps([trace.as_json() for trace in traces]).replace("<", "\\u003c")


def _choice(traces: tuple[Trace, ...]) -> str:
    if len(traces) == 1:
        return ""
    options = "".join(
        f'<option value="{index}">{escape(pair_of(trace))}</option>'
        for index, trace in enumerate(traces)
    )
    return (
        '<p class="choice"><label for="choice">Which trace</label>'
        f' <select id="choice">{options}</select></p>'
    )
