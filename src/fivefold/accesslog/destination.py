"""Where the lines go: a file that all processes append to, or standard output; opened anew.

Facts.        A write(2) to a regular file opened with O_APPEND goes to its end, and is not
              mixed with another one (the kernel holds the inode's lock).  A pipe keeps no
              more than PIPE_BUF, 4096 bytes, together (pipe(7)).
Consequence.  A regular file needs no lock; whatever else takes lines from several
              processes does.
Choice.       A record lock on a memory file that all processes share: the kernel gives it
              back when its holder dies, however it dies (fcntl_locking(2)).
"""

from __future__ import annotations

import fcntl
import mmap
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ..errors import SettingsError
from ..linux.memory_file import MemoryFile
from ..linux.standard_descriptors import STDOUT, was_closed

STANDARD_OUTPUT = "-"

OFF = "off"
"""No log, as a word for where None stands for a default."""

# O_NONBLOCK: a FIFO without a reader is an error instead of an endless wait.
FLAGS = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NOCTTY | os.O_NONBLOCK

MODE = 0o640
"""Which clients asked for what is for the server's user alone."""


class Destination:
    """Make it before the first fork; `open` it in each process."""

    def __init__(self, name: str, base: str = "") -> None:
        """`name`: a path, seen from `base`, or `-`."""
        self._path = "" if name == STANDARD_OUTPUT else os.fspath(Path(base, name).absolute())
        self._lock = MemoryFile("access log")

    def __str__(self) -> str:
        return self._path or "standard output"

    @property
    def is_terminal(self) -> bool:
        """Whether a person is looking at the lines as they come."""
        return not self._path and os.isatty(STDOUT)

    def probe(self) -> None:
        """Whether it can be written. Raises `SettingsError`."""
        if not self._path and was_closed(STDOUT):
            raise SettingsError("access_log: standard output is closed; name a file")
        try:
            os.close(self.open())
        except OSError as error:
            raise SettingsError(
                f"access_log: cannot write {self}: {error.strerror};"
                " name a file in a folder that the server's user may write, or -"
            ) from None

    def open(self) -> int:
        """A descriptor to write to. Raises OSError."""
        if not self._path:
            return os.dup(STDOUT)
        fd = os.open(self._path, FLAGS, MODE)
        os.set_blocking(fd, True)  # the writing thread may wait for a reader that is slow
        return fd

    @contextmanager
    def alone(self, fd: int) -> Iterator[None]:
        """No other process writes meanwhile, where that could mix lines."""
        if stat.S_ISREG(os.fstat(fd).st_mode):
            yield
            return
        fcntl.lockf(self._lock, fcntl.LOCK_EX)
        try:
            yield
        finally:
            fcntl.lockf(self._lock, fcntl.LOCK_UN)


class Rotation:
    """A page of memory that all processes share. Make it before the first fork; only the supervisor
    calls `turn`, before it passes SIGUSR1 on.

    The page is the truth: a process that is about to write looks at it, so no line that is written
    after the signal goes to the old file, whatever process had which signal when.  The signal only
    wakes those that have nothing to write, so that they do not keep the old file open.
    """

    def __init__(self) -> None:
        self._words = memoryview(mmap.mmap(-1, mmap.PAGESIZE)).cast("Q")

    @property
    def number(self) -> int:
        """How often the log was to be opened anew."""
        return self._words[0]

    def turn(self) -> None:
        self._words[0] += 1
