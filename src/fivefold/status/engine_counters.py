"""What engines count of their work (`IOModel.statistics`), for the rows of their threads.

An engine counts for itself, in numbers that only its thread changes; what they have grown by is
added to the thread's row at each tick.  So no request pays for it, a count may be a tick old, and
what was counted since the last tick of a thread that ends is lost.  The readiness engines and
`blocking` count nothing: what they do is what the kernel tells them, and one call.
"""

from __future__ import annotations

import weakref

from ..iomodels.interface import IOModel

COUNTERS = (
    ("nonblocking", "tries"),
    ("nonblocking", "successes"),
    ("sigio", "signals"),
    ("sigio", "stale"),
    ("sigio", "overflows"),
    ("posix", "operations"),
    ("posix", "suspends"),
    ("uring", "enters"),
    ("uring", "submissions"),
    ("uring", "completions"),
    ("uring", "rearmed"),
    ("uring", "ran out of buffers"),
    ("uring", "paused receives"),
)
"""Engine and counter, in the order of their words in a row."""


class EngineCounters:
    """Of the thread that uses `io`."""

    def __init__(self, io: IOModel) -> None:
        self._io = weakref.ref(io)
        self._places = {
            name: at for at, (engine, name) in enumerate(COUNTERS) if engine == io.engine
        }
        self._seen = dict.fromkeys(self._places, 0)

    def add_to(self, words: memoryview) -> None:
        """What they have grown by since the last time; `words`: those of `COUNTERS`."""
        io = self._io()
        if io is None or not self._places:
            return
        found = io.statistics()
        for name, at in self._places.items():
            words[at] += found[name] - self._seen[name]
            self._seen[name] = found[name]
