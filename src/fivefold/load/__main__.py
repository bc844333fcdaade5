"""The life of a generator process: jobs in, tallies out, until standard input ends."""

from __future__ import annotations

import gc
import os
import pickle
import signal
import sys

from ..linux.process_control import die_with_parent
from .engine import Run
from .generator import GO, READY


def main(words: list[str]) -> None:
    die_with_parent(signal.SIGKILL, os.getppid())  # an earlier end is that of the input
    if words:
        os.sched_setaffinity(0, {int(words[0])})
    gc.disable()  # no cycles grow here, and looking for them would be seen in the latencies
    jobs = sys.stdin.buffer
    while True:
        try:
            job = pickle.load(jobs)  # noqa: S301 - our own parent says it
        except EOFError:
            return
        try:
            with Run(job) as run:
                run.prepare()
                say(READY)
                jobs.read(len(GO))
                say(run.go())
        except OSError as error:
            say(f"the load generator cannot go on: {error}")


def say(what: object) -> None:
    pickle.dump(what, sys.stdout.buffer)
    sys.stdout.buffer.flush()


if __name__ == "__main__":
    main(sys.argv[1:])
