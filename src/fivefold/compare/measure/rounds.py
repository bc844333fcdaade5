"""Measuring in turns, A B C, A B C, ..., so that whatever drifts hits all alike.

Servers measured one after the other would compare two moments of the machine; servers
that take turns compare two programs.
"""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

from ...errors import LoadFailed
from ...linux.page_cache import evict
from ...load.generator import Load
from ...load.job import Ask, Expected, Job
from ...load.tally import Tally
from ..figures import Reach, Sample
from ..plan import targets
from ..plan.scenarios import LEFT, Offer, Scenario
from ..plan.schedule import EXAMINED_SHARE, LONGEST_S, OVERHEAD_S, Cell, Plan, by_setting
from .disturbance import REPEATED, is_disturbed
from .fleet import BACKLOG_S, Fleet
from .run import backlog_s, examine, sample
from .servers import DidNotStart, Up, started
from .time_budget import TimeBudget, expect_as_seen, fit, round_s

LOOKED_SHARE = 0.25
"""Of the time, for finding out how long rounds must be to reach every client."""
SPARE = 1.25
"""How much longer than all clients seem to need."""

Show = Callable[[str], None]


class Rounds:
    """Fills cells. Whatever happens to one server is its cell's problem alone."""

    def __init__(self, plan: Plan, cells: list[Cell], generator: Load, show: Show) -> None:
        self.plan, self.cells, self.generator, self.show = plan, cells, generator, show
        self.seconds = plan.seconds
        self.expected: dict[str, Expected] = dict(plan.expected)
        self.fleet = Fleet(plan.cores, self.learn)
        self.budget = TimeBudget(None)
        measured = sum(cell.problem is None for cell in cells)
        self.repeats = int(measured * plan.rounds * REPEATED)
        """How many rounds may still be measured again."""

    def measure(self) -> None:
        """All cells, as far as they can be had."""
        total_s = self.plan.total_s if self.plan.run_s is None else None
        self.budget = TimeBudget(total_s, self.plan.claims_s)
        settings = sorted(by_setting(self.cells), key=lambda each: each[0].scenario.alone)
        for alone in (False, True):
            mine = [each for each in settings if each[0].scenario.alone is alone]
            if not any(cell.problem is None for setting in mine for cell in setting):
                continue
            with self.fleet:
                begun = time.monotonic()
                self.start(alone=alone)
                if not alone:
                    self.budget.reserved_s += self.plan.later_starts_s(time.monotonic() - begun)
                for setting in mine:
                    left = settings[settings.index(setting) :]
                    share = self.cost_s(setting) / sum(map(self.cost_s, left))
                    self.turns(setting, self.budget.part(share))

    def cost_s(self, setting: list[Cell]) -> float:
        return self.plan.cost_s(setting[0].scenario) * len(setting)

    def learn(self, running: Up) -> None:
        """The first one up tells which answers are right, but all are asked: a server that alone
        had been asked before the load needed 2 % less processor time ever after than its own
        second instance (10 of 12 comparisons of the same server; `make soak` compares them).

        Raises `LoadFailed` if an answer is not right."""
        if not self.plan.expected:
            answers = targets.learned(running.address, self.plan.paths)
            self.expected = self.expected or answers

    def start(self, *, alone: bool) -> None:
        """Side by side; a server that is not measured alone stays up, and paused."""
        wanted = [c for c in self.plan.contenders if c.available]
        for contender in wanted[:1] if alone else wanted:
            self.show(f"starting: {contender.name}")
            with self.noting([c for c in self.cells if c.contender is contender]):
                self.fleet.launch(contender)
        for name in self.fleet.names():
            mine = [c for c in self.cells if c.contender.name == name]
            with self.noting(mine):
                self.fleet.wait_for(name)
            if any(c.problem for c in mine if not self.plan.lacks(c.scenario)):
                self.fleet.remove(name)

    def turns(self, setting: list[Cell], budget: TimeBudget) -> None:
        ready = [cell for cell in setting if cell.problem is None]
        look_s = budget.spare_s * LOOKED_SHARE / max(len(ready), 1)
        for cell in ready:
            self.show(f"{cell.title}: looking")
            cell.seconds = self.seconds
            with self.noting([cell]):
                self.look(cell)
                self.lengthen(cell, look_s)
        self.take(ready, budget)

    def take(self, cells: list[Cell], budget: TimeBudget) -> None:
        """Round after round of all of them, as many as there is time for."""
        plan = self.plan
        most = plan.rounds_of(cells[0].scenario) if cells else 0
        for number in range(most):
            cells = [cell for cell in cells if cell.problem is None]
            left_s = budget.left_s if number < plan.needed_rounds else budget.spare_s
            if number >= plan.least_rounds and left_s < round_s(cells):
                break
            fit(cells, most - number, budget.spare_s, plan.shortest_s)
            # Every other round backwards: what drifts then favours nobody.
            turn = cells[:: -1 if number % 2 else 1]
            for at, cell in enumerate(turn):
                self.show(f"{cell.title}: round {number + 1} of {plan.rounds}")
                with self.noting([cell]):
                    cell.samples.append(self.undisturbed(cell, budget))
                expect_as_seen(turn[: at + 1], turn[at + 1 :])
                fit(turn[at + 1 :], 1, budget.left_s, plan.shortest_s)

    def look(self, cell: Cell) -> None:
        with self.awake(cell) as running:
            job = self.job(cell, running, self.seconds * EXAMINED_SHARE)
            cell.examined = examine(
                running, self.generator, job, ours=cell.contender.serving is not None
            )
        self.owes(cell, cell.examined.backlog_s)

    def lengthen(self, cell: Cell, look_s: float) -> None:
        """Until a round reaches every client, where the scenario is about that, in so many seconds;
        those whom even the longest does not reach are left out by the server, not by the clock."""
        if cell.examined.backlog_s > BACKLOG_S and not cell.scenario.alone:
            cell.overhead_s = OVERHEAD_S + self.plan.begin_again_s
        if LEFT not in cell.scenario.faults:
            return
        longest_s = min(look_s - cell.overhead_s, LONGEST_S)
        reach, tried_s = cell.examined.reach, cell.seconds
        while reach.left and tried_s < longest_s:
            self.show(f"{cell.title}: {reach.left} clients need a longer round")
            tried_s = min(max(long_enough_s(reach), 2 * tried_s), longest_s)
            reach = Reach.of(self.once(cell, tried_s).tally)
        cell.examined = replace(cell.examined, reach=reach)
        if not reach.left:
            cell.seconds = tried_s

    def undisturbed(self, cell: Cell, budget: TimeBudget) -> Sample:
        """A round; one that other programs disturbed is measured again, and the better one kept.

        Raises as `sample`.
        """
        found = self.once(cell, cell.seconds)
        if is_too_short(cell, found):
            cell.seconds = min(2 * cell.seconds, LONGEST_S)
            cell.least_s = cell.seconds if cell.scenario.harm else 0.0
            found = self.once(cell, cell.seconds)
        if not is_disturbed(found) or self.repeats < 1 or budget.spare_s < cell.seconds:
            return found
        self.repeats -= 1
        self.show(f"{cell.title}: again, it was disturbed")
        again = self.once(cell, cell.seconds)
        return min(found, again, key=lambda each: each.foreign or 0.0)

    def once(self, cell: Cell, seconds: float) -> Sample:
        begun = time.monotonic()
        with self.awake(cell) as running:
            job = self.job(cell, running, seconds)
            found = sample(running, self.generator, job, self.plan.cores.all)
            cell.silence = silence(found.tally, running.last_words())
        self.owes(cell, backlog_s(found.tally))
        cell.overhead_s = max(time.monotonic() - begun - seconds, 0.0)
        return found

    def owes(self, cell: Cell, backlog_s: float) -> None:
        if not cell.scenario.alone:
            self.fleet.owes(cell.contender.name, backlog_s)

    @contextlib.contextmanager
    def awake(self, cell: Cell) -> Iterator[Up]:
        """The cell's server for one run: its own, or the one that was paused."""
        if cell.scenario.alone:
            if cell.scenario.evicts and self.plan.folder is not None:
                drop_from_memory(self.plan.folder)
            with started(cell.contender, self.plan.cores) as running:
                yield running
            return
        asks = targets.asks(self.expected, keep=False)
        running = self.fleet.awake(cell.contender.name, asks)
        try:
            yield running
        finally:
            running.pause()

    def job(self, cell: Cell, running: Up, seconds: float) -> Job:
        offer = Offer(
            kept=targets.asks(self.expected),
            fresh=targets.asks(self.expected, keep=False),
            special=self.special(cell.scenario, running),
            rate=self.plan.rate,
            idle=cell.idle,
            seconds=seconds,
        )
        return Job(running.address, seconds, cell.scenario.groups(offer))

    def special(self, scenario: Scenario, running: Up) -> tuple[Ask, ...]:
        path = self.plan.special.get(scenario.name)
        return targets.special_asks(running.address, scenario, path) if path else ()

    @contextlib.contextmanager
    def noting(self, cells: list[Cell]) -> Iterator[None]:
        """A failure is the problem of these cells, not of the others."""
        try:
            yield
        except (DidNotStart, LoadFailed) as error:
            for cell in cells:
                cell.problem = cell.problem or str(error)


def long_enough_s(reach: Reach) -> float:
    """In which all clients would be answered as fast as those were that have been."""
    return SPARE * reach.seconds * reach.clients / max(reach.served, 1)


def silence(tally: Tally, last_words: str) -> str | None:
    """What was seen of a round without a right answer; None if there was one."""
    if tally.requests:
        return None
    seen = []
    if tally.clients:
        seen.append(f"{tally.connected} connections were made for {tally.clients} clients")
    if tally.unanswered:
        waited_s = tally.oldest_unanswered_ns / 1e9
        seen.append(f"{tally.unanswered} requests waited, up to {waited_s:.2g} s")
    if tally.lost:
        seen.append(f"{tally.lost} connections ended without an answer")
    return "; ".join([*seen, f"the server's log ends with: {last_words}"])


def is_too_short(cell: Cell, found: Sample) -> bool:
    """Whether a longer round may tell more: clients are slower than they were, or what shall do
    harm had not done it yet."""
    tally = found.tally
    if cell.scenario.is_unharmed(tally):
        return tally.kept_waiting > 0
    had_all = LEFT in cell.scenario.faults and not cell.examined.reach.left
    return had_all and not cell.is_cut and Reach.of(tally).left > 0


def drop_from_memory(folder: str) -> None:
    for name in targets.sizes(folder):
        with contextlib.suppress(OSError):
            fd = os.open(Path(folder, name), os.O_RDONLY)
            try:
                evict(fd)
            finally:
                os.close(fd)
