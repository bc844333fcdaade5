"""One sample on its way to the control process: a line of fields between tabs.

JSON would cost the server more than the measuring does.
"""

from __future__ import annotations

from typing import Any

LINE = b"s\t%b\t%b\t%b\t%d\t%d\t%d\t%d\t%d\t%d\t%d\t%d\t%d\n"

START = b"s\t"
"""By which it is known among the other lines, which are JSON."""

NO_TCP = -1

TEXTS = ("method", "target", "parent")
NUMBERS = ("status", "end", "read", "app", "send", "thread", "rtt", "retransmitted", "lost")
"""Nanoseconds; `end` since 1970, `rtt` is `NO_TCP` for a UNIX socket."""


def sample_of(line: bytes) -> dict[str, Any]:
    """Raises `ValueError` if it is not a sample."""
    _, *fields = line.split(b"\t")
    if len(fields) != len(TEXTS) + len(NUMBERS):
        raise ValueError(line)
    texts, numbers = fields[: len(TEXTS)], fields[len(TEXTS) :]
    sample: dict[str, Any] = {
        name: text.decode("latin-1") for name, text in zip(TEXTS, texts, strict=True)
    }
    sample |= zip(NUMBERS, map(int, numbers), strict=True)
    return sample
