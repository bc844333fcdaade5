"""What is true of every trace, tried with random requests in every pair."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from fivefold import Settings
from fivefold.linux.tracepoints import tracefs
from fivefold.tracing.model import Trace
from fivefold.tracing.request.session import Session
from support.every_pair import pairs

REQUESTS = 1000
WITH_RIGHTS = 5
"""A trace with the kernel's events takes 50 ms: it records, and reads what it recorded."""

TOLERANCE = 0.02
"""What the sum of the steps may miss of the total."""

SIZES = (0, 1, 5000, 65_536, 65_537, 300_000)


def application(environ: dict[str, Any], start: Callable[..., Any]) -> Iterator[bytes]:
    """As many parts as the path says."""
    start("200 OK", [("Content-Type", "text/plain")])
    for _ in range(int(environ["PATH_INFO"].rpartition("/")[2])):
        yield b"part"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("site")
    for size in SIZES:
        (folder / str(size)).write_bytes(bytes(size))
    return folder


def check(trace: Trace) -> None:
    """Each step begins where the last one ended, none is negative, all together are the whole."""
    at = 0.0
    for number, step in enumerate(trace.steps, 1):
        assert step.step == number
        assert step.start_us >= at - 0.01, "it overlaps the one before"
        assert step.duration_us >= 0
        assert step.happened or step.duration_us == 0
        assert step.happened is (step.why_not is None)
        assert bool(step.evidence) is step.happened, "nothing shows it, or it did not happen"
        at = step.start_us + step.duration_us
    total = trace.summary.total_us
    assert sum(step.duration_us for step in trace.steps) == pytest.approx(total, rel=TOLERANCE)
    assert at == pytest.approx(total, rel=TOLERANCE)
    sums = {name: us for name, us in vars(trace.summary).items() if name.endswith("_us")}
    assert {name: us for name, us in sums.items() if us > total} == {}, "more than the whole"


def random_files(numbers: random.Random) -> tuple[str, str]:
    name = numbers.choice([*map(str, SIZES), "missing", "", "%2e%2e/x"])
    return numbers.choice(["GET", "GET", "HEAD"]), f"/{name}"


def random_parts(numbers: random.Random) -> tuple[str, str]:
    return numbers.choice(["GET", "HEAD"]), f"/{numbers.randint(0, 5)}"


@pairs()
def test_of_random_requests_in_every_pair(pair: dict[str, str], folder: Path) -> None:
    numbers = random.Random(str(pair))
    for target, choose in ((str(folder), random_files), (application, random_parts)):
        settings = Settings.of({"target": target, **pair})
        with Session(settings, privileged=False) as session:
            for _ in range(REQUESTS // 2):
                method, path = choose(numbers)
                check(session.request(path, method=method))


@pytest.mark.skipif(tracefs.available() is not None, reason=str(tracefs.available()))
@pairs()
def test_with_the_kernels_events(pair: dict[str, str], folder: Path) -> None:
    numbers = random.Random(str(pair))
    settings = Settings.of({"target": str(folder), **pair})
    with Session(settings) as session:
        for _ in range(WITH_RIGHTS):
            method, path = random_files(numbers)
            trace = session.request(path, method=method, cold=False)
            check(trace)
            assert trace.privileged
