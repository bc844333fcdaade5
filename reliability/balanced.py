"""Three instances behind HAProxy and nginx, with the configuration of `deploy/`, each on an address
of its own: a rolling restart under load, and an instance that is killed hard.

Choice.       Each instance has a network namespace, as on a machine of its own, where the kernel
              lets us make one: a veth(4) pair to each, of the addresses that RFC 2544 keeps for
              tests.  Elsewhere it has an address of the loopback.
"""

from __future__ import annotations

import contextlib
import csv
import http.client
import os
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from fivefold.load.external import free_port
from support.process_tree import descendants_of

from .outcome import Outcome, Trial
from .servers import HERE, PATIENCE_S, SERVERS, answers, connections, program, wait_until
from .steady import CALM, accounted, loaded, loaded_during, refused

PROXIES = HERE.parent / "deploy" / "proxies"
INSTANCES = 3
PORT, STATUS_PORT = 8000, 9100
UPSTREAM = "X-Upstream"
"""Says which instance nginx has asked."""

Address = tuple[str, int]


@dataclass(frozen=True)
class Place:
    """Where an instance runs."""

    address: str
    before: tuple[str, ...] = ()
    """Words that have a command run there."""


@contextlib.contextmanager
def places() -> Iterator[list[Place]]:
    number = os.getpid()
    with contextlib.ExitStack() as stack:
        try:
            yield [stack.enter_context(namespace(number, n)) for n in range(INSTANCES)]
        except NoNamespace:
            yield [Place(f"127.0.{number % 200 + 1}.{n + 1}") for n in range(INSTANCES)]


class NoNamespace(Exception):
    """The kernel does not let us make one."""


@contextlib.contextmanager
def namespace(number: int, n: int) -> Iterator[Place]:
    """A network namespace with an address that is reached from ours. Raises `NoNamespace`."""
    name, outer, inner = f"fivefold-{number}-{n}", f"ff{number}o{n}", f"ff{number}i{n}"
    network = f"198.{18 + number // 256 % 2}.{number % 256}"
    ours, theirs = f"{network}.{4 * n + 1}", f"{network}.{4 * n + 2}"
    steps = (
        f"ip netns add {name}",
        f"ip link add {outer} type veth peer name {inner} netns {name}",
        f"ip addr add {ours}/30 dev {outer}",
        f"ip link set {outer} up",
        f"ip -n {name} addr add {theirs}/30 dev {inner}",
        f"ip -n {name} link set {inner} up",
        f"ip -n {name} link set lo up",
    )
    try:
        try:
            for step in steps:
                subprocess.run(step.split(), check=True, capture_output=True)
        except (OSError, subprocess.CalledProcessError) as error:
            raise NoNamespace from error
        yield Place(theirs, ("nsenter", f"--net=/run/netns/{name}"))
    finally:
        with contextlib.suppress(OSError):
            # The pair goes with either end, at once: a namespace waits for its last process.
            for step in (f"ip link del {outer}", f"ip netns del {name}"):
                subprocess.run(step.split(), check=False, capture_output=True)


class Instances:
    """The three; each is restarted where it was."""

    def __init__(self, server: str, folder: Path, at: list[Place]) -> None:
        self._server, self._folder, self._places = server, folder, at
        self.addresses = [place.address for place in at]
        self.processes = [self._started(n) for n in range(INSTANCES)]
        for n in range(INSTANCES):
            self.wait_for(n)

    def _started(self, number: int) -> subprocess.Popen[bytes]:
        place = self._places[number]
        words = [*place.before, *SERVERS[self._server].command[:-2], "--no-access-log"]
        address = place.address
        if "--workers" in words:
            words[words.index("--workers") + 1] = "1"  # the machine bears so many for all
        words += ["--bind", f"{address}:{PORT}", "--status", f"{address}:{STATUS_PORT}"]
        with (self._folder / f"log.{number}").open("ab") as log:
            return subprocess.Popen(words, stdout=log, stderr=log, start_new_session=True)

    def ready(self, number: int) -> bool:
        return answers((self.addresses[number], STATUS_PORT), "/health/ready") is not None

    def wait_for(self, number: int) -> None:
        wait_until(lambda: self.ready(number), f"instance {number} is ready")

    def restart(self, number: int) -> int:
        """As a rolling deployment does it: SIGTERM, its end, the next one ready. The status."""
        process = self.processes[number]
        process.send_signal(signal.SIGTERM)
        status = process.wait(PATIENCE_S * 2)
        self.start(number)
        return status

    def start(self, number: int) -> None:
        self.processes[number] = self._started(number)
        self.wait_for(number)

    def kill(self, number: int) -> int:
        """All of an instance at once, as a machine goes; the connections that it held."""
        process = self.processes[number]
        members = [process.pid, *descendants_of(process.pid)]
        for pid in members:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGSTOP)
        time.sleep(0.05)  # all of their threads have stopped by then
        held = connections(process.pid, PORT, before=self._places[number].before)
        for pid in reversed(members):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        process.wait()
        return held

    def end(self) -> None:
        for process in self.processes:
            process.terminate()
        for process in self.processes:
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(5)
            process.kill()
            process.wait()


def configured(addresses: list[str], port: int, folder: Path) -> str:
    """The file of `deploy/`, with these addresses in the place of its own."""
    text = (PROXIES / "haproxy.cfg").read_text().replace("bind :8080", f"bind 127.0.0.1:{port}")
    for n, address in enumerate(addresses, start=1):
        text = text.replace(
            f"127.0.0.1:800{n} check port 910{n}", f"{address}:{PORT} check port {STATUS_PORT}"
        )
    text = text.replace("\nglobal\n", f"\nglobal\n    stats socket {folder}/admin\n")
    # A machine that is full of other work is no dead instance.
    text = text.replace("timeout check 2s", "timeout check 30s")
    return text.replace("option httplog", "# no log").replace("log global", "# no log")


def states(folder: Path) -> list[str]:
    """What HAProxy thinks of each instance, in each of the two backends."""
    with socket.socket(socket.AF_UNIX) as admin:
        admin.settimeout(PATIENCE_S)
        admin.connect(str(folder / "admin"))
        admin.sendall(b"show stat\n")
        said = b"".join(iter(lambda: admin.recv(65536), b"")).decode()
    rows = csv.DictReader(said.removeprefix("# ").splitlines())
    return [row["status"] for row in rows if row["svname"] not in {"FRONTEND", "BACKEND"}]


def all_up(folder: Path) -> bool:
    found = states(folder)
    return len(found) == 2 * INSTANCES and set(found) == {"UP"}


def configured_nginx(addresses: list[str], port: int, folder: Path) -> str:
    text = (PROXIES / "nginx.conf").read_text().replace("listen 8080", f"listen 127.0.0.1:{port}")
    for n, address in enumerate(addresses, start=1):
        text = text.replace(f"127.0.0.1:800{n} ", f"{address}:{PORT} ")
    also = f"access_log off;\n    add_header {UPSTREAM} $upstream_addr;"
    text = text.replace("/run/", f"{folder}/").replace("http {", f"http {{\n    {also}")
    return f"daemon off;\n{text}"


@contextlib.contextmanager
def proxied(addresses: list[str], folder: Path) -> Iterator[Address]:
    """HAProxy in front of them, answering."""
    file, port = folder / "haproxy.cfg", free_port()
    file.write_text(configured(addresses, port, folder))
    command = [program("haproxy", "haproxy"), "-db", "-f", str(file)]
    with in_front(command, folder, port) as address:
        yield address


@contextlib.contextmanager
def proxied_by_nginx(addresses: list[str], folder: Path) -> Iterator[Address]:
    file, port = folder / "nginx.conf", free_port()
    file.write_text(configured_nginx(addresses, port, folder))
    command = [program("nginx", "nginx"), "-e", "stderr", "-p", str(folder), "-c", str(file)]
    with in_front(command, folder, port) as address:
        yield address


@contextlib.contextmanager
def in_front(command: list[str], folder: Path, port: int) -> Iterator[Address]:
    """A proxy, answering."""
    with (folder / "proxy.log").open("ab") as log:
        proxy = subprocess.Popen(command, stdout=log, stderr=log)
    try:
        wait_until(lambda: answers(("127.0.0.1", port)), f"{command[0]} answers")
        yield "127.0.0.1", port
    finally:
        proxy.terminate()  # nginx ends its workers
        try:
            proxy.wait(PATIENCE_S)
        finally:
            proxy.kill()  # of one that has ended nothing is left to kill
            proxy.wait()


@dataclass(frozen=True)
class Deployment:
    """The three, and where clients ask."""

    instances: Instances
    haproxy: Address
    nginx: Address


@contextlib.contextmanager
def deployed(trial: Trial) -> Iterator[Deployment]:
    with places() as at:
        instances = Instances(trial.server, trial.folder, at)
        try:
            with (
                proxied(instances.addresses, trial.folder) as haproxy,
                proxied_by_nginx(instances.addresses, trial.folder) as nginx,
            ):
                yield Deployment(instances, haproxy, nginx)
        finally:
            instances.end()


def asks(deployment: Deployment, number: int) -> bool:
    """Whether nginx has an instance answer again, which it has passed over for `fail_timeout`."""
    connection = http.client.HTTPConnection(*deployment.nginx, timeout=PATIENCE_S)
    with contextlib.closing(connection):
        connection.request("GET", "/")
        at = connection.getresponse().getheader(UPSTREAM, "")
    return at.endswith(f"{deployment.instances.addresses[number]}:{PORT}")


def restarted(deployment: Deployment, trial: Trial) -> Outcome:
    """Each instance is restarted, one after the other, again and again."""
    outcome, restarts = Outcome(), 0
    instances, tallies = deployment.instances, []

    def roll() -> None:
        nonlocal restarts
        end = time.monotonic() + trial.seconds
        while not restarts or time.monotonic() < end:
            for number in range(INSTANCES):
                status = instances.restart(number)
                outcome.must(status == 0, f"an instance ended with {status}")
                wait_until(lambda: all_up(trial.folder), "HAProxy has seen it too")
                wait_until(partial(asks, deployment, number), "nginx asks it again")
                restarts += 1

    def roll_behind_nginx() -> None:
        tallies.append(loaded_during(deployment.nginx, roll))

    tallies.append(loaded_during(deployment.haproxy, roll_behind_nginx))
    for name, tally in zip(("nginx", "HAProxy"), tallies, strict=True):
        outcome.figures[f"requests by {name}"] = f"{tally.requests:,}"
        outcome.figures[f"lost by {name}"] = str(tally.lost + refused(tally))
        outcome.must(tally.requests > 0, f"{name} answered nothing")
        lost = f"{name}: {tally.lost} lost, {dict(tally.errors)}"
        outcome.must(not tally.lost + refused(tally), lost)
    outcome.figures["restarts"] = str(restarts)
    return outcome


def killed(deployment: Deployment, trial: Trial) -> Outcome:
    """One instance is killed with all of its processes, and comes back."""
    outcome, held = Outcome(), 0

    def kill_one(seconds: float) -> None:
        nonlocal held
        time.sleep(seconds / 4)
        held = deployment.instances.kill(0)
        time.sleep(seconds / 4)
        deployment.instances.start(0)

    tally = loaded(deployment.haproxy, trial.seconds, kill_one, CALM)
    accounted(tally, outcome)
    outcome.figures["held by it"] = str(held)
    lost = tally.lost + refused(tally)
    outcome.must(held > 0, "the killed one held no connection")
    outcome.must(lost <= held, f"{lost} lost of {held} in flight")
    return outcome


def rolling(trial: Trial) -> Outcome:
    with deployed(trial) as deployment:
        return restarted(deployment, trial)


def hard(trial: Trial) -> Outcome:
    with deployed(trial) as deployment:
        return killed(deployment, trial)
