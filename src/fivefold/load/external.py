"""Programs of other people as the load: what wrk and Locust have in common.

Facts.        A program's processor time is known once it has ended (getrusage(2)).
Assumption.   This process has one thread and no other child that ends during a run: what happens
              between fork and exec is Python, and the time of all children is counted.
"""

from __future__ import annotations

import contextlib
import os
import resource
import shutil
import signal
import socket
import subprocess
import time
from functools import partial
from pathlib import Path
from typing import Self

from ..errors import LoadFailed, SettingsError
from ..isolation.scratch_folder import scratch_folder
from ..linux.process_control import die_with_parent
from .generator import Load
from .job import Group, Job
from .tally import Tally


class ExternalLoad(Load):
    """In the place of a `Generator`. Raises `SettingsError` if the program is not installed."""

    def __init__(self, name: str, core: int, remedy: str) -> None:
        program = shutil.which(name)
        if program is None:
            raise SettingsError(f"load: {name} is not installed: {remedy}, or take --load own")
        self._name, self._program, self._core = Path(name).name, program, core
        self._processes: list[subprocess.Popen[str]] = []
        self._before = (0.0, 0.0)
        self._ends = contextlib.ExitStack()

    def __enter__(self) -> Self:
        self._folder = self._ends.enter_context(scratch_folder(self._name))
        self._errors = self._folder / "stderr"
        return self

    def __exit__(self, *_: object) -> None:
        self._end()
        self._ends.close()

    def _kept_clients(self, job: Job) -> Group:
        """The only kind that such programs have. Raises `LoadFailed` for another."""
        kinds = [group.kind for group in job.groups]
        if kinds != ["kept"]:
            raise LoadFailed(
                f"{self._name} has no clients of the kind {kinds[-1]}: take --load own"
            )
        return job.groups[0]

    def _start(self, *words: str) -> subprocess.Popen[str]:
        self._before = time.monotonic(), used_by_children()
        with self._errors.open("a") as errors:
            process = subprocess.Popen(  # noqa: S603 - the program that was asked for
                [self._program, *words],
                stdout=subprocess.PIPE,
                stderr=errors,
                text=True,
                start_new_session=True,
                preexec_fn=partial(self._child, os.getpid()),  # noqa: PLW1509 - one thread
            )
        self._processes.append(process)
        return process

    def _child(self, parent: int) -> None:
        die_with_parent(signal.SIGKILL, parent)
        os.sched_setaffinity(0, {self._core})

    def _printed(self, patience_s: float) -> str:
        """What the first process printed, once all have ended. Raises `LoadFailed`."""
        try:
            outputs = [each.communicate(timeout=patience_s)[0] for each in self._processes]
        except subprocess.TimeoutExpired:
            raise LoadFailed(f"{self._name} did not end in time: {self._last_words()}") from None
        finally:
            self._end()
        return outputs[0]

    def _end(self) -> None:
        processes, self._processes = self._processes, []
        for process in processes:
            process.kill()
            process.communicate()

    def _with_share(self, tally: Tally) -> Tally:
        """With the share of its core that the program has used since it was started."""
        begun, used = self._before
        tally.busy = min(1.0, (used_by_children() - used) / (time.monotonic() - begun))
        return tally

    def _last_words(self) -> str:
        lines = self._errors.read_text(errors="replace").strip().splitlines()
        return " / ".join(lines[-2:]) or "it printed no error"


def used_by_children() -> float:
    """Processor time, in seconds, of the children that have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def free_port() -> int:
    """A port of 127.0.0.1 that is free now, for a program that must be told one."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
