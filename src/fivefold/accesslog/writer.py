"""Lines on their way to the file: collected, then written many at once, by a thread.

Facts.        Appending to a list and deleting its beginning are each atomic in CPython.
              write(2) of 64 KiB costs about as much as four of 64 bytes.  It may also wait
              for ever, whatever the file is: a pipe that no process reads, a terminal that is
              stopped, a server of NFS or FUSE that does not answer; O_NONBLOCK is nothing to
              a regular file (open(2)).
Consequence.  A thread that has a line appends it without a lock.  One that serves must not write.
Choice.       Lines are handed over when 64 KiB are there, when a second is over (the next
              line, or the tick of an I/O model, notices), when a process of the pool becomes
              idle, and at the end; always whole lines.  A thread writes.  It is
              started with the first lines, so that a process that only forks has none.
When it fails (a full disk, a reader that is gone) or hangs, what is left is kept and tried
again first; beyond 1 MiB lines are dropped, counted, and the log of the server says so once
when it begins and once when it is over.  Nothing waits for it, but for a tenth of
a second before the first is dropped, and two at the end of the process.
Assumption.   A thread that hangs in write(2) ends with its process.  In a file system that
              lets no process be killed (FUSE) it does not, and its process stays until it answers.
Cost.         A thread in each process that has lines.  A process that is killed (SIGKILL, a
              crash) loses what it has not written: a second's lines, 64 KiB at most.
"""

from __future__ import annotations

import contextlib
import os
import queue
import signal
import threading
from time import monotonic, sleep

from ..isolation.reporting import logger
from .destination import Destination, Rotation

log = logger("fivefold.accesslog")

KEPT_BYTES = 1_048_576
"""What cannot be written is kept up to this size."""

PATIENCE_S, RETRY_S = 0.1, 0.001
"""How long, and how often is looked, until lines are dropped: a server that makes more lines
than the disk takes is slowed down a little, and one whose log hangs is held up once."""

CLOSE_S = 2.0
"""What the last lines have to be written; the supervisor kills no earlier (`KILL_MARGIN_S`)."""


class Writer:
    """One per process; what is forked from it goes on with one of its own, still empty."""

    def __init__(self, destination: Destination, rotation: Rotation) -> None:
        self.lines: list[str] = []
        """Appended to by the serving threads, each with its line feed."""
        self._destination = destination
        self._rotation = rotation
        self._lock = threading.Lock()
        # SimpleQueue, because its `put` may be called from a signal handler.
        self._handed: queue.SimpleQueue[bytes | None] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None
        self._noticed = rotation.number
        self._file = LogFile(destination, rotation)
        """The thread's, as soon as there is one."""
        self._added = self._added_lines = 0
        """Handed over; counted by the holder of the lock."""
        self._parts: list[bytes] = []
        """The thread's: handed over, and not yet with the rest of the file."""
        self._dropped = 0
        self._failing = False
        """Whether it has been said that lines cannot be written."""

    @property
    def turned(self) -> bool:
        """Whether the file is to be opened anew."""
        return self._rotation.number != self._noticed

    def flush(self) -> None:
        """Have written what is there, to the file of this moment; by any thread, or a signal
        handler. Waits for nothing."""
        if self._lock.acquire(blocking=False):  # else another thread is just doing that
            try:
                self._hand_over()
            finally:
                self._lock.release()
        if self.turned:
            self._noticed = self._rotation.number
            if self._thread is not None:
                self._handed.put(b"")
            else:
                self._file.look()  # no process shall keep the old one open

    def close(self) -> None:
        """Write the last lines; none may be appended any more."""
        if not self._lock.acquire(timeout=CLOSE_S):  # for good: a late thread finds nothing to do
            return
        self._hand_over()
        if self._thread is not None:
            self._handed.put(None)
            self._thread.join(CLOSE_S)
        else:
            self._file.close()
        lost = self._dropped + self._added_lines - self._file.written_lines
        if lost:
            log.warning("access log %s: %d lines were lost", self._destination, lost)

    def _hand_over(self) -> None:
        """What fails here must not fail a client: its line is kept, and tried again."""
        try:
            self._put(len(self.lines))
            if self._added and self._thread is None:
                self._start()
        except Exception as error:  # noqa: BLE001 - no memory, or no more threads for us
            self._fails(reason(error))

    def _put(self, count: int) -> None:
        data = "".join(self.lines[:count]).encode()
        has_room = not count or self._has_room(len(data))
        del self.lines[:count]
        if not has_room:
            self._dropped += count
            self._fails("the file takes no more data")
        elif count:
            self._added += len(data)
            self._added_lines += count
            self._handed.put(data)

    def _has_room(self, size: int) -> bool:
        """For a moment a file that is only slow is waited for, once until all is written."""
        until = monotonic() + (0.0 if self._failing else PATIENCE_S)
        while (kept := self._added - self._file.written) and kept + size > KEPT_BYTES:
            if monotonic() >= until:
                return False
            sleep(RETRY_S)
        return True

    def _start(self) -> None:
        thread = threading.Thread(target=self._life, name="fivefold-access-log", daemon=True)
        thread.start()
        self._thread = thread

    def _fails(self, reason: str) -> None:
        if not self._failing:
            self._failing = True
            log.warning(
                "access log %s: %s; %d KiB of lines are kept and tried again, more are dropped",
                self._destination,
                reason,
                KEPT_BYTES // 1024,
            )

    # runs in: the thread

    def _life(self) -> None:
        signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())  # they are for others
        ends = False
        while not ends:
            try:
                ends = self._collect()
                self._write()
            except BaseException as error:  # noqa: BLE001 - no memory, too: the next lines try again
                self._fails(reason(error))
        self._file.close()

    def _collect(self) -> bool:
        """Wait for what is handed over next, and take all of it; whether that was the last."""
        while (handed := self._handed.get()) is not None:
            self._parts.append(handed)
            if self._handed.empty():
                return False
        return True

    def _write(self) -> None:
        file, before = self._file, self._file.written
        file.take(self._parts)
        file.write()
        if self._failing and file.written > before and not file.rest:
            self._works()

    def _works(self) -> None:
        lost, self._dropped = self._dropped, 0
        self._failing = False
        log.warning(
            "access log %s can be written again; %d lines were dropped", self._destination, lost
        )


def reason(error: BaseException) -> str:
    return getattr(error, "strerror", None) or str(error) or type(error).__name__


class LogFile:
    """The file of this moment, and what is not in it yet."""

    def __init__(self, destination: Destination, rotation: Rotation) -> None:
        self.rest = b""
        """From the beginning of a line on."""
        self.written = self.written_lines = 0
        """Of what is in the file: bytes of whole lines, and how many."""
        self._done = 0
        """So much of the first line of `rest` is in the file."""
        self._destination = destination
        self._rotation = rotation
        self._seen = -1
        self._fd = -1
        self.look()

    def look(self) -> None:
        """Open it if that is due; what cannot be opened is tried again by `write`."""
        with contextlib.suppress(OSError):
            self._open_anew()

    def take(self, parts: list[bytes]) -> None:
        """Move them to the rest; where there is no memory for that, they stay."""
        self.rest = b"".join((self.rest, *parts))
        parts.clear()

    def write(self) -> None:
        """Write the rest, or as much of it as can be. Raises OSError."""
        if self._rotation.number != self._seen:
            self._open_anew()
        written = self._done
        try:
            with self._destination.alone(self._fd):
                while written < len(self.rest):
                    written += os.write(self._fd, memoryview(self.rest)[written:])
        finally:
            line_start = self.rest.rfind(b"\n", 0, written) + 1
            self.written_lines += self.rest.count(b"\n", 0, line_start)
            self.rest, self._done = self.rest[line_start:], written - line_start
            self.written += line_start

    def _open_anew(self) -> None:
        """Raises OSError if there is no other."""
        number = self._rotation.number  # before it is opened: in doubt once more
        try:
            fd = self._destination.open()
        except OSError as error:
            if self._fd < 0:
                raise
            log.error(
                "access log %s cannot be opened anew: %s; lines go on to the old file",
                self._destination,
                error.strerror,
            )
            self._seen = number
            return
        self.close()
        self._fd, self._seen = fd, number
        self._done = 0  # a line that is half in the old file is whole in the new one

    def close(self) -> None:
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1
