"""The Python stack of a process that will be killed, so that the log says what it hung in.

Facts.        faulthandler(3)'s handler is C and takes no lock and no GIL: it writes the stacks
              of all threads while one of them is stuck in C code, or holds the GIL for good.
              It writes a line in several pieces, where its descriptor stands.
Choice.       A real-time signal of our own, because the application may use SIGUSR1, SIGUSR2
              and `faulthandler.enable`; `register` has a place for each signal.
              A file in memory, of which each process has a part of its own, by its number: who
              has asked makes an entry of the log of it, with time, level and process, and those
              that are asked at once do not write between each other's words.
Assumption.   No code of the application takes this signal or calls `unregister` for it.  If
              some does, there is no stack, and the process is killed all the same.
              /proc and a descriptor are there when a process begins; else it writes to standard
              error, as it comes.  `ulimit -f` is unlimited, else nothing is written.
Cost.         Five system calls for each process that is forked (10 us), and two descriptors.
"""

from __future__ import annotations

import contextlib
import faulthandler
import os
import signal
from collections.abc import Iterator

from ..isolation.reporting import Log
from ..linux.memory_file import MemoryFile
from ..linux.standard_descriptors import STDERR

STACK = signal.SIGRTMIN + 12
"""The lowest are for C libraries, `sigio` takes the tenth and the eleventh."""

STACK_S = 0.5
"""How long it may take to write it: a hundred threads are a few milliseconds."""

PART_BYTES = 1 << 20
"""Of one process; faulthandler writes less, a hundred threads with a hundred calls each at most.
What nobody writes takes no memory."""


class Stacks:
    """Of the present process, and of those that it forks."""

    def __init__(self) -> None:
        self._file: MemoryFile | None = None
        self._part = -1
        """The file as this process writes it."""

    @contextlib.contextmanager
    def collected(self) -> Iterator[None]:
        """What is forked until the end of the block shows its stacks to this process, and to all
        that are forked as well."""
        before, file = self._file, None
        with contextlib.suppress(OSError):
            file = self._file = MemoryFile("fivefold-stack")
        try:
            yield
        finally:
            self._file = before
            if file is not None:
                file.close()

    def show_when_asked(self) -> None:
        """In the process itself, after its fork."""
        inherited = self._part
        with contextlib.suppress(OSError, RuntimeError, ValueError):
            faulthandler.register(STACK, file=self._opened(), all_threads=True)
        if inherited >= 0:
            os.close(inherited)

    def _opened(self) -> int:
        """Where it is to write. To the descriptor of standard error, if need be: `sys.stderr`
        may be the application's by now."""
        self._part = -1
        if self._file is None:
            return STDERR
        start = os.getpid() * PART_BYTES
        try:
            # One of its own: copies of a descriptor have one place in the file.
            path = f"/proc/self/fd/{self._file.fileno()}"
            self._part = os.open(path, os.O_WRONLY | os.O_CLOEXEC)
            os.lseek(self._part, start, os.SEEK_SET)
            self._file.empty(start, PART_BYTES)  # another one may have had the number
        except OSError:
            return STDERR
        return self._part

    def fileno(self) -> int:
        """Of the file; -1 if there is none."""
        return -1 if self._file is None else self._file.fileno()

    def of(self, pid: int) -> str:
        """What a process that was asked has written since the last time; "" if that is nothing."""
        if self._file is None:
            return ""
        start = pid * PART_BYTES
        with contextlib.suppress(OSError):
            text = os.pread(self._file.fileno(), PART_BYTES, start).rstrip(b"\0")
            self._file.empty(start, PART_BYTES)
            return text.decode(errors="replace")
        return ""

    def say(self, log: Log, pid: int) -> None:
        """An entry of the log for what a process has shown, if it has."""
        if text := self.of(pid):
            log.error("process %d is here:\n%s", pid, text)


stacks = Stacks()
"""There is one in each process; what is forked has a copy."""


def ask(pid: int) -> None:
    """Raises OSError. Ends a process that does not show its stack."""
    os.kill(pid, STACK)
