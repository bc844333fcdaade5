"""Locust as the load, for load from many machines: its workers ask, its master adds up.

Facts.        Locust's workers may run anywhere; they fetch the locustfile from the master, and
              stop with it.  It rounds latencies to whole milliseconds, and above 100 ms to two
              digits (`response_times` in its statistics).
Choice.       A master and one worker of ours for each run; the master waits for as many more
              workers as were announced.  The locustfile checks every answer as our own load
              does, and calls what is wrong by another name.
Cost.         Each worker is a Python program that makes some thousand requests a second: for a
              quick server it is the limit long before the server, and its share says so.
"""

from __future__ import annotations

import json
import math
import os
import resource
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from ..errors import LoadFailed, SettingsError
from ..linux.process_control import die_with_parent
from .job import Ask, Job
from .ports import free_port
from .tally import Tally

PATIENCE_S = 30.0
"""Locust stops by itself; this much later something is wrong with it."""

READY_S = 60.0
"""How long other machines' workers may take to come."""

RIGHT, WRONG = "right", "wrong"

LOCUSTFILE = '''\
"""Made by `fivefold compare`: the requests of one run, and their right answers."""

import hashlib
import itertools

from locust import FastHttpUser, constant, task

REQUESTS = {requests!r}


class LocustUser(FastHttpUser):
    wait_time = constant(0)

    def on_start(self):
        self.turn = itertools.cycle(REQUESTS)

    @task
    def ask(self):
        method, path, fields, body, status, length, digest = next(self.turn)
        how = {{"headers": fields, "data": body, "allow_redirects": False, "name": "{right}"}}
        with self.client.request(method, path, catch_response=True, **how) as answer:
            content = answer.content or b""
            wrong = None
            if not answer.status_code:
                wrong = "connect"
            elif status is not None and answer.status_code != status:
                wrong = "status"
            elif length is not None and len(content) != length:
                wrong = "length"
            elif digest is not None and hashlib.sha256(content).digest() != digest:
                wrong = "body"
            if wrong is None:
                answer.success()
            else:
                answer.request_meta["name"] = "{wrong} " + wrong
                answer.failure(wrong)
'''


class Locust:
    """In the place of a `Generator`. Raises `SettingsError` if Locust is not installed."""

    def __init__(self, core: int, others: int = 0) -> None:
        """`others`: workers of other machines that each run waits for."""
        program = shutil.which("locust")
        if program is None:
            raise SettingsError(
                "load: locust is not installed: pipx install locust, or take --load own"
            )
        self._program, self._core, self._others = program, core, others
        self._processes: list[subprocess.Popen[str]] = []

    def __enter__(self) -> Self:
        self._folder = tempfile.TemporaryDirectory(prefix="fivefold-locust-")
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._end()
        self._folder.cleanup()

    def run(self, job: Job) -> Tally:
        self.prepare(job)
        self.go()
        return self.collect()

    def prepare(self, job: Job) -> None:
        """Start the master, and wait for the others. Raises `LoadFailed`."""
        kinds = [group.kind for group in job.groups]
        if kinds != ["kept"]:
            raise LoadFailed(f"locust has no clients of the kind {kinds[-1]}: take --load own")
        self._seconds = math.ceil(job.seconds)
        self._file = Path(self._folder.name, "locustfile.py")
        requests = [described(ask) for ask in job.groups[0].asks]
        self._file.write_text(LOCUSTFILE.format(requests=requests, right=RIGHT, wrong=WRONG))
        # Other machines are told the port that Locust always has.
        self._port = 5557 if self._others else free_port()
        count = job.groups[0].count
        host, port = job.address
        self._start(
            *("--master", "--headless", "--json", "--expect-workers", str(1 + self._others)),
            *("--expect-workers-max-wait", str(int(READY_S))),
            *("--master-bind-host", "*" if self._others else "127.0.0.1"),
            *("--master-bind-port", str(self._port), "-u", str(count), "-r", str(count)),
            *("-t", f"{self._seconds}s", "--host", f"http://{host}:{port}"),
        )
        self._wait_for_master()

    def _wait_for_master(self) -> None:
        until = time.monotonic() + PATIENCE_S
        while time.monotonic() < until and self._processes[0].poll() is None:
            try:
                socket.create_connection(("127.0.0.1", self._port), timeout=1).close()
            except OSError:
                time.sleep(0.02)
            else:
                return
        raise LoadFailed(f"locust did not start: {self._last_words()}")

    def go(self) -> None:
        self._before = resource.getrusage(resource.RUSAGE_CHILDREN)
        self._start("--worker", "--master-host", "127.0.0.1", "--master-port", str(self._port))

    def _start(self, *words: str) -> None:
        quiet = ("--only-summary", "--loglevel", "ERROR")
        with Path(self._folder.name, "stderr").open("a") as log:
            process = subprocess.Popen(  # noqa: S603 - Locust, as asked for
                [self._program, "-f", str(self._file), *quiet, *words],
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
                start_new_session=True,
                preexec_fn=partial(self._child, os.getpid()),  # noqa: PLW1509 - one thread
            )
        self._processes.append(process)

    def _child(self, parent: int) -> None:
        die_with_parent(signal.SIGKILL, parent)
        os.sched_setaffinity(0, {self._core})

    def collect(self) -> Tally:
        """Raises `LoadFailed` if Locust did not run to its end."""
        master, worker = self._processes
        try:
            printed, _ = master.communicate(timeout=READY_S + self._seconds + PATIENCE_S)
            worker.communicate(timeout=PATIENCE_S)
        except subprocess.TimeoutExpired:
            raise LoadFailed(f"locust did not end in time: {self._last_words()}") from None
        finally:
            self._end()
        tally = read(printed)
        after, before = resource.getrusage(resource.RUSAGE_CHILDREN), self._before
        used = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
        tally.busy = min(1.0, used / tally.elapsed_s) if tally.elapsed_s else 0.0
        return tally

    def _end(self) -> None:
        processes, self._processes = self._processes, []
        for process in processes:
            process.kill()
            process.communicate()

    def _last_words(self) -> str:
        said = Path(self._folder.name, "stderr").read_text(errors="replace").strip()
        return " / ".join(said.splitlines()[-2:]) or "it printed nothing"


def described(ask: Ask) -> tuple[Any, ...]:
    """A request and its right answer, as the locustfile has them."""
    head, _, body = ask.data.partition(b"\r\n\r\n")
    first, *lines = head.decode("latin-1").split("\r\n")
    method, path, _ = first.split(" ")
    fields = dict(line.split(": ", 1) for line in lines)
    fields.pop("Content-Length", None)  # it counts itself
    right = ask.expected
    known = (right.status, right.length, right.digest) if right else (None, None, None)
    return (method, path, fields, body or None, *known)


def read(printed: str) -> Tally:
    """The statistics of a run. Locust counts milliseconds and Unix time."""
    try:
        rows = json.loads(printed[printed.index("[") :])
    except ValueError:
        raise LoadFailed(f"locust printed no statistics: {printed.strip()[-200:]}") from None
    tally = Tally()
    begun = min((row["start_time"] for row in rows), default=0.0)
    ended = max((row["last_request_timestamp"] or 0.0 for row in rows), default=0.0)
    tally.elapsed_s = max(0.0, ended - begun)
    for row in rows:
        tally.received_bytes += row["total_content_length"]
        if row["name"] == RIGHT:
            for ms, count in row["response_times"].items():
                tally.latencies.record(max(1, round(float(ms) * 1e6)), count)
        else:
            tally.errors[row["name"].removeprefix(f"{WRONG} ")] += row["num_requests"]
    return tally
