"""When a request waited for the disk and was copied from the file's pages.

What was seen of pages comes first: their waits, or the disk's own events; a read during which
pages were missing slept for them.
"""

from __future__ import annotations

from collections.abc import Iterator

from ...inspection.phrases import counted
from ..kernel.belonging import EXIT
from ..kernel.disk_waits import PAGES, disk_waits
from .intervals import FILE_COPY, FILE_WAIT, Interval
from .page_waits import pages_missing, waits_for_pages
from .sending import CALLS, Part, parts
from .serving_thread import ServingThread, name_of

READING_FILES = ("read_file.begin", "read_file.end")


class DiskIntervals:
    """Of one exchange."""

    def __init__(self, thread: ServingThread) -> None:
        self._thread = thread

    def copies(self) -> Iterator[Interval]:
        """From the pages to the process."""
        for read in self._reads():
            moved = int(read.ended.detail.get("bytes", 0))
            yield self._thread.interval(
                read.begun.at_ns, read.ended.at_ns, FILE_COPY, "read", moved
            )

    def waits(self) -> Iterator[Interval]:
        """Until the pages are in memory."""
        timeline = self._thread.timeline
        waits = [*waits_for_pages(timeline), *disk_waits(timeline.all, timeline.end_ns)]
        if not waits and pages_missing(timeline):
            waits = [(one.begun.at_ns, self._thread.slept_until(one)) for one in self._reads()]
        for start, end in waits:
            label = self._label_of(start, end)
            # A helper may read ahead while this thread sends.
            for begun, ended in self._thread.waits_between(start, end):
                yield self._thread.interval(begun, ended, FILE_WAIT, label)

    def _label_of(self, start: int, end: int) -> str:
        refused = [
            one
            for one in self._thread.timeline.of(f"{EXIT}preadv2", after=start, before=end)
            if one.detail["fields"].get("ret", 0) < 0
        ]
        label = self._thread.traits.disk_wait.format(
            call=self._call_at(start),
            tries=counted(len(refused), "try", "tries") if refused else "some tries",
            descriptors=self._thread.descriptors,
        )
        others = {
            one.detail["tid"]
            for one in self._thread.timeline.of(PAGES, after=start, before=end)
            if one.detail["tid"] != self._thread.tid
        }
        return f"{label} (thread {min(others)})" if others else label

    def _reads(self) -> Iterator[Part]:
        return parts(self._thread.timeline, [READING_FILES])

    def _call_at(self, at_ns: int) -> str:
        """The call or the operation in which the thread was then."""
        for part in parts(self._thread.timeline, [*CALLS, READING_FILES]):
            if part.begun.at_ns <= at_ns <= part.ended.at_ns:
                return name_of(part)
        return "read"
