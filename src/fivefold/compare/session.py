"""One comparison from its plan to its document; Ctrl-C keeps what is finished."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

from ..configuration.setting import one_of
from ..content.kinds import KINDS
from ..errors import CompareFailed, SettingsError
from ..load.generator import Generator, Load
from ..load.locust import Locust
from ..load.nghttp2 import H2load
from ..load.wrk import Wrk
from ..processes.process_signals import stoppable
from ..server.probing import interface
from ..server.settings import Settings
from .measure import cores
from .measure.competition import QUIET, Competition
from .measure.harm_and_starts import Probe, probed
from .measure.rounds import Rounds
from .plan import elsewhere, targets
from .plan.contenders import pair, pairs, with_usual
from .plan.peers import peers
from .plan.scenarios import chosen
from .plan.schedule import Plan
from .report.document import Document, document
from .significance import rounds_enough, rounds_needed

BUDGET_S, QUICK_S = 180.0, 60.0

LOADS: dict[str, Callable[[int, int], Load]] = {
    "own": lambda core, _: Generator([core]),
    "wrk": lambda core, _: Wrk(core),
    "locust": Locust,
    "h2load": lambda core, _: H2load(core),
}
"""What makes the load, on the core that is named, and with so many workers elsewhere."""


@dataclass(frozen=True)
class Wishes:
    """What the user asked for; empty means everything."""

    settings: Settings
    serving: tuple[str, ...] = ()
    io: tuple[str, ...] = ()
    workers: tuple[int, ...] = (1,)
    scenarios: tuple[str, ...] = ("steady",)
    paths: tuple[str, ...] = ()
    special: dict[str, str] = field(default_factory=dict)
    quick: bool = False
    rounds: int | None = None
    budget_s: float | None = None
    rate: float = 1000.0
    against: tuple[str, ...] = ()
    """Names of `peers`, or URLs."""
    load: str = "own"
    """A word of `LOADS`."""
    http: str = "1.1"
    """The version that the load speaks."""
    load_workers: int = 0
    """Workers of Locust on other machines."""
    owned: tuple[str, ...] = ()
    """Hosts that the user may send load to, besides this one."""


def planned(
    wishes: Wishes, look: Callable[[frozenset[int]], Competition] = lambda _: QUIET
) -> Plan:
    """`look`: how busy the cores are now.

    Raises `SettingsError`, `ApplicationError` (the target cannot be loaded)."""
    begun = time.monotonic()
    settings = replace(wishes.settings, interface=interface(wishes.settings))
    import_s = time.monotonic() - begun
    settings, wishes = in_version(settings, wishes)
    kind = KINDS[settings.interface]
    if kind.probe is not None:
        kind.probe(settings.target, settings.rules)
    folder = settings.target if kind.probe is not None else None
    scenarios = chosen(wishes.scenarios)
    named = [name for name in wishes.against if "://" not in name]
    others = [
        *peers(named, settings.target, settings.interface, wishes.workers),
        *(elsewhere.contender(url, wishes.owned) for url in wishes.against if url not in named),
    ]
    ours, usual = with_usual(
        pairs(settings, wishes.serving, wishes.io, wishes.workers),
        pair(settings, kind.serving, kind.io, min(wishes.workers)),
    )
    rows = sum(contender.available for contender in ours)
    plan = Plan(
        contenders=(*ours, *others),
        scenarios=tuple(scenarios),
        rounds=wishes.rounds or (rounds_needed(rows) if wishes.quick else rounds_enough(rows)),
        needed_rounds=rounds_needed(rows),
        least_rounds=wishes.rounds or rounds_needed(rows),
        budget_s=wishes.budget_s or (QUICK_S if wishes.quick else BUDGET_S),
        cores=cores.choose(),
        paths=wishes.paths or tuple(targets.folder_paths(folder) if folder else ["/"]),
        usual=usual,
        folder=folder,
        interface=settings.interface,
        special=special(wishes, folder),
        rate=wishes.rate,
        load=wishes.load,
        load_workers=wishes.load_workers,
        import_s=import_s,
    )
    check(plan)
    return timed(replace(plan, competition=look(plan.cores.all)), wishes)


def timed(plan: Plan, wishes: Wishes) -> Plan:
    """With an end: a time that was asked for is kept by fewer rounds, if their number was not asked
    for, too; else there are rounds enough to show something, however long they take."""
    if wishes.budget_s and not wishes.rounds:
        plan = replace(plan.within(wishes.budget_s), least_rounds=1)
    return replace(plan, total_s=max(plan.budget_s, plan.expected_s))


def in_version(settings: Settings, wishes: Wishes) -> tuple[Settings, Wishes]:
    """HTTP/2 is spoken without TLS, with our pairs, by h2load. Raises `SettingsError`."""
    one_of("http", wishes.http, ("1.1", "2"))
    if wishes.http == "1.1":
        if wishes.load == "h2load":
            raise SettingsError("load: h2load speaks HTTP/2: add --http 2")
        return settings, wishes
    if wishes.load not in ("own", "h2load"):
        raise SettingsError(f"http: {wishes.load} speaks HTTP/1.1: leave --load out")
    if any("://" not in name for name in wishes.against):
        raise SettingsError("http: over HTTP/2 only our own pairs are started, and URLs asked")
    http2 = replace(settings.http2, h2c=True)
    return replace(settings, http2=http2), replace(wishes, load="h2load")


def special(wishes: Wishes, folder: str | None) -> dict[str, str]:
    """Paths of scenarios that need one: those that were named, or a folder's largest file."""
    named = dict(wishes.special)
    for name, path in named.items():
        if chosen([name])[0].needs_path is None:
            raise SettingsError(f"path-for: {name} needs no path of its own; take --paths")
        targets.check(path, "path-for")
    largest = targets.largest_path(folder) if folder else None
    if largest is not None:
        for scenario in chosen(wishes.scenarios):
            if scenario.largest_file:
                named.setdefault(scenario.name, largest)
    return named


def check(plan: Plan) -> None:
    """Whether anything is left to measure. Raises `SettingsError`, `CompareFailed`."""
    one_of("load", plan.load, LOADS)
    if plan.load_workers and plan.load != "locust":
        raise SettingsError("locust-workers: only --load locust has workers elsewhere")
    missing = [plan.lacks(scenario) for scenario in plan.scenarios]
    if all(missing):
        raise SettingsError("; ".join(filter(None, missing)))
    if not any(contender.available for contender in plan.contenders):
        reasons = dict.fromkeys(contender.reason for contender in plan.contenders)
        raise CompareFailed(f"none of these pairs can run here: {'; '.join(map(str, reasons))}")


def compared(plan: Plan, target: str, show: Callable[[str], None]) -> Document:
    """Measure. Raises `CompareFailed` if not one row came of it."""
    cells, interrupted = plan.cells(), False
    probes: list[Probe] = []
    try:
        with (
            stoppable(show) as step,
            LOADS[plan.load](plan.cores.load, plan.load_workers) as generator,
        ):
            rounds = Rounds(plan, cells, generator, step)
            rounds.measure()
            in_time = rounds.budget.has_reserve or plan.least_rounds >= plan.needed_rounds
            if plan.has_claims and in_time and any(cell.samples for cell in cells):
                probes = probing(plan, step)
    except KeyboardInterrupt:
        interrupted = True
    if not any(cell.samples for cell in cells):
        raise CompareFailed(why_nothing([cell.problem for cell in cells], interrupted=interrupted))
    return document(plan, cells, target, probes, interrupted=interrupted)


def probing(plan: Plan, step: Callable[[str], None]) -> list[Probe]:
    """For the chapter's claims: one pair for each serving model. Of one alone they say nothing."""
    chosen = plan.of_each_model()
    if len(chosen) < 2:  # noqa: PLR2004 - there is nothing to compare
        return []
    step("the chapter's claims: one crash, one hang, new connections")
    return probed(chosen, plan.cores, plan.paths[0])


def why_nothing(problems: Sequence[str | None], *, interrupted: bool) -> str:
    if interrupted:
        return "interrupted before the first round was finished"
    distinct = dict.fromkeys(problem for problem in problems if problem)
    return f"nothing could be measured: {'; '.join(distinct)}"
