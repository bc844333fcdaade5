"""CORS: what a browser asks before a page of another origin may send an unusual request."""

from __future__ import annotations

from ...http1.response import Fields, Response

DAY_S = b"86400"
"""As long as any browser remembers the answer."""


def preflight(always: Fields) -> Response:
    """Every field is fine to send: a folder obeys few, and none of them can do harm."""
    allowed = [
        (b"Access-Control-Allow-Methods", b"GET, HEAD"),
        (b"Access-Control-Allow-Headers", b"*"),
        (b"Access-Control-Max-Age", DAY_S),
    ]
    return Response(204, [*always, *allowed])
