"""Reloads and deaths: HUP, kill -9, a worker that dies at start, hangs, or is stopped."""

from __future__ import annotations

import contextlib
import os
import random
import signal
import threading
import time
from pathlib import Path

from fivefold.compare.measure.servers import Running

from .outcome import Outcome, Trial
from .servers import (
    SERVERS,
    WORKERS,
    answers,
    connections,
    root,
    stopped,
    suspend,
    up,
    wait_until,
    workers,
)
from .steady import accounted, each, loaded, refused

PAUSE_MS = 100
REQUESTS = 200_000
BACK_S = 1.0
KILLS_PER_S = 2.5
"""At least: ten are tried, but a worker is stopped and its connections are counted before."""

STARTS_PER_S = 4
"""A worker that cannot start may be tried this often at most; more is a fork bomb."""

SLACK_S = 1.0


def ended_well(running: Running, outcome: Outcome) -> None:
    """The server is there, and stops as one that nothing has happened to."""
    outcome.must(running.process.poll() is None, f"it has ended: {running.last_words()}")
    status = stopped(running)
    outcome.must(status == 0, f"it stopped with {status}: {running.last_words()}")


def hup(trial: Trial) -> Outcome:
    """SIGHUP every two seconds."""
    outcome, reloads = Outcome(), 0

    def reload() -> None:
        nonlocal reloads
        os.kill(root(running), signal.SIGHUP)
        reloads += 1

    with up(trial.server) as running:
        before = set(workers(running))
        tally = loaded(running.address, trial.seconds, each(2.0, reload))
        accounted(tally, outcome)
        outcome.figures["reloads"] = str(reloads)
        outcome.must(not before & set(workers(running)), "a worker of before the reloads is there")
        lost = tally.lost + refused(tally)
        outcome.must(not lost, f"{tally.lost} lost, {dict(tally.errors)}")
        longest = tally.longest_ns / 1e6
        outcome.must(longest < PAUSE_MS, f"a request took {longest:.0f} ms")
        least = int(REQUESTS * trial.share)
        outcome.must(tally.requests >= least, f"{tally.requests} of {least} requests")
        ended_well(running, outcome)
    return outcome


def kill(trial: Trial) -> Outcome:
    """SIGKILL to a worker every 100 ms; it is stopped first, to count what it holds."""
    outcome, chance, kills, held = Outcome(), random.Random(7), 0, 0

    def end_one() -> None:
        nonlocal kills, held
        found = workers(running)
        if not found:
            return
        victim = chance.choice(found)
        with contextlib.suppress(ProcessLookupError):
            suspend(victim)
            held += connections(victim, running.port)
            os.kill(victim, signal.SIGKILL)
            kills += 1

    with up(trial.server) as running:
        before = len(workers(running))

        def storm(seconds: float) -> None:
            each(0.1, end_one)(seconds)
            again(running, before, outcome)

        tally = loaded(running.address, trial.seconds, storm)
        accounted(tally, outcome)
        outcome.figures |= {"kills": str(kills), "held by the killed": str(held)}
        least = int(KILLS_PER_S * trial.seconds)
        outcome.must(kills >= least, f"{kills} kills, {least} are the least")
        outcome.must(tally.lost <= held, f"{tally.lost} lost of {held} in flight")
        outcome.must(not refused(tally), f"{dict(tally.errors)}")
        ended_well(running, outcome)
    return outcome


def again(running: Running, count: int, outcome: Outcome) -> None:
    """After the last death."""

    def back() -> bool:
        return len(workers(running)) >= count and answers(running.address) is not None

    try:
        took = wait_until(back, "its workers", 15)
    except TimeoutError:
        outcome.missed.append(f"{len(workers(running))} of {count} workers")
        return
    outcome.figures["back in"] = f"{took:.1f} s"
    outcome.must(took < BACK_S, f"back after {took:.1f} s")


def dies(trial: Trial) -> Outcome:
    """A worker is killed, and none can start: the application ends its process."""
    outcome = Outcome()
    starts, broken = trial.folder / "starts", trial.folder / "broken"
    known = {"OPERATIONS_STARTS": str(starts), "OPERATIONS_BROKEN": str(broken)}
    with up(trial.server, environment=known) as running:
        wait_until(lambda: starts.stat().st_size >= WORKERS, "all workers")
        before = starts.stat().st_size
        broken.touch()

        def break_one(seconds: float) -> None:
            os.kill(workers(running)[0], signal.SIGKILL)
            time.sleep(seconds)

        held = len(workers(running))
        tally = loaded(running.address, trial.seconds, break_one)
        accounted(tally, outcome)
        tried = starts.stat().st_size - before
        outcome.figures["starts tried"] = str(tried)
        outcome.must(0 < tried <= STARTS_PER_S * trial.seconds + 4, f"{tried} starts")
        outcome.must(running.process.poll() is None, f"it has ended: {running.last_words()}")
        broken.unlink()
        with contextlib.suppress(TimeoutError):
            back = wait_until(lambda: len(workers(running)) >= held, "its workers")
            outcome.figures["healed in"] = f"{back:.1f} s"
        outcome.must("healed in" in outcome.figures, "it did not heal")
        ended_well(running, outcome)
    return outcome


def replaced(victim: int, outcome: Outcome, limit_s: float) -> None:
    """How long it took until a worker that does nothing was ended."""
    try:
        found = wait_until(lambda: not Path(f"/proc/{victim}").exists(), "its end", limit_s * 3)
    except TimeoutError:
        outcome.missed.append(f"not found within {limit_s * 3:.0f} s")
        return
    outcome.figures["ended after"] = f"{found:.1f} s"
    most = limit_s + SLACK_S
    outcome.must(found <= most, f"found after {found:.1f} s, the limit is {limit_s:.0f} s")


def stopped_worker(trial: Trial) -> Outcome:
    """SIGSTOP to a worker, as a debugger or a full machine does it."""
    outcome, server = Outcome(), SERVERS[trial.server]
    with up(trial.server, *server.stuck) as running:
        victim = workers(running)[0]

        def stop_one(seconds: float) -> None:
            begun = time.monotonic()
            suspend(victim)
            held.append(connections(victim, running.port))
            replaced(victim, outcome, server.limit_s)
            time.sleep(max(0.0, begun + seconds - time.monotonic()))

        held: list[int] = []
        tally = loaded(running.address, trial.seconds, stop_one)
        unharmed(running, tally.lost, held[0], outcome)
        accounted(tally, outcome)
    return outcome


def unharmed(running: Running, lost: int, held: int, outcome: Outcome) -> None:
    outcome.figures["held by it"] = str(held)
    outcome.must(lost <= held, f"{lost} lost of {held} in flight")
    with contextlib.suppress(TimeoutError):
        wait_until(lambda: workers(running), "a worker")
    ended_well(running, outcome)


def hangs(trial: Trial) -> Outcome:
    """A request that computes in C with the GIL held."""
    outcome, server = Outcome(), SERVERS[trial.server]
    with up(trial.server, *server.stuck) as running:
        hanging = (running.address, "/hang", 60.0)
        asks = threading.Thread(target=answers, args=hanging, daemon=True)

        def hang_one(seconds: float) -> None:
            begun = time.monotonic()
            asks.start()
            asks.join(server.limit_s * 3)
            found = time.monotonic() - begun
            outcome.figures["ended after"] = f"{found:.1f} s"
            most = server.limit_s + SLACK_S
            outcome.must(found <= most, f"found after {found:.1f} s")
            outcome.must(found > server.limit_s / 2, "the request did not hang")
            time.sleep(max(0.0, begun + seconds - time.monotonic()))

        tally = loaded(running.address, trial.seconds, hang_one)
        accounted(tally, outcome)
        unharmed(running, tally.lost, tally.clients, outcome)
    return outcome
