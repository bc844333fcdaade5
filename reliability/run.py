"""`make reliability`: measure rows of the table, print it, and fail if a target of ours is missed.

By hand: PYTHONPATH=tests python -m reliability hup kill --seconds 5 --markdown table.md
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from .outcome import Outcome, Row, Trial
from .rows import ROWS
from .servers import SERVERS, temporary


def arguments(words: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    names = [row.name for row in ROWS]
    parser.add_argument("rows", nargs="*", metavar="ROW", help=f"of: {', '.join(names)}")
    parser.add_argument("--seconds", type=float, help="for each server, instead of the full length")
    parser.add_argument("--server", action="append", help="only this one; repeatable")
    parser.add_argument(
        "--real-time",
        action="store_true",
        help="servers and clients go before all else, slowhttptest included: what is theirs shows",
    )
    parser.add_argument("--markdown", type=Path, help="a file for the table")
    chosen = parser.parse_args(words)
    for wanted, known in ((chosen.rows, names), (chosen.server or [], list(SERVERS))):
        if unknown := set(wanted) - set(known):
            parser.error(f"{', '.join(sorted(unknown))}: choose from {', '.join(known)}")
    return chosen


def tried(row: Row, server: str, seconds: float | None) -> Outcome:
    full = row.seconds if SERVERS[server].ours else row.peer_seconds
    length = min(seconds or full, full)
    with temporary() as folder:
        try:
            return row.act(Trial(server, length, length / row.seconds, Path(folder)))
        except Exception as error:  # noqa: BLE001 - the other rows are tried all the same
            return Outcome(missed=[f"the trial ended early: {error!r}"])


def said(outcome: Outcome) -> str:
    found = ", ".join(f"{name} {value}" for name, value in outcome.figures.items())
    return "; ".join([found, *(f"MISSED: {why}" for why in outcome.missed)])


def markdown(results: Sequence[tuple[Row, str, Outcome]]) -> str:
    lines = ["| row | server | found | target |", "|---|---|---|---|"]
    for row, server, outcome in results:
        lines.append(f"| {row.name}: {row.title} | {server} | {said(outcome)} | {row.target} |")
    return "\n".join(lines) + "\n"


def main(words: Sequence[str] | None = None) -> int:
    chosen = arguments(words)
    if os.geteuid():
        print("reliability: needs root, for limits, mounts and strace", file=sys.stderr)
        return 2
    if chosen.real_time:  # inherited by all that is started (sched(7)), but attackers
        os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(1))
    results: list[tuple[Row, str, Outcome]] = []
    begun = time.monotonic()
    for row in ROWS:
        if row.name not in chosen.rows if chosen.rows else row.long:
            continue
        print(f"{row.name}: {row.title}\n  target: {row.target}", flush=True)
        for server in (*row.ours, *row.peers):
            if chosen.server and server not in chosen.server:
                continue
            outcome = tried(row, server, chosen.seconds)
            results.append((row, server, outcome))
            print(f"  {server:17} {said(outcome)}", flush=True)
    missed = sum(bool(o.missed) for _, server, o in results if SERVERS[server].ours)
    print(f"{missed} missed by ours, in {time.monotonic() - begun:.0f} s")
    if chosen.markdown:
        chosen.markdown.write_text(markdown(results))
    return 1 if missed else 0
