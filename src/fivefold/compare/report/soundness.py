"""Whether a row may be advised, judged by what its scenario is about, and why not, in words.

A pair is not excluded for what the scenario measures: where one request kills its process, lost
requests are the answer, and who serves slow handlers one after the other is slow, which is shown.
Nor is it for a round that was too short to reach every client: those are measured in longer ones
(`measure/rounds.py`), so `clients_left` counts clients that the longest does not reach either.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from ...serving import MODELS as SERVING_MODELS
from ..figures import Row
from ..plan.scenarios import LEFT, LOST, SCENARIOS, UNHARMED, WRONG
from ..plan.schedule import LONGEST_S
from .columns import three

SLOW_SHARE, BUSY = 0.5, 0.8
"""Below the one of what others answer, and below the other of its core: it waits in its loop."""


def wrong(row: Row) -> str | None:
    if not row[WRONG]["max"]:
        return None
    kinds = ", ".join(f"{kind} {count}" for kind, count in row["wrong"].items())
    return f"it answered wrongly ({kinds or 'in some way'})"


def lost(row: Row) -> str | None:
    most = row[LOST]["max"]
    return f"in a round it lost {most:g} of the requests, or fewer" if most else None


def left(row: Row) -> str | None:
    count = row[LEFT]
    if not count:
        return None
    why = f": it serves {row['note'].partition(': ')[2]}" if row["note"] else ""
    return f"{count} clients got no answer in {LONGEST_S:g} s{why}"


def unharmed(row: Row) -> str | None:
    count = row.get(UNHARMED, 0)  # not in a document of before there was this
    if not count:
        return None
    name = row["scenario"]
    return (
        f"in {count} of {row['rounds']} rounds the request of --path-for {name} did no harm, so"
        " nothing is known: it was answered, or the round was over before it began"
    )


REASONS: dict[str, Callable[[Row], str | None]] = {
    WRONG: wrong,
    LOST: lost,
    LEFT: left,
    UNHARMED: unharmed,
}


def reasons_against(row: Row) -> list[str]:
    """What is held against a row that was measured."""
    found = (REASONS[fault](row) for fault in SCENARIOS[row["scenario"]].faults)
    return [reason for reason in found if reason]


def is_sound(row: Row) -> bool:
    """Whether it may be advised at all."""
    return bool(row["available"]) and not reasons_against(row)


def is_usable(row: Row) -> bool:
    return bool(row["requests_per_s"] and row["cpu_us_per_request"])


def blocked_loop(row: Row, rows: Sequence[Row], interface: str) -> str | None:
    """Whether the application's handler keeps the event loop from all other clients.

    Evidence: one thread answers less than half of what threads or processes do, though the
    processor has nothing to do for a good part of the time, so it waits where others need not.
    """
    alone = row["serving"] and SERVING_MODELS[row["serving"]].traits.one_thread
    if interface != "asgi" or not alone or row["note"] or not is_usable(row):
        return None
    others = [
        each
        for each in rows
        if not SERVING_MODELS[each["serving"]].traits.one_thread
        and is_usable(each)
        and not reasons_against(each)
    ]
    if not others:
        return None
    best = max(others, key=lambda each: float(each["requests_per_s"]["median"]))
    mine, theirs = (each["requests_per_s"]["median"] for each in (row, best))
    busy = mine * row["cpu_us_per_request"]["median"] / 1e6
    if mine > theirs * SLOW_SHARE or busy > BUSY:
        return None
    return (
        f"its handler blocks the event loop: {three(mine)} instead of {three(theirs)} requests/s,"
        f" though the processor was idle {100 * (1 - busy):.0f} % of the time; await what it waits"
        f" for, or write it as `def` where the framework has it, or take {best['name']}"
    )
