"""Whether a row may be advised, judged by what its scenario is about, and why not, in words.

A pair is not excluded for what the scenario measures: where one request kills its process, lost
requests are the answer, and who serves slow handlers one after the other is slow, which is shown.
Nor is it for a round that was too short to reach every client: those are measured in longer ones
(`measure/rounds.py`), so `clients_left` counts clients that the longest does not reach either.
"""

from __future__ import annotations

from collections.abc import Callable

from ..figures import Row
from ..plan.scenarios import LEFT, LOST, SCENARIOS, WRONG
from ..plan.schedule import LONGEST_S


def wrong(row: Row) -> str | None:
    if not row[WRONG]["max"]:
        return None
    kinds = ", ".join(f"{kind} {count}" for kind, count in row["wrong"].items())
    return f"it answered wrongly ({kinds or 'in some way'})"


def lost(row: Row) -> str | None:
    most = row[LOST]["max"]
    return f"it lost up to {most:g} requests in a round" if most else None


def left(row: Row) -> str | None:
    count = row[LEFT]
    if not count:
        return None
    why = f": it serves {row['note'].partition(': ')[2]}" if row["note"] else ""
    return f"{count} clients got no answer in {LONGEST_S:g} s{why}"


REASONS: dict[str, Callable[[Row], str | None]] = {WRONG: wrong, LOST: lost, LEFT: left}


def reasons_against(row: Row) -> list[str]:
    """What is held against a row that was measured."""
    found = (REASONS[fault](row) for fault in SCENARIOS[row["scenario"]].faults)
    return [reason for reason in found if reason]


def is_sound(row: Row) -> bool:
    """Whether it may be advised at all."""
    return bool(row["available"]) and not reasons_against(row)
