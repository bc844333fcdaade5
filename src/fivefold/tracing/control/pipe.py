"""From the workers to the tracer: lines of JSON through one pipe.

A worker must never wait for a tracer: a pipe that is full loses the line, and the loss is counted
and told with the next one.  Only a server of the tracer's own waits for it, and loses nothing.
"""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Iterable, Iterator
from typing import Any

LINE_BYTES = 4096
"""PIPE_BUF: so much is written whole, whatever others write (pipe(7))."""

ROOM_BYTES = 1 << 20
"""What the pipe shall hold; the most that one may ask for without rights."""

READ_BYTES = 65536

F_SETPIPE_SZ = 1031


class EventPipe:
    """Make it before the first fork; `reading_end` is the control process's end."""

    def __init__(self, *, waits: bool = False) -> None:
        """`waits`: the writer waits for room in it."""
        self.reading_end, self.writing_end = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
        os.set_blocking(self.writing_end, waits)
        try:
            fcntl.fcntl(self.writing_end, F_SETPIPE_SZ, ROOM_BYTES)
        except OSError:
            pass  # the user has many pipes: this one keeps its 64 KiB
        self.lost = 0

    def send(self, message: dict[str, Any]) -> None:
        self.write(json.dumps(message, separators=(",", ":")).encode() + b"\n")

    def write(self, line: bytes) -> None:
        try:
            if len(line) > LINE_BYTES:
                raise BlockingIOError
            os.write(self.writing_end, line)
        except OSError:  # full, or the control process is gone
            self.lost += 1

    def close_reading_end(self) -> None:
        os.close(self.reading_end)

    def close(self) -> None:
        os.close(self.writing_end)


class LineReader:
    """The whole lines of what was read in parts."""

    def __init__(self) -> None:
        self._rest = b""

    def lines(self, data: bytes) -> list[bytes]:
        *lines, rest = (self._rest + data).split(b"\n")
        # A longer one is none of ours (`EventPipe.write`), and its end will be passed over as such.
        self._rest = rest[-LINE_BYTES:]
        return lines


def batches(encoded: Iterable[str], room: int) -> Iterator[list[str]]:
    """The texts in groups that take no more than `room` characters each."""
    group: list[str] = []
    size = 0
    for text in encoded:
        if group and size + len(text) + 1 > room:
            yield group
            group, size = [], 0
        group.append(text)
        size += len(text) + 1
    if group:
        yield group
