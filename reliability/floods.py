"""Hostile clients of HTTP/2 (`support.http2_attacks`), some each second, while others ask.

Each attack is one connection, which stays open until its slice of the trial is over.  What it costs
is what the server used beyond what it uses for the others alone, who ask at a rate.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable

from fivefold.compare.measure.servers import Running
from support.http2_attacks import ATTACKS, Attack
from support.raw_http2 import RawHttp2

from .ends import ended_well
from .limits import SLOWER, SLOWER_MS, processor_s, pss_kib
from .outcome import Outcome, Trial
from .servers import SERVERS, up
from .steady import CALM, each, loaded, p99_ms, refused

PAUSE_S = 0.25
"""Between two connections: one attacker must not take the processors that the server needs."""

HELD_MIB = 16.0
"""Of one connection: for each of 100 streams what waits for a window, and as much behind it."""


class Storm:
    """One attack, again and again, for a slice of the trial."""

    def __init__(self, running: Running, attack: Attack) -> None:
        self._running, self.attack = running, attack
        self._parts = list(attack.parts())
        self._held: list[RawHttp2] = []
        self.count = self.held_kib = 0

    def go(self, seconds: float) -> None:
        before = pss_kib(self._running)
        each(PAUSE_S, self._attack_once)(seconds)
        self.held_kib = pss_kib(self._running) - before
        for client in self._held:
            client.sock.close()

    def _attack_once(self) -> None:
        with contextlib.suppress(OSError, EOFError):
            client = RawHttp2(self._running.address)
            self._held.append(client)
            client.begin(*self.attack.settings)
            self.count += 1
            for part in self._parts:
                if not client.push(part):
                    return


class Use:
    """What the clients of a slice found, and what the server used for them and for hostile ones."""

    def __init__(self, running: Running, seconds: float, act: Callable[[float], object]) -> None:
        before = processor_s(running)
        self.tally = loaded(running.address, seconds, act, CALM)
        self.processor_s = processor_s(running) - before
        self.p99_ms = p99_ms(self.tally)


def floods(trial: Trial) -> Outcome:
    """Each attack for an equal share of the time."""
    outcome, ours = Outcome(), SERVERS[trial.server].ours
    seconds = trial.seconds / (len(ATTACKS) + 1)
    with up(trial.server, *(("--h2c",) if ours else ())) as running:
        loaded(running.address, 1.0, groups=CALM)
        alone = Use(running, seconds, time.sleep)
        outcome.figures["p99 alone"] = f"{alone.p99_ms:.1f} ms"
        for attack in ATTACKS:
            storm = Storm(running, attack)
            judge(outcome, storm, Use(running, seconds, storm.go), alone)
        ended_well(running, outcome)
    return outcome


def judge(outcome: Outcome, storm: Storm, among: Use, alone: Use) -> None:
    """What one connection cost; each answer of the others cost what it did when they were alone."""
    name, count, tally = str(storm.attack), max(storm.count, 1), among.tally
    others_s = alone.processor_s * tally.requests / alone.tally.requests
    own_ms = max(among.processor_s - others_s, 0.0) / count * 1e3
    held_mib = max(storm.held_kib, 0) / count / 1024
    cost = f"{own_ms:.1f} ms of processor time, {held_mib:.2f} MiB"
    outcome.figures[name] = f"{storm.count} times {cost}, p99 {among.p99_ms:.1f} ms"
    outcome.must(storm.count > 0, f"{name}: no connection was had")
    outcome.must(held_mib <= HELD_MIB, f"{name}: {held_mib:.1f} MiB each")
    slower = among.p99_ms <= SLOWER * alone.p99_ms + SLOWER_MS
    outcome.must(slower, f"{name}: p99 {alone.p99_ms:.1f} -> {among.p99_ms:.1f} ms")
    lost = tally.lost + refused(tally)
    outcome.must(not lost, f"{name}: {tally.lost} lost, {dict(tally.errors)}")
