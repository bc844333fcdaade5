"""The time as lines have it: made once a second, as the `Date` field is (`http1.response`)."""

from __future__ import annotations

import time
from dataclasses import dataclass

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
    local = time.localtime(wall)
    sign, minutes = ("-" if local.tm_gmtoff < 0 else "+"), abs(local.tm_gmtoff) // 60
    zone = f"{sign}{minutes // 60:02}", f"{minutes % 60:02}"
    clock = f"{local.tm_hour:02}:{local.tm_min:02}:{local.tm_sec:02}"
    return Second(
        f"{local.tm_mday:02}/{MONTHS[local.tm_mon - 1]}/{local.tm_year}:{clock} {''.join(zone)}",
        f"{local.tm_year:04}-{local.tm_mon:02}-{local.tm_mday:02}T{clock}{':'.join(zone)}",
        1.0 - wall % 1.0,
    )
