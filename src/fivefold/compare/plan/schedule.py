"""What is going to be measured, and how long each run may take."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace

from ...load.job import Expected
from ..figures import Examined, Sample
from ..measure.competition import QUIET, Competition
from ..measure.cores import Cores
from .contenders import Contender
from .scenarios import Scenario

START_S = 0.4
"""What starting a server costs, roughly, besides importing the application, which the supervisor's
child and the worker do: they start side by side, on two cores at least."""
OVERHEAD_S = 0.15
"""What a run takes besides its seconds: connecting, reading the clocks, settling."""
ALONE_S = 1.0
"""What a run with a server of its own takes besides: its start and its end."""
SIDE_BY_SIDE = 2.0
"""How many times as long they take at most where others have the cores, too: they are many."""
CLAIMS_S, CLAIMS_STARTS = 1.5, 3
"""What the chapter's claims take for each serving model: a hang and a crash; and starts."""
EXAMINED_SHARE = 0.5
"""How long the run is in which memory and system calls are looked at."""
SHORTEST_S, LONGEST_S = 0.2, 5.0
WHOLE_S = 1.0
"""Programs of other people run for whole seconds."""


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
    import_s: float = 0.0
    """How long the application takes to be imported."""
    competition: Competition = QUIET
    """Of other programs, before the first round: what is no timed run takes longer by it."""
    has_claims: bool = True
    """Whether there is time for the chapter's claims."""
    needed_rounds: int = 0
    """How many can show a difference: they come before the chapter's claims, if time is short."""
    least_rounds: int = 0
    """How many there are though the time is over."""
    total_s: float | None = None
    """When it shall be over; None: when it is done."""
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
    def start_s(self) -> float:
        """Of each of several servers, side by side."""
        return (START_S + self.import_s) * min(self.competition.slower, SIDE_BY_SIDE)

    @property
    def begin_again_s(self) -> float:
        """Of one that starts alone."""
        return 2 * (START_S + self.import_s) * self.competition.slower

    @property
    def claims_s(self) -> float:
        """What the chapter's claims take; nothing where there is one model."""
        models = len(self.of_each_model()) if self.has_claims else 0
        each = CLAIMS_S * self.competition.slower + CLAIMS_STARTS * self.start_s
        return each * models if models > 1 else 0.0

    def later_starts_s(self, first_s: float) -> float:
        """How much longer than expected the starts for the claims take, if all servers' first
        start took so long."""
        count = sum(each.available for each in self.contenders)
        slower = max(first_s / max(count, 1) / self.start_s - 1, 0.0)
        return slower * self.claims_s

    @property
    def shortest_s(self) -> float:
        """How short a run may be, with this load."""
        return SHORTEST_S if self.load == "own" else WHOLE_S

    def within(self, budget_s: float) -> Plan:
        """With fewer rounds, where so many do not fit, one at least; without the chapter's claims,
        where else there were fewer rounds than needed to show a difference."""
        bare = replace(self, has_claims=False)
        tries = [
            *(
                replace(self, rounds=n)
                for n in range(self.rounds, min(self.needed_rounds, self.rounds) - 1, -1)
            ),
            *(replace(bare, rounds=n) for n in range(self.rounds, 0, -1)),
        ]
        return next((p for p in tries if p.expected_s <= budget_s), tries[-1])

    @property
    def seconds(self) -> float:
        """Of each run, so that all of them fit into the budget as well as can be."""
        if self.run_s is not None:
            return self.run_s
        overhead, runs = self._needed()
        each = (self.budget_s - overhead) / runs if runs else 0
        whole = each if self.load == "own" else each // WHOLE_S
        return min(max(whole, self.shortest_s), LONGEST_S)

    @property
    def steps(self) -> int:
        """Starts, looks and rounds, about: a round that was disturbed comes again."""
        wanted = [cell.scenario for cell in self.cells() if cell.problem is None]
        return len(self.contenders) + sum(self.rounds_of(each) + 1 for each in wanted)

    def cost_s(self, scenario: Scenario) -> float:
        """What a row of it takes, about."""
        each = OVERHEAD_S + ALONE_S * scenario.alone + self.seconds
        return each * (self.rounds_of(scenario) + 1)

    def rounds_of(self, scenario: Scenario) -> int:
        return min(self.rounds, scenario.most_rounds or self.rounds)

    def _needed(self) -> tuple[float, float]:
        """Seconds besides the runs, and how many runs there are."""
        wanted = [cell.scenario for cell in self.cells() if cell.problem is None]
        overhead = sum(
            (OVERHEAD_S + ALONE_S * each.alone) * (self.rounds_of(each) + 1) for each in wanted
        )
        runs = sum(self.rounds_of(each) + EXAMINED_SHARE for each in wanted)
        starts_s = self.start_s * sum(each.available for each in self.contenders)
        return overhead * min(
            self.competition.slower, SIDE_BY_SIDE
        ) + starts_s + self.claims_s, runs


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
    overhead_s: float = OVERHEAD_S
    """What its last run took besides."""
    least_s: float = 0.0
    """Below it a round proves nothing."""
    is_cut: bool = False
    """Whether there is no time for rounds as long as the clients need."""
    silence: str | None = None
    """What was seen where a round had no answer at all."""

    @property
    def title(self) -> str:
        idle = f", {self.idle} idle" if len(self.scenario.grows) > 1 else ""
        return f"{self.scenario.name}{idle}: {self.contender.name}"


def by_setting(cells: list[Cell]) -> Iterator[list[Cell]]:
    """The cells that are measured in turns: one scenario, one number of idle connections."""
    settings = dict.fromkeys((cell.scenario.name, cell.idle) for cell in cells)
    for name, idle in settings:
        yield [cell for cell in cells if (cell.scenario.name, cell.idle) == (name, idle)]
