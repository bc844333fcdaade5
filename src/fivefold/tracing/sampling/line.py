"""One sample on its way to the control process: a line of fields between tabs.

JSON would cost the server more than the measuring does.
"""

from __future__ import annotations

from typing import Any

from ...isolation.foreign_documents import MOST

LINE = b"s\t%b\t%b\t%b\t%d\t%d\t%d\t%d\t%d\t%d\t%d\t%d\t%d\t%d\n"

START = b"s\t"
"""By which it is known among the other lines, which are JSON."""

NO_TCP = -1
"""In place of the round-trip time: a UNIX socket has none."""

NO_QUEUE = -1
"""In place of the time in the queue: it is not known, or not of this request."""

SHOWN_TARGET = 1000

TEXTS = ("method", "target", "parent")
NUMBERS = (
    *("status", "end", "read", "app", "send", "thread", "rtt"),
    *("retransmitted", "lost", "queue"),
)
"""What stands between the tabs, in this order."""


def sample_of(line: bytes) -> dict[str, Any]:
    """Nanoseconds; `end` since 1970. Raises `ValueError` if it is not a sample."""
    _, *words = line.split(b"\t")
    texts = [word.decode("latin-1") for word in words[: len(TEXTS)]]
    sample: dict[str, Any] = dict(zip(TEXTS, texts, strict=True))
    numbers = [int(word) for word in words[len(TEXTS) :]]
    if not all(-MOST <= number < MOST for number in numbers):
        raise ValueError("a number is too large")
    return sample | dict(zip(NUMBERS, numbers, strict=True))
