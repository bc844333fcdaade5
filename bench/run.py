"""Measures this server against its peers on this machine: `make bench`.

    python bench/run.py [--rows GLOB ...] [--rounds N] [--seconds N] [--connections N]
                        [--json FILE] [--markdown FILE]

Exit status: 0 when every row was measured (whatever the figures), 1 when one could not be,
2 for bad usage or a missing program.
"""

from __future__ import annotations

import argparse
import signal
import sys
import tempfile
from pathlib import Path

import environment
import files
import floor
import machine
import rounds
import verdict
from report import Report, as_json, markdown
from rows import FAMILIES, TARGETS, Family, chosen
from servers import HERE, missing, server


def positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"{number} is not at least 1")
    return number


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Measure fivefold against its peers.")
    parser.add_argument(
        "--rows", action="append", metavar="GLOB", help="only these rows; repeatable"
    )
    parser.add_argument("--rounds", type=positive, default=5, help="default: 5")
    parser.add_argument("--seconds", type=positive, default=3, help="of each run; default: 3")
    parser.add_argument("--connections", type=positive, default=64, help="default: 64")
    parser.add_argument("--json", type=Path, default=HERE / "results" / "latest.json")
    parser.add_argument("--markdown", type=Path, help="write the report as a page, too")
    return parser.parse_args()


def show(text: str) -> None:
    """Progress, apart from the report on standard output."""
    print(text, file=sys.stderr, flush=True)


def refuse(text: str) -> int:
    show(text)
    return 2


def on_sigterm(*_: object) -> None:
    """Leave through every `finally`, as on Ctrl-C: the servers are ended there."""
    raise SystemExit(128 + signal.SIGTERM)


def measure(families: list[Family], names: set[str], asked: argparse.Namespace) -> Report:
    where = machine.choose()
    about = machine.facts(where, names)
    show(about["cores"])
    with tempfile.TemporaryDirectory(prefix="fivefold-bench-") as folder:
        files.write(Path(folder))
        if any(server(name).scheme == "https" for name in names):
            files.certificate(Path(folder))
        plan = rounds.Plan(asked.rounds, asked.seconds, asked.connections, where, Path(folder))
        found = [(family, rounds.measure(family, plan, show)) for family in families]
    by_name = {r.row.name: r for _, results in found for r in results}
    return Report(about, plan, found, verdict.judge_all(TARGETS, by_name))


def write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    show(f"wrote {path}")


def main() -> int:
    asked = arguments()
    families = chosen(asked.rows or [])
    if not families:
        known = "\n  ".join(row.name for family in FAMILIES for row in family.rows)
        return refuse(f"no row matches {' '.join(asked.rows)}; the rows are\n  {known}")
    names = {row.server for family in families for row in family.rows}
    packages = missing(names)
    if packages:
        return refuse(
            f"missing, by the names of Debian's packages: {' '.join(packages)}\n"
            "Install them, or choose rows that need none of them with --rows."
        )
    if any(server(name).application for name in names):
        problem = environment.make(show)
        if problem:
            return refuse(problem)
    if "floor" in names:
        floor.build()
    signal.signal(signal.SIGTERM, on_sigterm)
    report = measure(families, names, asked)
    print(markdown(report))
    write(asked.json, as_json(report))
    if asked.markdown:
        write(asked.markdown, markdown(report))
    return 1 if any(r.problem for _, results in report.families for r in results) else 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(128 + signal.SIGINT)
