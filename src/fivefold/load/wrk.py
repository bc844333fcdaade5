"""wrk as the load, for users who trust it more: the same jobs, as far as it can do them.

wrk knows one kind of client, the closed loop on kept connections; of an answer it checks
the status alone.  A script of ours hands it the requests and prints its whole histogram,
quantile by quantile.
"""

from __future__ import annotations

import math
import os
import resource
import shutil
import signal
import subprocess
import tempfile
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Self

from ..errors import LoadFailed, SettingsError
from ..linux.process_control import die_with_parent
from .job import Ask, Job
from .tally import Tally

QUANTILES = (*(n / 200 for n in range(1, 199)), 0.991, 0.995, 0.997, 0.999, 0.9999, 1.0)
PATIENCE_S = 15.0
"""wrk stops by itself; this much later something is wrong with it."""

SCRIPT = """
local requests = {%s}
local turn = 0
request = function()
  turn = turn %% #requests + 1
  return requests[turn]
end
done = function(summary, latency)
  local e = summary.errors
  print("counts", summary.requests, summary.duration, summary.bytes,
        e.connect, e.read + e.write, e.status, e.timeout, latency.max)
  for _, share in ipairs({%s}) do
    print("quantile", share, share == 1 and latency.max or latency:percentile(share * 100))
  end
end
"""


class Wrk:
    """In the place of a `Generator`. Raises `SettingsError` if wrk is not installed."""

    def __init__(self, core: int) -> None:
        program = shutil.which("wrk")
        if program is None:
            raise SettingsError("load: wrk is not installed: install it, or take --load own")
        self._program, self._core = program, core
        self._process: subprocess.Popen[str] | None = None

    def __enter__(self) -> Self:
        self._folder = tempfile.TemporaryDirectory(prefix="fivefold-wrk-")
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.communicate()
        self._folder.cleanup()

    def run(self, job: Job) -> Tally:
        self.prepare(job)
        self.go()
        return self.collect()

    def prepare(self, job: Job) -> None:
        """Raises `LoadFailed` for what wrk cannot do."""
        kinds = [group.kind for group in job.groups]
        if kinds != ["kept"]:
            raise LoadFailed(f"wrk has no clients of the kind {kinds[-1]}: take --load own")
        self._job = job
        self._seconds = math.ceil(job.seconds)
        quantiles = ", ".join(map(str, QUANTILES))
        requests = ", ".join(lua_text(ask) for ask in job.groups[0].asks)
        self._script = Path(self._folder.name, "requests.lua")
        self._script.write_text(SCRIPT % (requests, quantiles))

    def go(self) -> None:
        host, port = self._job.address
        count = self._job.groups[0].count
        self._before = resource.getrusage(resource.RUSAGE_CHILDREN)
        how = ("-t1", f"-c{count}", f"-d{self._seconds}s", "-s", str(self._script))
        self._process = subprocess.Popen(  # noqa: S603 - wrk, as asked for
            [self._program, *how, f"http://{host}:{port}/"],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
            preexec_fn=partial(self._child, os.getpid()),  # noqa: PLW1509 - one thread
        )

    def _child(self, parent: int) -> None:
        die_with_parent(signal.SIGKILL, parent)
        os.sched_setaffinity(0, {self._core})

    def collect(self) -> Tally:
        """Raises `LoadFailed` if wrk did not run to its end."""
        assert self._process is not None
        process, self._process = self._process, None
        try:
            printed, _ = process.communicate(timeout=self._seconds + PATIENCE_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.communicate()
            raise LoadFailed("wrk did not end in time") from None
        if process.returncode:
            raise LoadFailed(f"wrk ended with status {process.returncode}: {printed.strip()}")
        return self._busy(read(printed))

    def _busy(self, tally: Tally) -> Tally:
        after, before = resource.getrusage(resource.RUSAGE_CHILDREN), self._before
        used = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
        tally.busy = used / tally.elapsed_s if tally.elapsed_s else 0.0
        return tally


def lua_text(ask: Ask) -> str:
    """Bytes as Lua writes them."""
    return '"' + "".join(f"\\{byte:03d}" for byte in ask.data) + '"'


def read(printed: str) -> Tally:
    """What the script printed. wrk counts microseconds."""
    words = [line.split() for line in printed.splitlines()]
    counts = next((line[1:] for line in words if line[:1] == ["counts"]), None)
    if counts is None:
        raise LoadFailed(f"wrk printed no counts: {printed.strip()}")
    requests, duration, received, connect, ended, status, timeouts, _ = map(float, counts)
    tally = Tally(elapsed_s=duration / 1e6, received_bytes=int(received), lost=int(ended))
    tally.unanswered = int(timeouts)
    for kind, count in (("connect", connect), ("status", status)):
        if count:
            tally.errors[kind] = int(count)
    right, before = requests - status, 0
    for share, value in (map(float, line[1:]) for line in words if line[:1] == ["quantile"]):
        until = round(share * right)
        tally.latencies.record(round(value * 1e3), until - before)
        before = until
    return tally
