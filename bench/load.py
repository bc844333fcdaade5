"""The load: wrk, one thread, all its connections kept; and what it prints.

wrk is a closed loop: each connection sends its next request when the answer is there.
Its percentiles therefore describe a server at its limit, not one at a given rate.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from dataclasses import dataclass

from cores import on_core
from servers import HERE, find

# wrk stops by itself; this much later something is wrong with it.
PATIENCE_S = 15.0

NUMBER = r"([\d.]+)"
REQUESTS = re.compile(rf"(\d+) requests in {NUMBER}(us|ms|s|m|h)")
RATE = re.compile(rf"Requests/sec:\s+{NUMBER}")
PERCENTILE = re.compile(rf"^\s+(50|99)%\s+{NUMBER}(us|ms|s|m|h)\s*$", re.MULTILINE)
SOCKET_ERRORS = re.compile(r"Socket errors: connect (\d+), read (\d+), write (\d+), timeout (\d+)")
BAD_STATUS = re.compile(r"Non-2xx or 3xx responses: (\d+)")

SECONDS = {"us": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0}


class LoadFailed(Exception):
    """wrk did not run to its end, or printed what we cannot read."""


def is_ours(script: str | None) -> bool:
    """Whether it is a load by itself, rather than a script for wrk."""
    return script is not None and script.endswith(".py")


@dataclass(frozen=True)
class Summary:
    """What wrk says about one run."""

    requests: int
    requests_per_s: float
    p50_s: float
    p99_s: float
    errors: int  # failed connects, reads, writes, timeouts, and answers that are no 2xx or 3xx


@dataclass(frozen=True)
class Run:
    """One run: what wrk says, how long it was there, and the share of its core it used."""

    summary: Summary
    elapsed_s: float
    busy: float  # near 1, wrk is the limit and not the server


@dataclass(frozen=True)
class Load:
    """What one run asks for."""

    url: str
    connections: int
    seconds: int
    script: str | None = None

    def command(self) -> list[str]:
        if self.script and is_ours(self.script):
            words = [str(self.connections), str(self.seconds), self.url]
            return [sys.executable, str(HERE / self.script), *words]
        wrk = find("wrk")
        assert wrk is not None, "run.py has checked that the programs are there"
        counts = ["-t1", f"-c{self.connections}", f"-d{self.seconds}s", "--latency"]
        script = ["-s", str(HERE / self.script)] if self.script else []
        return [wrk, *counts, *script, self.url]


def parse(text: str) -> Summary:
    requests, rate = REQUESTS.search(text), RATE.search(text)
    percentiles = {p: float(n) * SECONDS[unit] for p, n, unit in PERCENTILE.findall(text)}
    if requests is None or rate is None or set(percentiles) != {"50", "99"}:
        raise LoadFailed(f"wrk printed no figures:\n{text}")
    groups = [
        found.groups() for found in (SOCKET_ERRORS.search(text), BAD_STATUS.search(text)) if found
    ]
    errors = sum(int(count) for group in groups for count in group)
    return Summary(int(requests[1]), float(rate[1]), percentiles["50"], percentiles["99"], errors)


def run(load: Load, core: int) -> Run:
    """Runs wrk on `core` to its end; ends it if it does not end by itself."""
    before, begun = os.times(), time.monotonic()
    with on_core(core):
        process = subprocess.Popen(load.command(), stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    try:
        printed, _ = process.communicate(timeout=load.seconds + PATIENCE_S)
    except subprocess.TimeoutExpired:
        raise LoadFailed(f"wrk did not end after {load.seconds} s") from None
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()
    text = printed.decode(errors="replace")
    if process.returncode != 0:
        raise LoadFailed(f"wrk ended with status {process.returncode}:\n{text}")
    after, elapsed = os.times(), time.monotonic() - begun
    used = after.children_user + after.children_system
    used -= before.children_user + before.children_system
    return Run(parse(text), elapsed, used / elapsed)
