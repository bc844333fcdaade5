"""A day in the life: a shop and a service with a database, their clients, and what befalls them.

A Django shop (WSGI) and a FastAPI service (ASGI) are served before one PostgreSQL, while
workers are killed, reloads are asked for, and deployments break and heal.  Every exchange
is accounted for (`soak_ledger`), memory, descriptors and the 99th percentile before and after
are compared.  `make soak`; by hand: python tests/soak/soak.py --minutes 3 --service process
"""

from __future__ import annotations

import argparse
import os
import random
import signal
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from time import monotonic

HERE = Path(__file__).parent
sys.path.insert(0, os.fspath(HERE.parent))

from soak_clients import OF_SERVICE, OF_SHOP, Asker, living  # noqa: E402
from soak_ledger import Kill, Ledger  # noqa: E402
from soak_tree import Held, held, middle  # noqa: E402
from soak_waiting import waiting, wrong  # noqa: E402

from fivefold.load.tally import Tally  # noqa: E402
from support.servers.deployed import Deployed  # noqa: E402 - found on the path that is just made
from support.servers.postgres_and_redis import Postgres  # noqa: E402

CLIENTS_OF_A_KIND = 2

GROWTH = 0.10
GROWTH_BYTES = 8 * 1024 * 1024
"""Memory that may be had more at the end: a tenth, or what an allocator keeps."""

GROWTH_DESCRIPTORS = 12
"""Clients are in different moments of their exchanges."""

SLOWER = 0.20
SLOWER_S = 0.002
"""What the timing of a machine that is shared moves by itself."""


@dataclass
class Target:
    """A server of the soak."""

    name: str
    server: Deployed
    application: Path
    serving: str
    askers: list[Asker] = field(default_factory=list)
    samples: list[Held] = field(default_factory=list)


@dataclass
class Times:
    """Seconds of the clock: quiet until `storm`, and again from `calm` on."""

    begin: float
    before: float
    storm: float
    calm: float
    after: float
    end: float

    @classmethod
    def of(cls, minutes: float) -> Times:
        begin, length = monotonic(), minutes * 60
        quiet = min(60.0, length / 6)
        end = begin + length
        calm = end - quiet - min(35.0, length / 6)
        # Processes of a pool grow until each has served some clients.
        return cls(begin, begin + quiet, begin + 2 * quiet, calm, end - quiet, end)


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=20.0)
    parser.add_argument("--shop", default="thread", help="its serving model")
    parser.add_argument("--service", default="async", help="its serving model")
    parser.add_argument("--io", default="auto", help="the I/O model of both")
    return parser.parse_args()


def deploy(folder: Path, name: str, factory: str, serving: str, io: str) -> Target:
    home = folder / name
    home.mkdir()
    application = home / f"soak_{name}.py"
    application.write_text((HERE / "apps" / application.name).read_text())
    several = ("--max-connections", "16") if serving == "process" else ("--workers", "2")
    chosen = ("--serving", serving, "--io", io, *several)
    server = Deployed(home, f"soak_{name}:{factory}", *chosen, "--startup-s", "60")
    return Target(name, server, application, serving)


def each(seconds: float, act: Callable[[], None], until: float) -> None:
    """Again and again; a thread."""
    due = monotonic() + seconds
    while due < until:
        time.sleep(max(0.0, due - monotonic()))
        act()
        due += seconds


def kill(targets: list[Target], ledger: Ledger) -> None:
    target = random.choice(targets)
    victims = target.server.descendants()
    if victims:
        victim = random.choice(victims)
        leads = bool(target.serving == "process" and victim in target.server.workers())
        # Told before: a client may fail before we go on.
        ledger.killed(Kill(target.name, victim, monotonic(), begins_to_leave=leads))
        os.kill(victim, signal.SIGKILL)
        ledger.killed(Kill(target.name, victim, monotonic(), begins_to_leave=leads))


def reload(targets: list[Target], ledger: Ledger) -> None:
    for target in targets:
        ledger.killed(Kill(target.name, 0, monotonic(), begins_to_leave=True))
        target.server.signal(signal.SIGHUP)


def break_and_heal(targets: list[Target], ledger: Ledger) -> None:
    """A deployment with a mistake, then one whose file is missing; then the right one."""
    target = random.choice(targets)
    right = target.application.read_text()
    said = target.server.log.count("tried again")
    target.application.write_text("raise RuntimeError('a mistake')\n")
    reload([target], ledger)
    target.server.said("tried again", said + 1)
    target.application.unlink()
    reload([target], ledger)
    time.sleep(2)  # nothing tells that the old ones serve on; the clients see it
    target.application.write_text(right)
    reload([target], ledger)


def sample(targets: list[Target]) -> None:
    for target in targets:
        target.samples.append(held(target.server.process.pid, monotonic()))


def run(minutes: float, targets: list[Target], ledger: Ledger) -> tuple[Times, Tally, Tally]:
    """The soak; and what clients of the service wait for before and after the storm."""
    over = threading.Event()
    threads = []
    for target, conducts in zip(targets, (OF_SHOP, OF_SERVICE), strict=True):
        number = CLIENTS_OF_A_KIND * len(OF_SERVICE) // len(conducts) // 2
        for kind, conduct in conducts.items():
            for index in range(max(number, CLIENTS_OF_A_KIND)):
                asker = Asker(target.name, target.server.address, kind, ledger, index)
                target.askers.append(asker)
                threads.append(threading.Thread(target=living, args=(asker, conduct, over)))
    times = Times.of(minutes)  # now that the servers listen
    length = times.calm - times.storm
    storms: list[tuple[float, Callable[[], None]]] = [
        (min(10.0, length / 6), lambda: kill(targets, ledger)),
        (min(60.0, length / 3), lambda: reload(targets, ledger)),
        (min(150.0, length / 2.5), lambda: break_and_heal(targets, ledger)),
    ]
    watch = threading.Thread(target=each, args=(1.0, lambda: sample(targets), times.end))
    for thread in [*threads, watch]:
        thread.start()
    address = targets[-1].server.address
    time.sleep(times.before - monotonic())
    before = waiting(address, times.storm - monotonic())
    stormy = [threading.Thread(target=each, args=(*storm, times.calm)) for storm in storms]
    for thread in stormy:
        thread.start()
    for thread in stormy:
        thread.join()
    time.sleep(max(0.0, times.after - monotonic()))
    after = waiting(address, times.end - monotonic())
    watch.join()
    over.set()
    for thread in threads:
        thread.join()
    return times, before, after


def report_waiting(before: Tally, after: Tally) -> list[str]:
    old, new = (tally.latencies.percentile(0.99) / 1e9 for tally in (before, after))
    print(f"{'service':10}{'p99 (us)':12}{old * 1e6:12.0f}{new * 1e6:12.0f}")
    breaches = [said for tally in (before, after) if (said := wrong(tally, tally.elapsed_s))]
    if new > old * (1 + SLOWER) + SLOWER_S:
        breaches.append(f"p99 rose from {old * 1000:.1f} to {new * 1000:.1f} ms")
    return breaches


def report(targets: list[Target], ledger: Ledger, times: Times) -> list[str]:
    """The table, on standard output; and what was not as it must be."""
    breaches = [f"a wrong answer: {wrong}" for wrong in ledger.wrong]
    breaches += [
        f"not explained: {failure}; nearest: {ledger.nearest(failure)}"
        for failure in ledger.unexplained()
    ]
    print(f"{'server':10}{'clients':12}{'right':>9}{'failed':>9}")
    for (server, kind), count in sorted(ledger.right.items()):
        failed = sum((f.server, f.kind) == (server, kind) for f in ledger.failures)
        print(f"{server:10}{kind:12}{count:9}{failed:9}")
    kills = {(k.server, k.pid) for k in ledger.kills if k.pid}
    print(f"{len(kills)} kills, {sum(not k.pid for k in ledger.kills)} reloads")
    print(f"{'server':10}{'':12}{'before':>12}{'after':>12}")
    for target in targets:
        before = middle(target.samples, times.before, times.storm)
        after = middle(target.samples, times.after, times.end)
        for what, old, new, more in (
            ("memory", before.memory, after.memory, max(GROWTH_BYTES, before.memory * GROWTH)),
            ("descriptors", before.descriptors, after.descriptors, GROWTH_DESCRIPTORS),
            ("processes", before.processes, after.processes, GROWTH_DESCRIPTORS),
        ):
            print(f"{target.name:10}{what:12}{old:12}{new:12}")
            if new > old + more:
                breaches.append(f"{target.name}: {what} grew from {old} to {new}")
    return breaches


def stop(targets: list[Target]) -> list[str]:
    breaches = []
    for target in targets:
        if target.server.ended:
            breaches.append(f"{target.name} has ended by itself:\n{target.server.log[-3000:]}")
        elif status := target.server.stop():
            breaches.append(f"{target.name} stopped with {status}:\n{target.server.log[-3000:]}")
        if "the application failed" in target.server.log:
            at = target.server.log.index("the application failed")
            breaches.append(f"{target.name}: {target.server.log[at : at + 3000]}")
    return breaches


def main() -> int:
    chosen, ledger, database = arguments(), Ledger(), Postgres()
    targets: list[Target] = []
    with tempfile.TemporaryDirectory(prefix="fivefold-soak-") as folder:
        try:
            database.start()
            database.ask(
                "CREATE TABLE orders (id bigserial PRIMARY KEY, customer text, amount int)"
            )
            database.ask("CREATE INDEX ON orders (customer)")
            os.environ["POSTGRES_URL"] = database.url
            for name, factory, serving in (
                ("shop", "wsgi()", chosen.shop),
                ("service", "app", chosen.service),
            ):
                targets.append(deploy(Path(folder), name, factory, serving, chosen.io))
            times, before, after = run(chosen.minutes, targets, ledger)
            breaches = report(targets, ledger, times) + report_waiting(before, after)
            breaches += stop(targets)
        finally:
            for target in targets:
                target.server.process.kill()
                target.server.process.wait()
            database.close()
    for breach in breaches[:50]:
        print(f"BREACH {breach}")
    print(f"{len(breaches)} breaches" if breaches else "all is accounted for")
    return 1 if breaches else 0


if __name__ == "__main__":
    sys.exit(main())
