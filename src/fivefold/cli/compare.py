"""`fivefold compare`: which pair for this target, measured."""

from __future__ import annotations

import json
import signal
import sys
from dataclasses import replace
from typing import Any

import click

from ..compare.measure.competition import competition
from ..compare.measure.disturbance import BEARABLE
from ..compare.plan import targets
from ..compare.plan.peers import PEERS
from ..compare.plan.scenarios import SCENARIOS
from ..compare.plan.schedule import Plan
from ..compare.report.document import Document, read
from ..compare.report.html.page import as_html
from ..compare.report.terminal_table import text
from ..compare.session import Wishes, compared, planned
from ..compare.significance import rounds_needed
from ..errors import SettingsError
from ..inspection.phrases import counted
from ..server.settings import Settings
from .manual.compare_topics import COMPARE
from .manual.help_pages import HelpfulCommand
from .manual.setting_options import PATHS, of_paths
from .speaking import say
from .writing.output import Form, check_writable, write
from .writing.progress import Progress, clock

MUCH = 1.1
"""How much longer than asked for is worth a word."""


def words(name: str, given: str | None) -> tuple[str, ...]:
    """A list, separated by commas. Raises `SettingsError` if it is one of nothing."""
    if given is None:
        return ()
    found = tuple(word.strip() for word in given.split(",") if word.strip())
    if not found:
        raise SettingsError(f"{name}: name at least one, separated by commas")
    return found


def counts(given: str | None) -> tuple[int, ...]:
    try:
        found = tuple(sorted({int(word) for word in words("workers", given)})) or (1,)
    except ValueError:
        raise SettingsError(f"workers: {given!r} is not a list of numbers like 1,2") from None
    if found[0] < 1:
        raise SettingsError(f"workers: {found[0]} must be at least 1")
    return found


def special(given: tuple[str, ...]) -> dict[str, str]:
    """SCENARIO=/PATH, several times."""
    found = {}
    for each in given:
        name, equals, path = each.partition("=")
        if not equals or not path:
            raise SettingsError(f"path-for: {each!r} is not SCENARIO=/PATH")
        found[name] = path
    return found


def positive(name: str, given: float | None) -> None:
    if given is not None and not 0 < given < float("inf"):
        raise SettingsError(f"{name}: {given:g} must be greater than zero")


def wishes(target: str, given: dict[str, Any]) -> Wishes:
    """Raises `SettingsError`."""
    for name in ("rounds", "seconds", "rate"):
        positive(name, given[name])
    return Wishes(
        settings=Settings(target=target, interface=given["interface"], chdir=given["chdir"]),
        serving=words("serving", given["serving"]),
        io=words("io", given["io"]),
        against=words("against", given["against"]),
        load=given["load"],
        http=given["http"],
        load_workers=given["locust_workers"],
        owned=given["i_own_this_host"],
        workers=counts(given["workers"]),
        scenarios=words("scenario", given["scenario"]) or ("steady",),
        paths=tuple(targets.paths_from(given["paths"])) if given["paths"] else (),
        special=special(given["path_for"]),
        quick=given["quick"],
        rounds=given["rounds"],
        budget_s=given["seconds"],
        rate=given["rate"],
    )


def run(
    target: str, json_file: str | None, out: str | None, report: str | None, **given: Any
) -> None:
    """Measure which serving model with which I/O model serves TARGET best: all pairs that run
    here, in turns, under the same load.

    TARGET is what `fivefold serve` takes. Every answer is checked; Ctrl-C keeps what is finished.
    """
    check_writable(json_file, "json")
    check_writable(out, "out")
    found = read(report) if report else measured(target, given)
    forms: list[Form] = [
        (json_file, lambda: json.dumps(found, indent=1) + "\n"),
        (out, lambda: as_html(found)),
    ]
    write(forms, otherwise=lambda: click.echo(text(found)))
    if found["interrupted"] and not report:
        sys.exit(128 + signal.SIGINT)


def forecast(plan: Plan, seconds: float | None) -> str:
    """How long it will take; `seconds`: what was asked for."""
    rows = sum(contender.available for contender in plan.contenders)
    length = f"{counted(rows, 'row', 'rows')} in {counted(plan.rounds, 'round', 'rounds')} take"
    said = f"{length} about {clock(plan.expected_s)}; Ctrl-C keeps what is finished"
    if seconds and plan.expected_s > MUCH * seconds:
        said += f"; {seconds:g} s are too few for them"
    if rows > 1 and plan.rounds < (needed := rounds_needed(rows)):
        enough = replace(plan, rounds=needed, budget_s=0.0, has_claims=True)
        said += (
            f"; so few rounds can show no difference, {needed} can: they take"
            f" {clock(enough.expected_s)}, less with fewer pairs (--serving, --io)"
        )
    if not plan.has_claims:
        said += "; there is no time for the crash and the hang of the chapter's claims"
    return said


def busy(plan: Plan) -> str | None:
    """What is said first where other programs have a good share of the cores."""
    share = min(plan.competition.share, 1.0)
    if share <= BEARABLE:
        return None
    longer = "it takes longer" if plan.least_rounds == plan.rounds else "fewer rounds fit"
    return (
        f"the machine is busy: other programs have {100 * share:.0f} % of the cores' time;"
        f" figures are worse than on a quiet one, and {longer}"
    )


def measured(target: str, given: dict[str, Any]) -> Document:
    plan = planned(wishes(target, given), competition)
    for contender in plan.contenders:
        if contender.reason and contender.serving is None:
            say(f"fivefold: not compared: {contender.name}: {contender.reason}")
    for each in (busy(plan), forecast(plan, given["seconds"])):
        if each:
            say(f"fivefold: {each}")
    progress = Progress(plan.expected_s, plan.steps)
    try:
        return compared(plan, target, progress.show)
    finally:
        progress.end()


def option(word: str, text: str, **how: Any) -> click.Option:
    return click.Option([f"--{word}"], help=text, **how)


compare = HelpfulCommand(
    "compare",
    manual=COMPARE,
    callback=run,
    help=run.__doc__,
    short_help="Measure which pair serves your target best.",
    params=[
        click.Argument(["target"], default=".", shell_complete=of_paths("file")),
        option("serving", "Serving models, separated by commas.  [default: all]", metavar="M,..."),
        option(
            "io", "I/O models or engines, separated by commas.  [default: all]", metavar="M,..."
        ),
        option(
            "against",
            f"Other servers: {', '.join(PEERS)}, or http://HOST:PORT.",
            metavar="SERVER,...",
        ),
        option(
            "i-own-this-host",
            "Allow load to be sent to this host though it is another machine; repeatable.",
            metavar="HOST",
            multiple=True,
        ),
        option("workers", "Numbers of workers, e.g. 1,2.  [default: 1]", metavar="N,..."),
        option(
            "scenario",
            f"Any of {', '.join(SCENARIOS)}.  [default: steady]",
            metavar="S,...",
        ),
        option("paths", "A file with the paths to request, one a line.", metavar="FILE"),
        option(
            "path-for",
            "The path that a scenario requests which needs one of its own; repeatable.",
            metavar="SCENARIO=/PATH",
            multiple=True,
        ),
        option(
            "interface",
            "What TARGET is: auto, static, wsgi or asgi.",
            default="auto",
            metavar="WORD",
        ),
        option(
            "chdir",
            "Enter this folder first, and look for the application there.",
            metavar="FOLDER",
            shell_complete=PATHS["FOLDER"],
        ),
        option("quick", "Measure for about a minute instead of three.", is_flag=True),
        option(
            "rounds",
            "Rounds of every row.  [default: as many as can show a difference]",
            type=int,
            metavar="N",
        ),
        option(
            "seconds",
            "Length of the whole comparison; rounds give way to keep it.  [default: about 180,"
            " quick: 60]",
            type=float,
            metavar="S",
        ),
        option(
            "load",
            "What makes the load: own, wrk or locust.  [default: own]",
            default="own",
            metavar="own|wrk|locust",
        ),
        option(
            "http",
            "1.1, or 2: HTTP/2 without TLS, by h2load, 16 streams on a connection.  [default: 1.1]",
            default="1.1",
            metavar="1.1|2",
        ),
        option(
            "locust-workers",
            "Locust's workers on other machines, for which each run waits; start them in a loop:"
            " locust -f - --worker --master-host THIS_MACHINE.",
            type=int,
            default=0,
            metavar="N",
        ),
        option(
            "rate",
            "Requests a second in the scenario `rate`.  [default: 1000]",
            type=float,
            default=1000.0,
            metavar="N",
        ),
        click.Option(["--json", "json_file"], metavar="FILE", help="Write the result as JSON."),
        option("out", "Write the report, a page that needs nothing else.", metavar="FILE"),
        option("report", "Show a result that was written before.", metavar="FILE"),
    ],
)
