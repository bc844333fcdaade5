"""glibc's pool of threads: one per process, so it is shared out here.

Facts.        Every operation that waits keeps one thread; operations beyond the last
              thread wait for one, without a word.  fork(2) copies the pool's lists and
              counters but not its threads: the child leaves work to idle threads that
              do not exist (they stay for a second after their last work), and queues
              it behind operations that no thread runs.  Threads are started on demand, so
              a high limit costs nothing by itself.
Consequence.  A model that may keep a thread must have reserved it, and such a child must
              refuse rather than hang; even finding out whether aio works would spoil
              the pool for children yet to be forked.
Choice.       `take` and `give_back` count; a child that inherits a count refuses.  The
              probe runs in a process of its own, which has the same pool as the one
              that asks: it tells a pool with idle threads left behind from a good one.
Cost.         The probe takes one fork (2 ms), and `PROBE_S` where the answer is no.  A
              system that refuses threads below our limit (RLIMIT_NPROC, pids.max) goes
              unnoticed: glibc queues in silence, and deadlines are what ends the wait.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import select
import signal
import threading
import warnings

from ....errors import LimitReached, Unavailable
from ....linux import posix_aio
from ....linux.libc import libc

AIO_THREADS = 1600
"""512 threads that serve one connection each take three apiece: a wake-up pipe, two directions."""

PROBE_S = 2.0
"""Reading one byte takes 100 us; so much later the pool has no threads."""


class Pool:
    """How many of glibc's threads are spoken for in this process."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._user = 0
        self._taken = 0

    def enter(self) -> None:
        """Before any operation. Raises `Unavailable` where the parent's use spoilt the pool."""
        with self._lock:
            if self.in_use():
                return
            reason = why_not() if self._user else None
            if reason:
                raise Unavailable(reason)
            posix_aio.init(AIO_THREADS)
            self._user = os.getpid()
            self._taken = 0

    def in_use(self) -> bool:
        return self._user == os.getpid()

    def left_behind(self) -> bool:
        """Whether this process was forked while operations of its parent were under way."""
        return self._taken > 0 and not self.in_use()

    def take(self, threads: int) -> None:
        """Reserve. Raises `LimitReached`."""
        with self._lock:
            if self._taken + threads > AIO_THREADS:
                raise LimitReached(
                    f"the {AIO_THREADS} aio threads of this process are all in use; take --io"
                    " aio:uring or lower --max-connections"
                )
            self._taken += threads

    def give_back(self, threads: int) -> None:
        with self._lock:
            self._taken -= threads


pool = Pool()


def why_not() -> str | None:
    """None, or the reason why aio cannot be used in this process."""
    if not hasattr(libc, "aio_init"):
        return "the C library has no aio_init (it is not glibc)"
    if pool.left_behind():
        return "this process was forked from one that was using aio"
    return None if pool.in_use() else _probed()


def _probed() -> str | None:
    """Read a byte in a child process, and hear how it went."""
    report, to_us = os.pipe()
    with warnings.catch_warnings():
        # Python 3.12 warns of forks beside threads; this child needs no lock of theirs.
        warnings.simplefilter("ignore", DeprecationWarning)
        child = os.fork()
    if child == 0:
        _try_and_exit(to_us)
    os.close(to_us)
    in_time = select.select([report], [], [], PROBE_S)[0]
    heard = os.read(report, 1024).decode() if in_time else ""
    os.close(report)
    os.kill(child, signal.SIGKILL)  # not reaped yet, so the number cannot be another process's
    with contextlib.suppress(ChildProcessError):  # SIGCHLD is ignored: nothing to reap
        os.waitpid(child, 0)
    if heard == "works":
        return None
    return heard or (
        f"aio_read did not complete within {PROBE_S:.0f} s"
        " (was this process forked from one that used aio?)"
    )


def _try_and_exit(report: int) -> None:
    """Runs in: the probing child."""
    try:
        os.write(report, _tried().encode())
    finally:
        os._exit(0)


def _tried() -> str:
    reader, writer = os.pipe()
    os.write(writer, b"x")
    byte = ctypes.create_string_buffer(1)
    block = posix_aio.ControlBlock()
    block.fd, block.buffer, block.count = reader, ctypes.addressof(byte), 1
    try:
        posix_aio.read(block)
        waiting: posix_aio.WaitList[posix_aio.ControlBlock] = posix_aio.WaitList()
        waiting.add(block)
        while not posix_aio.is_done(block):
            waiting.suspend(PROBE_S)
        count = posix_aio.result(block)
    except OSError as error:
        return str(error)
    # The field that `ControlBlock.error` names must be the one that glibc writes.
    return "works" if (count, block.error, byte.raw) == (1, 0, b"x") else "unknown struct aiocb"
