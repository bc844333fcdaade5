"""The time as lines have it: made once a second, as the `Date` field is (`http1.response`)."""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import UTC, datetime

MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
"""In English whatever the locale says: programs read them."""


@dataclass(frozen=True, slots=True, eq=False)
class Second:
    """One second; two of them are the same if they are one object."""

    common: str
    """As in Apache's and nginx's logs: 24/Nov/2026:02:10:00 +0000."""
    iso: str
    """RFC 3339: 2026-11-24T02:10:00+00:00."""
    ends_in: float
    """Seconds from when it was made."""


def present() -> Second:
    """The second that it is now, in local time."""
    wall = time.time()
    local = datetime.fromtimestamp(wall, UTC).astimezone()
    return Second(
        f"{local:%d}/{MONTHS[local.month - 1]}/{local:%Y:%H:%M:%S %z}",
        local.isoformat(timespec="seconds"),
        1.0 - wall % 1.0,
    )
