"""The generator's processes: started once, pinned, told one job after the other.

They are programs of their own (`python -m fivefold.load`), so that neither threads nor
memory of the measuring process weigh on the load.  Jobs go in by standard input, tallies come
back by standard output.  They end with the parent, however that ended.
"""

from __future__ import annotations

import dataclasses
import os
import pickle
import subprocess
import sys
from collections.abc import Collection
from pathlib import Path
from typing import IO, Any, Protocol, Self

from ..errors import LoadFailed
from .job import Group, Job
from .tally import Tally, added

READY, GO = True, b"g"
"""What a process says when it is prepared, and what it waits for then."""


class Load(Protocol):
    """What makes load, as a context manager. Each method raises `LoadFailed`."""

    def __enter__(self) -> Self: ...
    def __exit__(self, *_: object) -> None: ...

    def prepare(self, job: Job) -> None:
        """Connect; the clock does not run yet."""

    def go(self) -> None:
        """Let the run begin; `collect` waits for its end."""

    def collect(self) -> Tally:
        """What was found."""
        ...

    def run(self, job: Job) -> Tally:
        """All of it."""
        self.prepare(job)
        self.go()
        return self.collect()


class Generator(Load):
    """`with Generator(cores) as generator: tally = generator.run(job)`.

    One process for each of `cores`; none named: one process, anywhere.
    """

    def __init__(self, cores: Collection[int] = ()) -> None:
        self._cores: list[int | None] = [*cores] or [None]
        self._processes: list[subprocess.Popen[bytes]] = []

    def __enter__(self) -> Self:
        for core in self._cores:
            self._processes.append(started(core))
        return self

    def __exit__(self, *_: object) -> None:
        for process in self._processes:
            ended(process)

    @property
    def pids(self) -> list[int]:
        return [process.pid for process in self._processes]

    def prepare(self, job: Job) -> None:
        for process, part in zip(self._processes, shares(job, len(self._cores)), strict=True):
            write_to(process, pickle.dumps(part))
        for process in self._processes:
            assert answer(process) == READY

    def go(self) -> None:
        for process in self._processes:
            write_to(process, GO)

    def collect(self) -> Tally:
        return added([answer(process) for process in self._processes])


def write_to(process: subprocess.Popen[bytes], data: bytes) -> None:
    try:
        pipe(process.stdin).write(data)
        pipe(process.stdin).flush()
    except OSError:
        raise LoadFailed("the load generator has ended by itself") from None


def started(core: int | None) -> subprocess.Popen[bytes]:
    package = Path(__file__).resolve().parents[2]
    path = os.pathsep.join([str(package), *filter(None, [os.environ.get("PYTHONPATH")])])
    return subprocess.Popen(  # noqa: S603 - this interpreter, this package
        [sys.executable, "-m", "fivefold.load", *([] if core is None else [str(core)])],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": path},
        start_new_session=True,  # Ctrl-C is for the measuring process
    )


def ended(process: subprocess.Popen[bytes]) -> None:
    process.kill()  # it owns nothing but sockets
    process.wait()
    for end in (process.stdin, process.stdout):
        try:
            pipe(end).close()
        except BrokenPipeError:
            pass  # half a job that no process reads any more


def answer(process: subprocess.Popen[bytes]) -> Any:
    """`READY`, or a tally. Raises `LoadFailed` for anything else."""
    try:
        found = pickle.load(pipe(process.stdout))  # noqa: S301 - our own child says it
    except EOFError:
        raise LoadFailed("the load generator has ended by itself") from None
    if isinstance(found, str):
        raise LoadFailed(found)
    return found


def pipe(end: IO[bytes] | None) -> IO[bytes]:
    assert end is not None
    return end


def shares(job: Job, count: int) -> list[Job]:
    """The job cut into `count` parts: clients and rates; a single client is the first part's."""
    return [
        dataclasses.replace(
            job, groups=tuple(g for each in job.groups if (g := share(each, part, count)).count)
        )
        for part in range(count)
    ]


def share(group: Group, part: int, count: int) -> Group:
    mine = group.count // count + (part < group.count % count)
    return dataclasses.replace(group, count=mine, rate=group.rate * mine / group.count)
