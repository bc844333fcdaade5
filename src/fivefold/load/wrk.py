"""wrk as the load, for users who trust it more: the same jobs, as far as it can do them.

wrk knows one kind of client, the closed loop on kept connections; of an answer it checks
the status alone.  A script of ours hands it the requests, unless the caller has a script that
makes them, and prints its whole histogram, quantile by quantile.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from ..errors import LoadFailed
from .external import ExternalLoad
from .job import Ask, Job
from .tally import Tally

QUANTILES = (*(n / 200 for n in range(1, 199)), 0.991, 0.995, 0.997, 0.999, 0.9999, 1.0)
PATIENCE_S = 15.0
"""wrk stops by itself; this much later something is wrong with it."""

IN_TURN = """
local requests = {%s}
local turn = 0
request = function()
  turn = turn %% #requests + 1
  return requests[turn]
end
"""

DONE = """
done = function(summary, latency)
  local e = summary.errors
  print("counts", summary.requests, summary.duration, summary.bytes,
        e.connect, e.read + e.write, e.status, e.timeout, latency.max)
  for _, share in ipairs({%s}) do
    print("quantile", share, share == 1 and latency.max or latency:percentile(share * 100))
  end
end
"""


class Wrk(ExternalLoad):
    """In the place of a `Generator`. Raises `SettingsError` if wrk is not installed."""

    def __init__(
        self,
        core: int,
        *,
        program: Sequence[str] = ("wrk",),
        url: str = "http://{}:{}/",
        script: str | None = None,
    ) -> None:
        """`program`: wrk, or what takes its options and prints what our script prints.

        `url`: with places for host and port.  `script`: what makes requests of it, in Lua; if it
        makes none, wrk asks for the URL.  None: the job's requests in turn.
        """
        super().__init__(program[0], core, "install it")
        self._arguments, self._url, self._requests = program[1:], url, script

    def prepare(self, job: Job) -> None:
        """Raises `LoadFailed` for what wrk cannot do."""
        group, requests = self._kept_clients(job), self._requests
        self._seconds = math.ceil(job.seconds)
        quantiles = ", ".join(map(str, QUANTILES))
        if requests is None:
            requests = IN_TURN % ", ".join(lua_text(ask) for ask in group.asks)
        script = self._folder / "requests.lua"
        script.write_text(requests + DONE % quantiles)
        how = ("-t1", f"-c{group.count}", f"-d{self._seconds}s", "-s", str(script))
        self._words = (*self._arguments, *how, self._url.format(*job.address))

    def go(self) -> None:
        self._start(*self._words)

    def collect(self) -> Tally:
        """Raises `LoadFailed` if wrk did not run to its end."""
        process = self._processes[0]
        printed = self._printed(self._seconds + PATIENCE_S)
        if process.returncode:
            raise LoadFailed(f"wrk ended with status {process.returncode}: {self._last_words()}")
        return self._with_share(read(printed))


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
