"""`--trace-sample 1/1000`: of how many requests one is timed."""

from __future__ import annotations

import re

from ..errors import SettingsError

RATE = re.compile(r"1/([1-9][0-9]{0,8})", re.ASCII)


def interval(rate: str | None) -> int:
    """1000 for "1/1000"; 0 for None, which is never. Raises `SettingsError`."""
    if rate is None:
        return 0
    match = RATE.fullmatch(rate) if isinstance(rate, str) else None
    if match is None:
        raise SettingsError(f"trace_sample: {rate!r} is not a share, such as 1/1000")
    return int(match[1])
