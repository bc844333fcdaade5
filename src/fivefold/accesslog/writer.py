"""Lines on their way to the file: collected, then written many at once.

Facts.        Appending to a list and deleting its beginning are each atomic in CPython.
              write(2) of 64 KiB costs about as much as four of 64 bytes.
Consequence.  Whoever has a line appends it without a lock; one at a time takes away what is
              there and writes it.
Choice.       Written when 64 KiB are there, when a second is over (the next line, or the
              tick of an I/O model, notices), when a process of the pool becomes idle, and
              at the end.  Always whole lines.
When it fails (a full disk, a reader that is gone) what is left is kept and tried again
first; beyond 1 MiB lines are dropped, counted, and the log of the server says so once when
it begins and once when it is over.  Nothing waits for it and nothing stops.
Cost.         A process that is killed (SIGKILL, a crash) loses what it has not written: a
              second's lines, 64 KiB at most.
"""

from __future__ import annotations

import os
import threading

from ..reporting import logger
from .destination import Destination
from .rotation import Rotation

log = logger("fivefold.accesslog")

KEPT_BYTES = 1_048_576
"""What cannot be written is kept up to this size."""


class Writer:
    """One per process; made before it has threads."""

    def __init__(self, destination: Destination, rotation: Rotation) -> None:
        """Raises OSError if the destination cannot be opened."""
        self.lines: list[str] = []
        """Appended to by whoever has one, each with its line feed."""
        self._destination = destination
        self._rotation = rotation
        self._lock = threading.Lock()
        self._seen = rotation.number  # before it is opened: in doubt once more
        self._fd = destination.open()
        self._rest = b""
        """What could not be written, from the beginning of a line on."""
        self._done = 0
        """So much of the first line of `_rest` is in the file."""
        self._dropped = 0
        self._failing = False

    @property
    def turned(self) -> bool:
        """Whether the file is to be opened anew."""
        return self._rotation.number != self._seen

    def flush(self) -> None:
        """Write what is there, to the file of this moment; by any thread, or a signal handler.

        If somebody is just doing that, it is left to them or to the next time.
        """
        while self._lock.acquire(blocking=False):
            try:
                self._flush()
            finally:
                self._lock.release()
            if not self.turned:  # else a handler came in between, and found the lock taken
                return

    def close(self) -> None:
        """Write the last lines; nobody may append any more."""
        self._lock.acquire()  # for good: a late signal or thread finds nothing to do
        self._flush()
        lost = self._dropped + self._rest.count(b"\n")
        if lost:
            log.warning("access log %s: %d lines were lost", self._destination, lost)
        os.close(self._fd)

    def _flush(self) -> None:
        if self.turned:
            self._open_anew()
        count = len(self.lines)
        if count:
            taken = self.lines[:count]
            del self.lines[:count]
            data = "".join(taken).encode()
            if len(self._rest) + len(data) > KEPT_BYTES and self._rest:
                self._dropped += count
            else:
                self._rest += data
        if self._rest:
            self._write()

    def _open_anew(self) -> None:
        self._seen = self._rotation.number
        try:
            fd = self._destination.open()
        except OSError as error:
            log.error("access log %s stays as it is: %s", self._destination, error.strerror)
            return
        os.close(self._fd)
        self._fd = fd
        self._done = 0  # a line that is half in the old file is whole in the new one

    def _write(self) -> None:
        data, written = self._rest, self._done
        try:
            with self._destination.alone(self._fd):
                while written < len(data):
                    written += os.write(self._fd, memoryview(data)[written:])
        except OSError as error:
            self._fails(error)
        else:
            self._works()
        line_start = data.rfind(b"\n", 0, written) + 1
        self._rest, self._done = data[line_start:], written - line_start

    def _fails(self, error: OSError) -> None:
        if not self._failing:
            self._failing = True
            log.warning(
                "access log %s: %s; %d KiB of lines are kept and tried again, more are dropped",
                self._destination,
                error.strerror,
                KEPT_BYTES // 1024,
            )

    def _works(self) -> None:
        if self._failing:
            self._failing = False
            lost, self._dropped = self._dropped, 0
            log.warning(
                "access log %s: written again; %d lines were dropped", self._destination, lost
            )
