"""Other tools beside ours, over the same server at the same time: perf, wrk."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
from pathlib import Path

import pytest

from fivefold.compare.measure.cores import choose
from fivefold.compare.measure.run import examine, sample
from fivefold.compare.measure.servers import started
from fivefold.compare.plan.contenders import pairs
from fivefold.compare.plan.targets import asks, learned
from fivefold.linux.accounting import tree
from fivefold.load.generator import Generator
from fivefold.load.job import Group, Job
from fivefold.load.wrk import Wrk
from fivefold.server.settings import Settings
from support.measured_again import measured_again
from support.process_tree import open_files

pytestmark = pytest.mark.alone

AGREE = 0.1
SECONDS = 1.0
ROUNDS = 3


def perf(pid: int, *words: str) -> subprocess.Popen[str]:
    members = ",".join(str(entry.pid) for entry in tree(pid))
    return subprocess.Popen(
        ["perf", "stat", "-x,", *words, "-p", members],
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "LC_ALL": "C"},
    )


def counted(process: subprocess.Popen[str]) -> float:
    process.send_signal(signal.SIGINT)
    _, printed = process.communicate()
    line = next((x for x in printed.splitlines() if x[:1].isdigit()), None)
    if line is None:
        pytest.skip(f"perf cannot count here: {printed.strip()}")
    return float(line.split(",")[0])


def until_attached(process: subprocess.Popen[str]) -> None:
    """perf holds a perf_event descriptor for each thread once it counts."""
    while process.poll() is None:
        if any("perf_event" in name for name in open_files(process.pid)):
            return


@pytest.mark.skipif(shutil.which("perf") is None, reason="needs perf: apt-get install linux-perf")
@pytest.mark.parametrize("serving", ["thread", "async"])
@measured_again
def test_perf_counts_the_same_processor_time(site: Path, serving: str) -> None:
    (contender,) = pairs(Settings(target=str(site)), [serving], ["epoll"])
    cores = choose()
    with started(contender, cores) as running, Generator([cores.load]) as generator:
        assert running.pid is not None
        answers = asks(learned(running.address, ["/1k.bin"]))
        job = Job(running.address, SECONDS, (Group("kept", 16, answers),))
        examine(running, generator, job, ours=False)  # its threads have started
        with perf(running.pid, "-e", "task-clock") as witness:
            until_attached(witness)
            found = sample(running, generator, job)
            milliseconds = counted(witness)
        assert found.before is not None
        assert found.after is not None
        ours = (found.after.cpu_s - found.before.cpu_s) * 1e3
    assert ours == pytest.approx(milliseconds, rel=AGREE)


@pytest.mark.skipif(shutil.which("wrk") is None, reason="needs wrk: apt-get install wrk")
@measured_again
def test_wrk_costs_the_server_the_same(site: Path) -> None:
    """Processor time a request does not depend on who asks: taken in turns."""
    (contender,) = pairs(Settings(target=str(site)), ["thread"], ["blocking"])
    cores = choose()
    found: dict[str, list[float]] = {"own": [], "wrk": []}
    with started(contender, cores) as running, Generator([cores.load]) as own, Wrk(cores.load) as w:
        answers = asks(learned(running.address, ["/1k.bin"]))
        job = Job(running.address, SECONDS, (Group("kept", 16, answers),))
        examine(running, own, job, ours=False)
        for _ in range(ROUNDS):
            for name, load in (("own", own), ("wrk", w)):
                one = sample(running, load, job)
                assert one.before is not None
                assert one.after is not None
                cpu = one.after.cpu_s - one.before.cpu_s
                found[name].append(cpu / one.tally.requests)
    ours, theirs = (min(values) for values in found.values())  # the least disturbed rounds
    # Two loads wake the server's threads in different bursts; twice the margin for that.
    assert ours == pytest.approx(theirs, rel=2 * AGREE)
