"""Advice, generated from the rows it names: no figure in a sentence that is not in a row.

The rules.  A row that has something against it (`soundness`) is never advised.  Whether
rows differ is decided by `significance`.  Where the best does not differ from what would be
taken anyway, the advice is to keep it simple.
"""

from __future__ import annotations

import shlex
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from ..figures import Row
from ..significance import Rounds, ratios
from .soundness import is_sound

FIRST_LOOK = "cpu_us_per_request"
"""The steadiest figure on a shared machine; what it costs is what a server is bought for."""


@dataclass(frozen=True)
class Sentence:
    """One piece of advice, and what it rests on."""

    scenario: str
    take: str | None
    text: str
    rows: tuple[str, ...]
    command: str | None


def advice(rows: Sequence[Row], target: str, usual: str) -> list[dict[str, Any]]:
    """One sentence for each scenario that has rows; `usual`: the pair that `auto` takes."""
    scenarios = dict.fromkeys(row["scenario"] for row in rows if row["available"])
    return [asdict(sentence(scenario, rows, target, usual)) for scenario in scenarios]


def sentence(scenario: str, rows: Sequence[Row], target: str, usual: str) -> Sentence:
    mine = hardest([row for row in rows if row["scenario"] == scenario])
    ours = [row for row in mine if row["serving"] is not None]
    sound = sorted(
        (row for row in ours if is_sound(row) and row[FIRST_LOOK]), key=median(FIRST_LOOK)
    )
    if not sound:
        names = tuple(row["name"] for row in ours)
        text = f"{scenario}: no pair answered every request correctly; none is advised."
        return Sentence(scenario, None, text, names, None)
    simple = next((row for row in sound if row["name"] == usual), sound[0])
    differ = ratios(
        {row["name"]: rounds(row) for row in sound if row is not simple}, rounds(simple)
    )
    best = next((row for row in sound if differ.get(row["name"], 1) < 1), None)
    if best is None:
        return alike(scenario, simple, sound, differ, target)
    return better(scenario, best, simple, target)


def hardest(rows: list[Row]) -> list[Row]:
    """Where idle connections grow: the most of them that a pair was asked to hold."""
    most = max((row["idle_connections"] for row in rows), default=0)
    return [row for row in rows if row["idle_connections"] == most]


def median(name: str) -> Callable[[Row], float]:
    return lambda row: float(row[name]["median"])


def rounds(row: Row, name: str = FIRST_LOOK) -> Rounds:
    """A figure, round by round; none in a document of before there was this."""
    found: Rounds = (row[name] or {}).get("rounds", ())
    return found


def alike(
    scenario: str, simple: Row, sound: list[Row], differ: Mapping[str, float], target: str
) -> Sentence:
    """The usual choice is as good as any."""
    others = [row for row in sound if row is not simple and row["name"] not in differ]
    cost = figure(simple, FIRST_LOOK, "us of processor time a request")
    if others:
        named = ", ".join(row["name"] for row in others)
        text = (
            f"{scenario}: no significant difference between {simple['name']} ({cost}) and"
            f" {named}: keep it simple, take {simple['name']}."
        )
    elif len(sound) > 1:
        text = f"{scenario}: take {simple['name']}: {cost}, less than every other sound pair."
    else:
        text = f"{scenario}: take {simple['name']} ({cost}): no other pair was sound."
    names = (simple["name"], *(row["name"] for row in others))
    return Sentence(scenario, simple["name"], text, names, command(simple["options"], target))


def better(scenario: str, best: Row, simple: Row, target: str) -> Sentence:
    """Something else is cheaper, by more than the noise; what it costs elsewhere is said."""
    need = figure(best, FIRST_LOOK, "us of processor time a request")
    usual = figure(simple, FIRST_LOOK, "us")
    parts = [f"{scenario}: take {best['name']}: {need}, where {simple['name']} needs {usual}."]
    for name, unit, less_is_better in PRICES:
        ratio = ratios({name: rounds(best, name)}, rounds(simple, name)).get(name)
        if ratio is not None and (ratio > 1) == less_is_better:
            parts.append(
                f"It costs: {figure(best, name, unit)} against {figure(simple, name, unit)}."
            )
    names = (best["name"], simple["name"])
    return Sentence(
        scenario, best["name"], " ".join(parts), names, command(best["options"], target)
    )


PRICES = (("pss_mib", "MiB of memory", True), ("requests_per_s", "requests a second", False))
"""What the cheaper choice may cost: figure, unit, whether less is better."""


def figure(row: Row, name: str, unit: str) -> str:
    """A figure with its spread, as it stands in the row."""
    found = row[name]
    return f"{found['median']:.4g} ({found['min']:.4g} to {found['max']:.4g}) {unit}"


def command(options: Sequence[str], target: str) -> str:
    return shlex.join(("fivefold", "serve", target, *options))
