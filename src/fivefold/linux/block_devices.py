"""sysfs(5): which disk a partition is on.

The block layer's events name the device a request was made to (a partition) until it is
issued, and the disk from then on; the sector is counted on the disk in both.
"""

from __future__ import annotations

from pathlib import Path


def disk_of(major: int, minor: int) -> tuple[int, int]:
    """The disk that holds this partition; a device that is no partition is its own."""
    device = Path(f"/sys/dev/block/{major}:{minor}")
    if not (device / "partition").exists():
        return major, minor
    found, _, number = (device.resolve().parent / "dev").read_text().partition(":")
    return int(found), int(number)
