"""Whether a command writes in colour: one answer for all of them."""

from __future__ import annotations

import os
import sys


def wants_colour() -> bool:
    """On a terminal that can show it, unless NO_COLOR is there and not empty
    (https://no-color.org)."""
    return sys.stdout.isatty() and not os.environ.get("NO_COLOR") and is_able()


def is_able() -> bool:
    return os.environ.get("TERM") != "dumb"
