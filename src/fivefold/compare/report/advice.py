"""Advice, generated from the rows it names: no figure in a sentence that is not in a row.

The rules.  A row that has something against it (`soundness`) is never advised, and the reason is
said.  Whether rows differ is decided by `significance`.  Where no pair is shown to be better than
what would be taken anyway, the advice is to take that.  Every choice has its price: what is worse
than with the default is said, and what a crash takes along.
"""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from ...inspection.phrases import counted
from ..figures import Row
from ..plan.scenarios import SCENARIOS
from ..significance import rounds_needed
from .columns import three
from .criteria import (
    CHEAPEST,
    CRITERIA,
    PRICES,
    Criterion,
    deciding,
    differences,
    instead,
    isolates,
    isolation,
)
from .soundness import blocked_loops, held_against, is_sound

MEMORY = "memory"
"""A question that has no scenario of its own: every row has an answer."""


@dataclass(frozen=True)
class Sentence:
    """One question with its answer, and what it rests on."""

    scenario: str
    rows_of: str
    """The scenario whose rows answer it."""
    question: str
    take: str | None
    text: str
    price: tuple[str, ...] = ()
    excluded: tuple[str, ...] = ()
    """Who cannot be taken, and why."""
    rows: tuple[str, ...] = ()
    """By name: those that stand side by side."""
    command: str | None = None


@dataclass(frozen=True)
class Answers:
    """The rows that a question is decided among."""

    scenario: str
    criterion: Criterion
    sound: tuple[Row, ...]
    """Best first."""
    usual: str
    target: str
    excluded: tuple[str, ...]

    @property
    def simple(self) -> Row:
        """The default pair, or the best of those that are left."""
        return next((row for row in self.sound if row["name"] == self.usual), self.sound[0])


def advice(
    rows: Sequence[Row], target: str, usual: str, interface: str = "static"
) -> list[dict[str, Any]]:
    """One answer for each scenario that has rows, and that of memory; `usual`: the pair that is
    taken by default."""
    scenarios = list(dict.fromkeys(row["scenario"] for row in rows if row["available"]))
    found = []
    for scenario in scenarios:
        mine = hardest([row for row in rows if row["scenario"] == scenario])
        found.append(answered(scenario, mine, target, usual, interface))
    harmless = [each for each in scenarios if not SCENARIOS[each].alone]
    if harmless:
        mine = hardest([row for row in rows if row["scenario"] == harmless[-1]])
        found += memory(mine, target, usual)
    return [asdict(each) for each in found]


def hardest(rows: list[Row]) -> list[Row]:
    """Where idle connections grow: the most of them that a pair was asked to hold."""
    most = max((row["idle_connections"] for row in rows), default=0)
    return [row for row in rows if row["idle_connections"] == most]


def answered(
    scenario: str, rows: Sequence[Row], target: str, usual: str, interface: str
) -> Sentence:
    ours = [row for row in rows if row["serving"] is not None and row["available"]]
    question = SCENARIOS[scenario].question
    against = [*held_against(ours), *blocked_loops(ours, interface)]
    named = {name for names, _ in against for name in names}
    sound = [row for row in ours if row["name"] not in named]
    excluded = tuple(f"{', '.join(names)}: {reason}." for names, reason in against)
    criterion = deciding(scenario, sound)
    sound = [row for row in sound if criterion.of(row) is not None]
    if not sound:
        text = "None can be advised: each has something against it."
        return Sentence(scenario, scenario, question, None, text, (), excluded)
    ranked = tuple(criterion.best_first(sound))
    found = chosen(Answers(scenario, criterion, ranked, usual, target, excluded))
    return replace(found, question=question)


def memory(rows: Sequence[Row], target: str, usual: str) -> list[Sentence]:
    """Of the rows of one scenario; none where there is nothing to choose."""
    criterion = CRITERIA["pss_mib"]
    sound = [row for row in rows if row["serving"] and is_sound(row) and criterion.of(row)]
    if len(sound) < 2:  # noqa: PLR2004 - a choice
        return []
    ranked = tuple(criterion.best_first(sound))
    found = chosen(Answers(rows[0]["scenario"], criterion, ranked, usual, target, ()))
    return [replace(found, scenario=MEMORY, question="Memory: which pair needs least of it?")]


def chosen(answers: Answers) -> Sentence:
    simple, criterion = answers.simple, answers.criterion
    differ = differences(criterion, answers.sound, simple)
    best = next((r for r in answers.sound if is_better(r, differ, criterion)), simple)
    side = side_by_side(answers, best)
    parts = [better(best, answers) if best is not simple else kept(answers, differ)]
    if criterion is CHEAPEST:
        parts.append(instead(answers.sound) or "")
    return Sentence(
        answers.scenario,
        answers.scenario,
        "",
        best["name"],
        " ".join(parts).rstrip(),
        tuple(prices(best, side)),
        answers.excluded,
        tuple(row["name"] for row in side),
        command(best["options"], answers.target),
    )


def is_better(row: Row, differ: Mapping[str, float], criterion: Criterion) -> bool:
    return row["name"] in differ and criterion.is_better(differ[row["name"]])


def kept(answers: Answers, differ: Mapping[str, float]) -> str:
    """The default is as good as any."""
    simple, criterion = answers.simple, answers.criterion
    others = [r["name"] for r in answers.sound if r is not simple and r["name"] not in differ]
    default = ", the default" if simple["name"] == answers.usual else ""
    parts = [f"Take {simple['name']}{default}: it {criterion.verb} {criterion.said(simple)}."]
    if len(answers.sound) == 1:
        parts.append("No other pair is left.")
    elif others:
        named = ", ".join(others)
        parts.append(undecided(answers, named))
    else:
        parts.append("Every other pair was worse.")
    return " ".join(parts)


def undecided(answers: Answers, others: str) -> str:
    """Why there is nothing against the simple pair: no difference, or too few rounds to see one."""
    rounds, needed = answers.simple["rounds"], rounds_needed(len(answers.sound))
    if rounds < needed and not answers.criterion.counted:
        few = counted(rounds, "round", "rounds")
        return f"In {few} no difference from {others} can be shown; {needed} can show one."
    return f"No significant difference from {others} was shown: keep it simple."


def better(best: Row, answers: Answers) -> str:
    """Something else is better, by more than the noise."""
    simple, criterion = answers.simple, answers.criterion
    who = f"{simple['name']}, the default," if simple["name"] == answers.usual else simple["name"]
    return (
        f"Take {best['name']}: it {criterion.verb} {criterion.said(best)},"
        f" where {who} {criterion.verb} {criterion.said(simple)}."
    )


def side_by_side(answers: Answers, best: Row) -> list[Row]:
    """The advised pair, the default, and the best of each other serving model."""
    found = {row["name"]: row for row in (best, answers.simple)}
    for row in answers.sound:
        if row["serving"] not in {each["serving"] for each in found.values()}:
            found[row["name"]] = row
    return list(found.values())


def prices(best: Row, side: Sequence[Row]) -> list[str]:
    """What each other choice does better."""
    found = []
    for row in side:
        if row is best:
            continue
        gains = [gain for key in PRICES if (gain := gained(CRITERIA[key], row, best))]
        if isolates(row) and not isolates(best):
            gains.append(f"a crash takes {isolation(row)}, not {isolation(best)}")
        if gains:
            found.append(f"{row['name']} would be better in this: {'; '.join(gains)}.")
    return found


def gained(criterion: Criterion, row: Row, best: Row) -> str | None:
    """In which figure the other is better, if a test of their rounds says so."""
    if criterion.of(row) is None or criterion.of(best) is None:
        return None
    ratio = differences(criterion, (row,), best).get(row["name"])
    if ratio is None or not criterion.is_better(ratio):
        return None
    return f"it {criterion.verb} {criterion.said(row)}, not {three(criterion.median(best))}"


def command(options: Sequence[str], target: str) -> str:
    return shlex.join(("fivefold", "serve", target, *options))
