"""Clients that ask on while something happens, and what became of their requests."""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from fivefold.load.generator import Generator
from fivefold.load.job import Group, Job
from fivefold.load.tally import Tally, added

from .outcome import Outcome
from .servers import FRESH, KEPT

CLIENTS = (Group("kept", 8, (KEPT,)), Group("fresh", 2, (FRESH,)))
"""Always one request after the other, on kept connections and on new ones."""

MODEST = (Group("scheduled", 4, (KEPT,), rate=200.0), Group("fresh", 1, (FRESH,)))
"""Clients that leave room: for what is compared with the same clients undisturbed."""

SETTLING_S = 0.5
"""Without a fault, at the end: what it did to a client has reached it by then."""


CALM = (Group("scheduled", 4, (KEPT,), rate=100.0), Group("scheduled", 4, (FRESH,), rate=50.0))
"""Clients that cost next to nothing: for what is about losses alone."""

SLICE_S = 2.0
"""Of a load whose end is not known; between two slices nobody asks for some milliseconds."""


def loaded(
    address: tuple[str, int],
    seconds: float,
    act: Callable[[float], object] = time.sleep,
    groups: tuple[Group, ...] = CLIENTS,
) -> Tally:
    """What clients found, while `act` did for so many seconds what it does.

    Raises `RuntimeError` if nothing was answered: then nothing has been tried.
    """
    with Generator() as generator:
        generator.prepare(Job(address, seconds + SETTLING_S, groups))
        generator.go()
        act(seconds)
        tally = generator.collect()
    if not tally.requests:
        raise RuntimeError(f"no request was answered: {tally.lost} lost, {dict(tally.errors)}")
    return tally


def loaded_during(address: tuple[str, int], act: Callable[[], object]) -> Tally:
    """What calm clients found, again and again for `SLICE_S`, until `act` is over."""
    tallies: list[Tally] = []
    with Generator() as generator, ThreadPoolExecutor(1) as pool:
        acting = pool.submit(act)
        while not acting.done():
            tallies.append(generator.run(Job(address, SLICE_S, CALM)))
        acting.result()
    return added(tallies)


def each(pause_s: float, act: Callable[[], object]) -> Callable[[float], None]:
    """For `loaded`: again and again, beginning after one pause."""

    def again(seconds: float) -> None:
        begun = time.monotonic()
        due = begun + pause_s
        while due < begun + seconds:
            time.sleep(max(0.0, due - time.monotonic()))
            act()
            due = max(due + pause_s, time.monotonic())

    return again


def refused(tally: Tally) -> int:
    """Connections that could not be had or were closed before they were used; wrong answers."""
    return sum(tally.errors.values())


def accounted(tally: Tally, outcome: Outcome) -> None:
    """The figures that all loads have."""
    outcome.figures["requests"] = f"{tally.requests:,}"
    outcome.figures["lost"] = str(tally.lost)
    outcome.figures["refused"] = str(refused(tally))
    outcome.figures["longest"] = f"{tally.longest_ns / 1e6:.0f} ms"


def p99_ms(tally: Tally) -> float:
    return tally.latencies.percentile(0.99) / 1e6
