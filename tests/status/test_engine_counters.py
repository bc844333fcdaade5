"""What engines count is in `/metrics`, for each of them that counts anything."""

from __future__ import annotations

from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from fivefold.iomodels import ENGINES
from fivefold.iomodels.interface import IOModel
from fivefold.status.engine_counters import COUNTERS, EngineCounters
from support.client import Client
from support.servers.deployed import deployed, until
from support.status_client import Status

REQUESTS = 20

MANY = {
    "nonblocking": "successes",
    "sigio": "signals",
    "posix": "operations",
    "uring": "completions",
}
"""A counter of each engine that grows with every request."""

LEVELS = {"threads"}
"""Of what an engine says, that which is no count."""


def test_every_counter_of_every_engine_is_shown(io: IOModel) -> None:
    of_engine = {name for engine, name in COUNTERS if engine == io.engine}
    assert io.statistics().keys() - LEVELS == of_engine


def counted(status: Status) -> dict[tuple[str, str], float]:
    return {
        (sample.labels["engine"], sample.labels["event"]): sample.value
        for family in text_string_to_metric_families(status.ask("/metrics")[1])
        for sample in family.samples
        if sample.name == "fivefold_engine_events_total"
    }


@pytest.mark.parametrize("engine", ENGINES, ids=lambda each: each.engine)
def test_what_an_engine_counts_grows_with_requests(engine: type[IOModel], tmp_path: Path) -> None:
    if reason := engine.available():
        pytest.skip(reason)
    (tmp_path / "index.html").write_text("here")
    status, name = Status(tmp_path), engine.engine
    serving = "async" if engine.traits.overlaps else "thread"
    arguments = "--serving", serving, "--io", name, *status.arguments
    with deployed(tmp_path, ".", *arguments) as server:
        with Client(server.address) as client:
            for _ in range(REQUESTS):
                assert client.get("/").status == 200
        if name in MANY:
            key = name, MANY[name]
            until(lambda: counted(status).get(key, 0) >= REQUESTS, f"{key} in the metrics")
        assert counted(status).keys() == {each for each in COUNTERS if each[0] == name}
        assert server.stop() == 0


def test_what_was_counted_stays_when_its_engine_is_gone() -> None:
    class Counting:
        engine = "sigio"
        signals = 7

        def statistics(self) -> dict[str, int]:
            return {"signals": self.signals, "stale": 1, "overflows": 0}

    io, words = Counting(), memoryview(bytearray(8 * len(COUNTERS))).cast("Q")
    counters = EngineCounters(io)  # type: ignore[arg-type]
    at = COUNTERS.index(("sigio", "signals"))
    counters.add_to(words)
    io.signals = 9
    counters.add_to(words)
    assert words[at : at + 3].tolist() == [9, 1, 0]
    del io
    counters.add_to(words)
    assert words[at] == 9
