"""How long one request takes when no other client asks.

Clients that ask together and are answered no faster than one alone are served one after the other:
with an idle processor that is an application that blocks its event loop.  No second server is
needed to see it.
"""

from __future__ import annotations

import http.client
import time
from collections.abc import Sequence

from ...load.job import Ask
from .copied_bytes import asked

TIMES = 3
"""The shortest counts: whatever else the machine does only makes it longer."""


def shortest_ms(address: tuple[str, int], asks: Sequence[Ask]) -> float | None:
    """Milliseconds, a new connection included; None if it is not answered."""
    if not asks:
        return None
    durations = []
    try:
        for _ in range(TIMES):
            begun = time.monotonic()
            asked(address, asks[0])
            durations.append(time.monotonic() - begun)
    except (OSError, http.client.HTTPException):
        return None  # it was harmed, or does not answer
    return min(durations) * 1e3


def is_done(address: tuple[str, int], asks: Sequence[Ask], patience_s: float) -> bool:
    """Whether the server answers in this time, behind whatever its last clients have left it."""
    try:
        for ask in asks[:1]:
            asked(address, ask, patience_s)
    except (OSError, http.client.HTTPException):
        return False
    return True
