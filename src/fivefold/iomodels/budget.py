"""What one connection may do in a turn before the others are served, in every engine."""

from __future__ import annotations

BURST = 64
"""So many operations in a row may need no wait before the others have their turn; a larger one
counts once more for each `SENT_PART` or `RECEIVED_PART`. About a millisecond, if what happens
between two of them takes 15 us: what takes longer must yield itself, as `http1` does."""

SENT_PART = 16384
"""Bytes sent in the time of one more operation."""

RECEIVED_PART = 1024
"""Bytes received likewise: they are parsed, stored and answered as well."""
