"""What the counts of a running server say of its requests, for a program outside of it.

Facts.        The counts lie in memory files (`rows`), which /proc shows to whoever may look into
              the server's processes (proc(5)).
Choice.       They are read there: the server does nothing for it, even if all of it is stuck.
Assumption.   The server is of this version: files of another size are not taken for counts.
Cost.         None to the server; a reader copies 9 KB for each thread that has ever served.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterable
from itertools import accumulate
from pathlib import Path
from time import monotonic

from .rows import (
    COUNTS,
    DURATION,
    DURATION_SUM,
    DURATIONS_NS,
    SERVER_ERRORS,
    STATUSES,
    WORD_BYTES,
    WORDS,
)

UNCOUNTED = "Nothing counts requests: start the server with --status to see rates and percentiles."

PERCENTS = (50, 95, 99)


class Rates:
    """Between two looks; the first one sees all since the server's start."""

    def __init__(self) -> None:
        self._before = [0] * WORDS
        self._at: float | None = None

    def look(self, pids: Iterable[int]) -> str:
        """A line for people. `pids`: the server's processes."""
        counts, now = counted(pids), monotonic()
        if counts is None:
            return UNCOUNTED
        new = [max(0, after - before) for after, before in zip(counts, self._before, strict=True)]
        line = described(new, None if self._at is None else now - self._at)
        self._before, self._at = counts, now
        return line


def described(new: list[int], seconds: float | None) -> str:
    """`seconds`: in which they were counted; None since the server's start."""
    requests, errors = sum(new[:STATUSES]), sum(new[SERVER_ERRORS:STATUSES])
    if seconds is None:
        rate = f"{requests} requests since the start, {errors} with status 5xx"
    else:
        rate = f"{requests / seconds:.1f} requests/s, {errors / seconds:.1f}/s with status 5xx"
    buckets = new[DURATION:DURATION_SUM]
    return "; ".join([rate, *(f"p{each} {percentile(buckets, each)}" for each in PERCENTS)])


def percentile(buckets: list[int], percent: int) -> str:
    """The bound below which so many of the durations are."""
    rank = sum(buckets) * percent / 100
    if not rank:
        return "-"
    for count, bound in zip(accumulate(buckets), DURATIONS_NS, strict=False):
        if count >= rank:
            return f"<= {bound / 1e6:g} ms"
    return f"> {DURATIONS_NS[-1] / 1e6:g} ms"


def counted(pids: Iterable[int]) -> list[int] | None:
    """The sums of all rows, by word; None if no process has any that we may read."""
    for pid in pids:
        with contextlib.suppress(OSError):  # it has ended, or is another user's
            if files := files_of(pid):
                rows = [row for file in files.values() for row in rows_of(file)]
                return [sum(column) for column in zip([0] * WORDS, *rows, strict=True)]
    return None


def files_of(pid: int) -> dict[int, Path]:
    """By their inodes: a process may have several descriptors of one."""
    found = {}
    for file in Path(f"/proc/{pid}/fd").iterdir():
        with contextlib.suppress(FileNotFoundError):  # closed meanwhile
            about = file.stat()
            is_ours = str(file.readlink()).startswith(f"/memfd:{COUNTS} ")
            if is_ours and not about.st_size % ((1 + WORDS) * WORD_BYTES):
                found[about.st_ino] = file
    return found


def rows_of(file: Path) -> list[list[int]]:
    """Those that were ever used: to read another one would make it take memory."""
    with file.open("rb", buffering=0) as opened:
        count = os.fstat(opened.fileno()).st_size // ((1 + WORDS) * WORD_BYTES)

        def words(first: int, number: int) -> list[int]:
            read = os.pread(opened.fileno(), number * WORD_BYTES, first * WORD_BYTES)
            return memoryview(read).cast("Q").tolist()

        used = words(0, count)
        return [words(count + index * WORDS, WORDS) for index in range(count) if used[index]]
