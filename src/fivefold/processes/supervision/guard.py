"""Ends workers that hang when no supervisor is left to do it: the supervisor was killed (SIGKILL).

Facts.        A worker gets SIGTERM when its supervisor dies (prctl(2), PR_SET_PDEATHSIG), and
              that is all that the kernel offers.  Python's handler runs between two bytecodes of
              the main thread: a worker in which C code holds the GIL, or whose loop a handler
              never gives back, does not hear it, and would keep the port for ever.  A timer
              could not be armed either: that, too, would be Python.  And a process that is
              stopped (SIGSTOP, Ctrl-Z) gets no signal but SIGKILL before it goes on.
Choice.       A small process that waits for the end of a pipe whose other end is the
              supervisor's alone.  It knows the workers by descriptors of processes
              (pidfd_open(2)), which are never another's.  When the pipe ends, they have the
              time of orphans (`grace`), and whatever is stopped goes on; who is there still
              shows its stack, all at once, and is killed, with those that it has forked (the
              connection processes of a forker).  Its parent has ended, so it is no child of the
              supervisor, which waits for its own only; the end of the pipe says there that it has
              died (POLLERR, poll(2)), and another one is started, which hears of all workers.
Cost.         A process that sleeps: 2.0 MB of its own (USS; PSS is 6.6 MB, of which the rest
              is its share of what all five processes of a server with two workers have in
              common: `grep -E '^(Pss|Private_.*):' /proc/$(pgrep fivefold-guard)/smaps_rollup`).
Assumption.   It is not killed together with the supervisor, nor stopped; if it is, a worker that
              hangs stays.  What runs another program than the worker is the application's, and
              stays.
"""

from __future__ import annotations

import contextlib
import math
import os
import select
import signal
import struct
from collections.abc import Callable, Iterable
from time import monotonic

from ...isolation.reporting import logger
from ...linux.process_control import be_called
from ...linux.processes import forks_of, processes_of_tree
from .. import stack
from ..backoff import CALM_S, Backoff
from ..forking import forked, reap
from ..grace import ORPHANED_S

log = logger("fivefold.supervisor")

NAME = "fivefold-guard"
"""As which it is seen in the list of processes; at most 15 bytes."""

WORD = struct.Struct("=i")
"""The process id of a worker that was started; negative if it has been reaped."""

DEAF = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2)
"""What may be sent to the whole tree."""


FIRST_OF_OTHERS = 3
"""The standard ones stay, for the log; listeners and pipes would be missed elsewhere."""

MOST_DESCRIPTORS = 2**31 - 1


class Guard:
    """The supervisor's end."""

    def __init__(self, become_users: Callable[[], None] = lambda: None) -> None:
        """`become_users`: gives up the rights of the supervisor that workers do not have either."""
        self._become_users = become_users
        self._pipe = -1
        self._begun_at = 0.0
        self._backoff = Backoff()

    def begin(self) -> None:
        self._begun_at = monotonic()
        try:
            self._fork()
        except (OSError, MemoryError) as error:
            if self._backoff.failed(monotonic(), str(error)):
                log.warning("if this supervisor is killed, workers that hang will stay: %s", error)

    def watch_for_end(self, poll: select.poll) -> None:
        """Wake up when it dies."""
        if self._pipe >= 0:
            poll.register(self._pipe, 0)

    @property
    def due(self) -> float:
        """When `look` has something to do, if it does not die before."""
        return math.inf if self._pipe >= 0 else self._backoff.at

    def look(self, now: float, workers: Iterable[int]) -> None:
        """Start another one if it has died, with word of these workers."""
        if self._has_died:
            self.close()
            if now - self._begun_at >= CALM_S:
                self._backoff = Backoff()
            if self._backoff.failed(now, "it has died", free=1):
                log.error("the guard has died, and is started again")
        if self._pipe < 0 and now >= self._backoff.at:
            self.begin()
            for pid in workers:
                self.started(pid)

    @property
    def _has_died(self) -> bool:
        poll = select.poll()
        self.watch_for_end(poll)
        return bool(poll.poll(0))

    def _fork(self) -> None:
        words, self._pipe = os.pipe2(os.O_CLOEXEC)
        others = processes_of_tree(os.getpid()) - {os.getpid()}

        def life() -> None:
            self._become_users()
            if os.fork() == 0:
                close_all_but(words, stack.stacks.fileno())
                watch(words, handles(others))
                os._exit(0)

        try:
            os.set_blocking(self._pipe, False)
            reap(forked(life, "guard"), wait=True)
        except OSError:
            self.close()
            raise
        finally:
            os.close(words)

    def started(self, pid: int) -> None:
        self._say(pid)

    def reaped(self, pid: int) -> None:
        self._say(-pid)

    def _say(self, word: int) -> None:
        with contextlib.suppress(OSError):  # it was killed: we can do without
            os.write(self._pipe, WORD.pack(word))

    def close(self) -> None:
        """In the supervisor: nothing is left to guard. In its children: not theirs."""
        if self._pipe >= 0:
            os.close(self._pipe)
            self._pipe = -1


# runs in: the guard


def close_all_but(*kept: int) -> None:
    """The standard ones stay as well."""
    first = FIRST_OF_OTHERS
    for descriptor in sorted(kept):
        if descriptor >= first:
            os.closerange(first, descriptor)
            first = descriptor + 1
    os.closerange(first, MOST_DESCRIPTORS)


def watch(words: int, others: Iterable[int]) -> None:
    """`others`: descriptors of what the supervisor had forked before any worker."""
    for number in DEAF:
        signal.signal(number, signal.SIG_IGN)
    be_called(NAME)
    os.setsid()  # a terminal, and parents that wait for our group to end, have nothing to do here
    workers: dict[int, int] = {}
    while data := os.read(words, WORD.size * 64):
        for (word,) in WORD.iter_unpack(data):
            take(word, workers)
    for process in (*others, *handles(set().union(*map(processes_of_tree, workers)))):
        send(process, signal.SIGCONT)
    wait(workers, monotonic() + ORPHANED_S.end)
    for pid, worker in workers.items():
        log.error("worker %d is killed: its supervisor is gone", pid)
        send(worker, stack.STACK)
    wait(workers, monotonic() + stack.STACK_S)
    for pid, worker in workers.items():
        stack.stacks.say(log, pid)
        kill(pid, worker)


def kill(pid: int, worker: int) -> None:
    """A worker, by its descriptor, with the processes that it has forked."""
    forks = handles(forks_of(pid))
    for process in (worker, *forks):  # first the one that would fork others in their place
        send(process, signal.SIGKILL)
    for fork in forks:
        os.close(fork)


def kill_child(pid: int) -> None:
    """The same, for its parent, which has not reaped it: its connection processes would serve on
    without it."""
    for worker in handles([pid]):
        kill(pid, worker)
        os.close(worker)


def handles(pids: Iterable[int]) -> list[int]:
    """Descriptors of these processes, as far as they are there."""
    found = []
    for pid in pids:
        with contextlib.suppress(OSError):
            found.append(os.pidfd_open(pid))
    return found


def send(process: int, number: int) -> None:
    with contextlib.suppress(OSError):
        signal.pidfd_send_signal(process, number)


def take(word: int, workers: dict[int, int]) -> None:
    if word > 0:
        with contextlib.suppress(OSError):  # it has ended already
            workers[word] = os.pidfd_open(word)
    elif -word in workers:
        os.close(workers.pop(-word))


def wait(workers: dict[int, int], until: float) -> None:
    """Drop those that end in time."""
    while workers and (left := until - monotonic()) > 0:
        ended, _, _ = select.select(list(workers.values()), [], [], left)
        for pid, worker in list(workers.items()):
            if worker in ended:
                take(-pid, workers)
