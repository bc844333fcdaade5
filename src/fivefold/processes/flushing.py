"""What is still in a buffer is written at the end of a process, whatever holds the file's lock.

Facts.        A buffered file has a lock in C.  If another thread of the parent holds it at the
              moment of a fork (it writes, or waits for a full pipe), it is locked in the child
              for ever: Python makes the locks of threading and logging anew there, and not
              these (bpo-6721).  Waiting for one cannot be interrupted: an exception that a
              signal handler raises has to wait as well.
Choice.       A thread of its own does it; joining it can be interrupted.  What takes long is left
              to that thread, and another goes on with the rest, so one file keeps none of the
              others.  What is not done after `STUCK_S` is named in the log.
              Whose files: a worker's are those that it has opened itself.  What its parent had
              in a buffer the parent writes.  Under `process` the application's files are
              opened in the forker, which writes what is in their buffers before it forks, and
              hands them down.  Standard output and standard error are shared by all.
Assumption.   A file that is written at all is written within `STUCK_S`; a disk that takes longer
              loses what was in the buffer of this one file, and the log says so.
Cost.         A pass over all objects that the process itself has made, to find open files: about
              20 ms for 500,000 of them, so what was there before is out of sight (gc.freeze);
              200 connection processes, which end at once, would need seconds.  And a thread,
              0.1 ms.
"""

from __future__ import annotations

import contextlib
import gc
import io
import logging
import sys
import threading
import weakref
from collections import deque
from collections.abc import Callable, Iterable
from functools import partial
from time import monotonic
from typing import TypeGuard

from ..isolation.reporting import logger

log = logger("fivefold.serving")

QUICK_S = 0.1
"""What takes longer does not keep the others waiting."""

STUCK_S = 0.5
"""For all that takes longer; half of what the end has at the least (`ending.LEAST_S`)."""

WRITERS = (io.TextIOWrapper, io.BufferedWriter, io.BufferedRandom)
"""Files with a buffer."""

Writer = io.TextIOWrapper | io.BufferedWriter | io.BufferedRandom

_handed_down: list[weakref.ref[Writer]] = []
"""Files that this process shares with its parent, in which the application was loaded."""

Job = tuple[object, Callable[[], object]]
"""What is written, for the log, and the call that does it."""


class Flushing:
    """At the end of one process, maybe several times."""

    def __init__(self) -> None:
        self._stuck: list[Runner] = []
        self._said: set[str] = set()

    def files(self) -> None:
        """All files that are open for writing, standard output among them; but those that were
        waited for in vain, and still are."""
        self._stuck = [runner for runner in self._stuck if runner.is_alive()]
        busy = {id(runner.thing) for runner in self._stuck}
        self._do((file, file.flush) for file in open_files() if id(file) not in busy)

    def handlers(self) -> None:
        """The handlers of logging, the last that was made first, as `logging.shutdown` does."""
        handlers = reversed(logging._handlerList)  # type: ignore[attr-defined]  # noqa: SLF001
        self._do([(ref(), partial(logging.shutdown, [ref])) for ref in handlers])

    def _do(self, jobs: Iterable[Job]) -> None:
        stuck, refused = done(jobs)
        self._stuck += stuck
        for thing in [runner.thing for runner in stuck] + refused:
            name = name_of(thing)
            if name not in self._said:  # text and bytes of one file are two
                self._said.add(name)
                # The log may be in just this file.
                done([(None, partial(log.warning, SAID, name))])


SAID = (
    "%s is not written to its end: its lock was held by another thread when this process was "
    "forked, or no process reads its other end"
)


class Runner(threading.Thread):
    """Takes jobs until there are no more, or one does not return."""

    def __init__(self, jobs: deque[Job], refused: list[object]) -> None:
        super().__init__(name="fivefold-flush", daemon=True)
        self._jobs = jobs
        self._refused = refused
        self.thing: object = None

    def run(self) -> None:
        with contextlib.suppress(IndexError):
            while True:
                self.thing, call = self._jobs.popleft()
                self._try(call)

    def _try(self, call: Callable[[], object]) -> None:
        try:
            call()
        except RuntimeError:
            self._refused.append(self.thing)
        except BaseException:  # noqa: BLE001, S110 - a disk's or a foreign class's matter
            pass

    def goes_on(self) -> bool:
        """Wait a moment; whether it is alive and at another thing than before."""
        before = self.thing
        self.join(QUICK_S)
        return self.is_alive() and self.thing is not before


def done(jobs: Iterable[Job]) -> tuple[list[Runner], list[object]]:
    """Do all. Those runners that do not return, and the things whose locks refused."""
    left, refused = deque(jobs), list[object]()
    runners = []
    while left:
        runner = Runner(left, refused)
        try:
            runner.start()
        except RuntimeError:  # the system has no more threads: then without a bound
            runner.run()
            break
        runners.append(runner)
        while runner.goes_on():
            pass
    until = monotonic() + STUCK_S
    for runner in runners:
        runner.join(max(0.0, until - monotonic()))
    return [runner for runner in runners if runner.is_alive()], refused


def begin_anew() -> None:
    """In a new worker: what is open now is its parent's, and its parent writes it."""
    _handed_down.clear()
    gc.freeze()


def hand_down() -> None:
    """In a process that will fork others with the application: what is open now is theirs, too.

    What is in a buffer is written now; else each of them would write it at its end.
    """
    files = list(open_files())
    Flushing().files()
    _handed_down[:] = map(weakref.ref, files)
    gc.freeze()


def open_files() -> Iterable[Writer]:
    shared = [sys.stdout, sys.stderr, *(ref() for ref in _handed_down)]
    found = {id(file): file for file in shared if is_writer(file)}
    return (found | {id(file): file for file in gc.get_objects() if is_writer(file)}).values()


def is_writer(thing: object) -> TypeGuard[Writer]:
    # By its type: a proxy of an application may answer isinstance by raising.
    return issubclass(type(thing), WRITERS)


def name_of(thing: object) -> str:
    """Foreign classes have properties of their own."""
    try:
        return f"the file {thing.name!r}"  # type: ignore[attr-defined]
    except BaseException:  # noqa: BLE001
        return f"a {type(thing).__name__}"
