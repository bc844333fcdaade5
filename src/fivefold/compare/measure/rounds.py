"""Measuring in turns, A B C, A B C, ..., so that whatever drifts hits all alike.

Servers measured one after the other would compare two moments of the machine; servers
that take turns compare two programs.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

from ...errors import LoadFailed
from ...linux.page_cache import evict
from ...load.generator import Load
from ...load.job import Ask, Expected, Job
from ..figures import Sample
from ..plan import targets
from ..plan.scenarios import LEFT, Offer, Scenario
from ..plan.schedule import EXAMINED_SHARE, LONGEST_S, Cell, Plan, by_setting
from .asked_alone import wait_for_backlog
from .cores import pin
from .disturbance import REPEATED, is_disturbed
from .run import examine, sample, unserved
from .servers import DidNotStart, Up, launched, started

Show = Callable[[str], None]


class Rounds:
    """Fills cells. Whatever happens to one server is its cell's problem alone."""

    def __init__(self, plan: Plan, cells: list[Cell], generator: Load, show: Show) -> None:
        self.plan, self.cells, self.generator, self.show = plan, cells, generator, show
        self.seconds = plan.seconds
        self.expected: dict[str, Expected] = dict(plan.expected)
        self.up: dict[str, Up] = {}
        measured = sum(cell.problem is None for cell in cells)
        self.repeats = int(measured * plan.rounds * REPEATED)
        """How many rounds may still be measured again."""

    def measure(self) -> None:
        """All cells, as far as they can be had. Raises `LoadFailed` if no answer is right."""
        for alone in (False, True):
            cells = [cell for cell in self.cells if cell.scenario.alone is alone]
            if any(cell.problem is None for cell in cells) or not self.expected:
                with contextlib.ExitStack() as stack:
                    self.start(stack, alone=alone)
                    for setting in by_setting(cells):
                        self.turns(setting)

    def start(self, stack: contextlib.ExitStack, *, alone: bool) -> None:
        """Side by side; a server that is not measured alone stays up, and paused. The first one up
        tells which answers are right, but all are asked: a server that alone had been asked
        before the load needed 2 % less processor time ever after than its own second instance
        (10 of 12 comparisons of the same server; `make soak` compares them)."""
        self.up.clear()
        wanted = [c for c in self.plan.contenders if c.available]
        for contender in wanted[:1] if alone else wanted:
            self.show(f"starting: {contender.name}")
            with self.noting([c for c in self.cells if c.contender is contender]):
                self.up[contender.name] = stack.enter_context(launched(contender))
        for name, running in list(self.up.items()):
            mine = [c for c in self.cells if c.contender.name == name]
            with self.noting(mine):
                running.wait()
                if running.pid is not None:
                    pin(running.pid, self.plan.cores.server)
                if not self.plan.expected:
                    answers = targets.learned(running.address, self.plan.paths)
                    self.expected = self.expected or answers
                running.pause()
            if any(c.problem for c in mine if not self.plan.lacks(c.scenario)):
                del self.up[name]

    def turns(self, setting: list[Cell]) -> None:
        ready = [cell for cell in setting if cell.problem is None]
        for cell in ready:
            self.show(f"{cell.title}: looking")
            cell.seconds = self.seconds
            with self.noting([cell]):
                with self.awake(cell) as running:
                    job = self.job(cell, running, self.seconds * EXAMINED_SHARE)
                    cell.examined = examine(
                        running, self.generator, job, ours=cell.contender.serving is not None
                    )
                self.lengthen(cell)
        for number in range(self.plan.rounds_of(setting[0].scenario)):
            # Every other round backwards: what drifts then favours nobody.
            for cell in ready[:: -1 if number % 2 else 1]:
                if cell.problem is None:
                    self.show(f"{cell.title}: round {number + 1} of {self.plan.rounds}")
                    with self.noting([cell]):
                        cell.samples.append(self.undisturbed(cell))

    def lengthen(self, cell: Cell) -> None:
        """Until a round reaches every client, where the scenario is about that; those whom even
        the longest does not reach are left out by the server, not by the clock."""
        left, seconds = cell.examined.unserved, cell.seconds
        while left and LEFT in cell.scenario.faults and seconds < LONGEST_S:
            self.show(f"{cell.title}: {left} clients need a longer round")
            seconds = min(2 * seconds, LONGEST_S)
            left = unserved(self.once(cell, seconds).tally)
        cell.examined = replace(cell.examined, unserved=left)
        if not left:
            cell.seconds = seconds

    def undisturbed(self, cell: Cell) -> Sample:
        """A round; one that other programs disturbed is measured again, and the better one kept.

        Raises as `sample`.
        """
        found = self.once(cell, cell.seconds)
        if is_too_short(cell, found):
            cell.seconds = min(2 * cell.seconds, LONGEST_S)
            found = self.once(cell, cell.seconds)
        if not is_disturbed(found) or self.repeats < 1:
            return found
        self.repeats -= 1
        self.show(f"{cell.title}: again, it was disturbed")
        again = self.once(cell, cell.seconds)
        return min(found, again, key=lambda each: each.foreign or 0.0)

    def once(self, cell: Cell, seconds: float) -> Sample:
        with self.awake(cell) as running:
            job = self.job(cell, running, seconds)
            return sample(running, self.generator, job, self.plan.cores.all)

    @contextlib.contextmanager
    def awake(self, cell: Cell) -> Iterator[Up]:
        """The cell's server for one run: its own, or the one that was paused."""
        if cell.scenario.alone:
            if cell.scenario.evicts and self.plan.folder is not None:
                drop_from_memory(self.plan.folder)
            with started(cell.contender, self.plan.cores) as running:
                yield running
            return
        running = self.up[cell.contender.name]
        running.resume()
        wait_for_backlog(running.address, targets.asks(self.expected, keep=False))
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


def is_too_short(cell: Cell, found: Sample) -> bool:
    """Whether a longer round may tell more: clients are slower than they were, or what shall do
    harm had not done it yet."""
    tally = found.tally
    if cell.scenario.is_unharmed(tally):
        return tally.kept_waiting > 0
    is_left_out = LEFT in cell.scenario.faults and not cell.examined.unserved
    return is_left_out and unserved(tally) > 0


def drop_from_memory(folder: str) -> None:
    for name in targets.sizes(folder):
        with contextlib.suppress(OSError):
            fd = os.open(Path(folder, name), os.O_RDONLY)
            try:
                evict(fd)
            finally:
                os.close(fd)
