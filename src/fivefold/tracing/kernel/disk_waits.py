"""When a request waited for a disk, by what the kernel tells.

Facts.
    A thread that needs a page which is not in memory puts an empty one into the page cache
    (`filemap:mm_filemap_add_to_page_cache`), asks the disk to fill it, and sleeps in state
    D until that is done.  The asking may be another thread's doing: a throttled or merged
    request is issued by a worker of the kernel's, and then no event of the disk is ours.
    A ring does not sleep: it completes the read when the pages are there.

Choice.
    A wait is a sleep in state D of a thread that had put pages into the cache, or a read
    in a ring during which pages were.  Locks sleep in state D, too, but rarely then.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from ..model import Observation
from .off_cpu import off_cpu

PAGES = "filemap:mm_filemap_add_to_page_cache"
SUBMITTED, COMPLETED = "io_uring:io_uring_submit_req", "io_uring:io_uring_complete"
UNINTERRUPTIBLE = "D"

Wait = tuple[int, int]
"""From and to, in nanoseconds."""


def disk_waits(observations: Iterable[Observation], end_ns: int) -> list[Wait]:
    """All of them, in order, those that overlap as one."""
    seen = list(observations)
    return merged([*asleep(seen, end_ns), *in_rings(seen)])


def merged(waits: Iterable[Wait]) -> list[Wait]:
    """In order, those that overlap as one: no moment is counted twice."""
    apart: list[Wait] = []
    for start, end in sorted(waits):
        if apart and start <= apart[-1][1]:
            apart[-1] = apart[-1][0], max(end, apart[-1][1])
        else:
            apart.append((start, end))
    return apart


def asleep(seen: list[Observation], end_ns: int) -> Iterator[Wait]:
    since: dict[int, int] = {}
    for one in seen:
        if one.event == PAGES:
            since.setdefault(one.detail["tid"], one.at_ns)
    for tid, began in since.items():
        for span in off_cpu(seen, tid, end_ns):
            if UNINTERRUPTIBLE in span.why.split("|") and span.start_ns >= began:
                yield span.start_ns, span.end_ns


def in_rings(seen: list[Observation]) -> Iterator[Wait]:
    missing = [one.at_ns for one in seen if one.event == PAGES]
    for start, end, _ in ring_reads(seen):
        if any(start <= at <= end for at in missing):
            yield start, end


def ring_reads(seen: Iterable[Observation]) -> Iterator[tuple[int, int, int]]:
    """When each read was submitted and completed, and how many bytes it brought."""
    reading: dict[tuple[str, int], int] = {}
    for one in seen:
        if one.event not in {SUBMITTED, COMPLETED}:
            continue
        fields = one.detail["fields"]
        which = fields["ring"], fields["user_data"]
        if one.event == SUBMITTED and str(fields.get("opcode", "")).startswith("READ"):
            reading[which] = one.at_ns
        elif one.event == COMPLETED and which in reading:
            yield reading.pop(which), one.at_ns, max(0, fields["result"])


def spent(waits: Iterable[Wait], start_ns: int, end_ns: int) -> int:
    """Nanoseconds of the waits that lie between two moments."""
    return sum(max(0, min(end, end_ns) - max(start, start_ns)) for start, end in waits)
