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
from ..plan.scenarios import LEFT, LOST, SCENARIOS, UNHARMED, WRONG, at_a_rate
from ..plan.schedule import LONGEST_S
from .columns import three

SLOW_SHARE, BUSY = 0.5, 0.8
"""Below the one of what others answer, and below the other of its core: it waits in its loop."""
WAITS_MS, OVERLAP = 5.0, 1.5
"""A handler that takes so long waits; so many requests at once are no more than one."""


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
    seconds = row.get("longest_round_s") or LONGEST_S  # not in a document of before there was this
    if not why and seconds < LONGEST_S:
        why = " while others had several; a longer comparison shows whether it leaves them out"
    return f"{count} clients got no answer in {seconds:.3g} s{why}"


def silent(row: Row) -> str | None:
    """Not one right answer: all that is known of it."""
    seen = row.get("silence")
    return f"not one request was answered: {seen}" if seen else None


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
    found = [silent(row), *(REASONS[fault](row) for fault in SCENARIOS[row["scenario"]].faults)]
    return [reason for reason in found if reason]


def held_against(rows: Sequence[Row]) -> list[tuple[list[str], str]]:
    """Names and reason; what is held against several pairs is said once."""
    found: dict[str, list[str]] = {}
    for row in rows:
        for reason in reasons_against(row):
            found.setdefault(reason, []).append(row["name"])
    return [(names, reason) for reason, names in found.items()]


def is_sound(row: Row) -> bool:
    """Whether it may be advised at all."""
    return bool(row["available"]) and not reasons_against(row)


def is_usable(row: Row) -> bool:
    return bool(row["requests_per_s"] and row["cpu_us_per_request"])


def is_blocked(row: Row, better: Row | None, interface: str) -> bool:
    """Whether the application's handler keeps the event loop from all other clients.

    Evidence: the processor has nothing to do for a good part of the time, so the handler waits,
    and either clients together are answered no faster than one alone, or one thread answers less
    than half of what threads or processes do.
    """
    if interface != "asgi" or row["note"] or not is_usable(row) or busy(row) > BUSY:
        return False
    return better is not None or is_one_by_one(row)


def blocked_loops(rows: Sequence[Row], interface: str) -> list[tuple[list[str], str]]:
    """The pairs whose loop is blocked, and what is said of them: once for all that have the same
    remedy, because the handler is the same in each."""
    alike: dict[str | None, tuple[list[Row], Row | None]] = {}
    for row in rows:
        better = best_of_others(row, rows)
        if is_blocked(row, better, interface):
            alike.setdefault(better["name"] if better else None, ([], better))[0].append(row)
    named = [row["name"] for mine, _ in alike.values() for row in mine]
    for mine, _ in alike.values():
        others = [row for row in rows if row["name"] not in named and is_blocked_too(row, mine)]
        mine.extend(others)
        named += [row["name"] for row in others]
    return [
        ([row["name"] for row in mine], blocked(mine, better)) for mine, better in alike.values()
    ]


def is_blocked_too(row: Row, blocked_rows: Sequence[Row]) -> bool:
    """Whether a busy processor hides that this loop is blocked: non-blocking threads try in vain
    meanwhile. The handler is that of a row of the same serving model, which waits."""
    alike = any(each["serving"] == row["serving"] for each in blocked_rows)
    return alike and not row["note"] and is_in_turn(row)


def blocked(rows: Sequence[Row], better: Row | None) -> str:
    """What is said of rows that are blocked alike."""
    mine = spread([row["requests_per_s"]["median"] for row in rows], three)
    share = spread([100 * (1 - busy(row)) for row in rows], "{:.0f}".format)
    idle = f"though the processor was idle {share} % of the time"
    remedy = "await what it waits for, or write it as `def` where the framework has it, or take"
    if better is None:
        alone = spread([row["alone_ms"] for row in rows], three)
        return (
            f"the handler blocks the event loop: {mine} requests/s for all clients, one after the"
            f" other, as one alone is answered in {alone} ms, {idle}; {remedy} --serving process"
        )
    theirs = three(better["requests_per_s"]["median"])
    return (
        f"the handler blocks the event loop: {mine} instead of {theirs} requests/s, {idle};"
        f" {remedy} {better['name']}"
    )


def spread(values: Sequence[float], said: Callable[[float], str]) -> str:
    """The least and the most, or one where they are said alike."""
    ends = dict.fromkeys((said(min(values)), said(max(values))))
    return " to ".join(ends)


def busy(row: Row) -> float:
    """The share of a core that it needs."""
    return float(row["requests_per_s"]["median"] * row["cpu_us_per_request"]["median"] / 1e6)


def best_of_others(row: Row, rows: Sequence[Row]) -> Row | None:
    """Which answers more than twice as much, with threads or processes; None if there is none."""
    if not SERVING_MODELS[row["serving"]].traits.one_thread and not is_one_by_one(row):
        return None
    others = [
        each
        for each in rows
        if not SERVING_MODELS[each["serving"]].traits.one_thread
        and is_usable(each)
        and not is_one_by_one(each)
        and not reasons_against(each)
    ]
    if not others:
        return None
    best = max(others, key=lambda each: float(each["requests_per_s"]["median"]))
    mine, theirs = (each["requests_per_s"]["median"] for each in (row, best))
    return best if mine < theirs * SLOW_SHARE else None


def is_one_by_one(row: Row) -> bool:
    """Whether a request that waits keeps the next one waiting, in each worker."""
    return is_in_turn(row) and busy(row) < BUSY


def is_in_turn(row: Row) -> bool:
    """Whether clients together are answered no faster than one alone, in each worker.

    Not where clients keep to a rate, or the load was the limit: then the server could do more.
    Short waits are left out, because a new connection and a busy machine look like them.
    """
    alone_ms = row.get("alone_ms")  # not in a document of before there was this
    if not alone_ms or alone_ms < WAITS_MS or row["load_is_the_limit"]:
        return False
    if SCENARIOS[row["scenario"]].groups is at_a_rate or not is_usable(row):
        return False
    together = row["requests_per_s"]["median"] * alone_ms / 1e3
    return bool(together < OVERLAP * row["workers"])
