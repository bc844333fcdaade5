"""What is going to be measured, and how long each run may take."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from ...load.job import Expected
from ..figures import Examined, Sample
from ..measure.cores import Cores
from .contenders import Contender
from .scenarios import Scenario

START_S = 0.4
"""What starting a server costs, roughly: they start side by side."""
OVERHEAD_S = 0.2
"""What a run takes besides its seconds: connecting, reading the clocks, settling."""
ALONE_S = 1.0
"""What a run with a server of its own takes besides: its start and its end."""
EXAMINED_SHARE = 0.5
"""How long the run is in which memory and system calls are looked at."""
SHORTEST_S, LONGEST_S = 0.2, 5.0


@dataclass(frozen=True)
class Plan:
    """How much of everything."""

    contenders: tuple[Contender, ...]
    scenarios: tuple[Scenario, ...]
    rounds: int
    budget_s: float
    cores: Cores
    paths: tuple[str, ...]
    usual: str
    """The pair that is taken where the user chooses none."""
    folder: str | None = None
    """The folder that is served; None for an application."""
    interface: str = "static"
    special: dict[str, str] = field(default_factory=dict)
    """Paths of scenarios that need one of their own."""
    rate: float = 1000.0
    load: str = "own"
    load_workers: int = 0
    run_s: float | None = None
    """The seconds of each run; None: what the budget allows."""
    expected: Mapping[str, Expected] = field(default_factory=dict)
    """The right answer by path, where it is known; else the first server tells."""

    def cells(self) -> list[Cell]:
        """Every row that there will be, in order; those that cannot be had say why."""
        return [
            Cell(contender, scenario, idle, problem=self.problem(contender, scenario))
            for scenario in self.scenarios
            for idle in scenario.grows
            for contender in self.contenders
        ]

    def problem(self, contender: Contender, scenario: Scenario) -> str | None:
        if contender.address is not None and scenario.alone:
            return f"{scenario.name}: needs a server that `compare` may start and harm"
        return contender.reason or self.lacks(scenario)

    def lacks(self, scenario: Scenario) -> str | None:
        """Why this scenario cannot be had of this target; None if it can."""
        if scenario.evicts and self.folder is None:
            return f"{scenario.name}: only a folder has files that can be dropped from memory"
        if scenario.needs_path and scenario.name not in self.special:
            return (
                f"{scenario.name}: needs a path {scenario.needs_path}:"
                f" name it with --path-for {scenario.name}=/PATH"
            )
        return None

    def of_each_model(self) -> list[Contender]:
        """One pair for each serving model, all with one engine: the models are compared.

        It is the engine that most of the models have, the usual pair's among equals.
        """
        ours = [each for each in self.contenders if each.serving and each.available]
        ours = [each for each in ours if each.note is None and each.workers == 1]
        engines = Counter(each.engine for each in ours)
        usual = next((each.engine for each in ours if each.name == self.usual), None)
        most = max(engines, key=lambda each: (engines[each], each == usual), default=None)
        return [each for each in ours if each.engine == most]

    @property
    def expected_s(self) -> float:
        """How long all of it takes, about."""
        overhead, runs = self._needed()
        return overhead + self.seconds * runs

    @property
    def seconds(self) -> float:
        """Of each run, so that all of them fit into the budget as well as can be."""
        if self.run_s is not None:
            return self.run_s
        overhead, runs = self._needed()
        each = (self.budget_s - overhead) / runs if runs else 0
        return min(max(each, SHORTEST_S), LONGEST_S)

    @property
    def steps(self) -> int:
        """Starts, looks and rounds, about: a round that was disturbed comes again."""
        wanted = [cell.scenario for cell in self.cells() if cell.problem is None]
        return len(self.contenders) + sum(self.rounds_of(each) + 1 for each in wanted)

    def rounds_of(self, scenario: Scenario) -> int:
        return min(self.rounds, scenario.most_rounds or self.rounds)

    def _needed(self) -> tuple[float, float]:
        """Seconds besides the runs, and how many runs there are."""
        wanted = [cell.scenario for cell in self.cells() if cell.problem is None]
        overhead = sum(
            (OVERHEAD_S + ALONE_S * each.alone) * (self.rounds_of(each) + 1) for each in wanted
        )
        runs = sum(self.rounds_of(each) + EXAMINED_SHARE for each in wanted)
        return overhead + START_S * len(self.contenders), runs


@dataclass
class Cell:
    """One contender in one scenario, and what was found. `problem`: why there is nothing."""

    contender: Contender
    scenario: Scenario
    idle: int
    samples: list[Sample] = field(default_factory=list)
    examined: Examined = field(default_factory=Examined)
    problem: str | None = None
    seconds: float = 0.0
    """Of its rounds; more than the plan's where its clients need more."""

    @property
    def title(self) -> str:
        idle = f", {self.idle} idle" if len(self.scenario.grows) > 1 else ""
        return f"{self.scenario.name}{idle}: {self.contender.name}"


def by_setting(cells: list[Cell]) -> Iterator[list[Cell]]:
    """The cells that are measured in turns: one scenario, one number of idle connections."""
    settings = dict.fromkeys((cell.scenario.name, cell.idle) for cell in cells)
    for name, idle in settings:
        yield [cell for cell in cells if (cell.scenario.name, cell.idle) == (name, idle)]
