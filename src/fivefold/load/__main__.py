"""The life of a generator process: jobs in, tallies out, until standard input ends."""

from __future__ import annotations

import gc
import os
import pickle
import signal
import sys

from ..linux.process_control import die_with_parent
from .engine import run
from .tally import Tally


def main(words: list[str]) -> None:
    die_with_parent(signal.SIGKILL)
    if words:
        os.sched_setaffinity(0, {int(words[0])})
    gc.disable()  # no cycles grow here, and looking for them would be seen in the latencies
    jobs, tallies = sys.stdin.buffer, sys.stdout.buffer
    while True:
        try:
            job = pickle.load(jobs)  # noqa: S301 - our own parent says it
        except EOFError:
            return
        found: Tally | str
        try:
            found = run(job)
        except OSError as error:
            found = f"the load generator cannot go on: {error}"
        pickle.dump(found, tallies)
        tallies.flush()


if __name__ == "__main__":
    main(sys.argv[1:])
