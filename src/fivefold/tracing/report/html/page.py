"""A trace as one page: a drawing to play, tables to read.

The templates in this folder hold the markup; here stands what they are given.
"""

from __future__ import annotations

from collections.abc import Sequence

from ....pages import rendered
from ...model import Trace
from .. import labels, lanes
from ..labels import listed
from . import diagram, words


def as_html(traces: Trace | Sequence[Trace]) -> str:
    """The page, for one trace or for several of one request."""
    several = listed(traces)
    return rendered(
        __package__,
        "trace",
        traces=several,
        labels=labels,
        words=words,
        diagram=diagram,
        lanes=lanes,
        data=[trace.as_json() for trace in several],
    )
