"""Three instances behind HAProxy, with the configuration of `deploy/`, each on an address of its
own: a rolling restart under load, and an instance that is killed hard."""

from __future__ import annotations

import contextlib
import csv
import os
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

from fivefold.load.external import free_port
from support.process_tree import descendants_of

from .outcome import Outcome, Trial
from .servers import HERE, PATIENCE_S, SERVERS, answers, connections, wait_until
from .steady import accounted, loaded, refused

CONFIGURATION = HERE.parent / "deploy" / "proxies" / "haproxy.cfg"
INSTANCES = 3
PORT, STATUS_PORT = 8000, 9100


class Instances:
    """The three; each is restarted where it was."""

    def __init__(self, server: str, folder: Path) -> None:
        self._server, self._folder = server, folder
        self.addresses = [f"127.0.{os.getpid() % 200 + 1}.{n + 1}" for n in range(INSTANCES)]
        self.processes = [self._started(n) for n in range(INSTANCES)]
        for n in range(INSTANCES):
            self.wait_for(n)

    def _started(self, number: int) -> subprocess.Popen[bytes]:
        words = [*SERVERS[self._server].command[:-2], "--no-access-log"]
        address = self.addresses[number]
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
        held = sum(connections(pid, PORT) for pid in members[:1])
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
    text = CONFIGURATION.read_text().replace("bind :8080", f"bind 127.0.0.1:{port}")
    for n, address in enumerate(addresses, start=1):
        text = text.replace(
            f"127.0.0.1:800{n} check port 910{n}", f"{address}:{PORT} check port {STATUS_PORT}"
        )
    text = text.replace("global\n", f"global\n    stats socket {folder}/admin\n")
    # A machine that is full of other work is no dead instance.
    text = text.replace("timeout check 2s", "timeout check 30s")
    return text.replace("option httplog", "# no log")


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


@contextlib.contextmanager
def proxied(addresses: list[str], folder: Path) -> Iterator[tuple[str, int]]:
    """HAProxy in front of them, answering."""
    file, port = folder / "haproxy.cfg", free_port()
    file.write_text(configured(addresses, port, folder))
    command = ["/usr/sbin/haproxy", "-db", "-f", str(file)]
    with (folder / "haproxy.log").open("wb") as log:
        proxy = subprocess.Popen(command, stdout=log, stderr=log)
    try:
        wait_until(lambda: answers(("127.0.0.1", port)), "HAProxy answers")
        yield "127.0.0.1", port
    finally:
        proxy.kill()
        proxy.wait()


@contextlib.contextmanager
def deployed(trial: Trial) -> Iterator[tuple[Instances, tuple[str, int]]]:
    instances = Instances(trial.server, trial.folder)
    try:
        with proxied(instances.addresses, trial.folder) as address:
            yield instances, address
    finally:
        instances.end()


def rolling(trial: Trial) -> Outcome:
    """Each instance is restarted, one after the other, again and again."""
    outcome, restarts = Outcome(), 0
    with deployed(trial) as (instances, address):

        def roll(seconds: float) -> None:
            nonlocal restarts
            end = time.monotonic() + seconds
            while not restarts or time.monotonic() < end - trial.seconds / 4:
                for number in range(INSTANCES):
                    status = instances.restart(number)
                    outcome.must(status == 0, f"an instance ended with {status}")
                    wait_until(lambda: all_up(trial.folder), "HAProxy has seen it too")
                    restarts += 1

        tally = loaded(address, trial.seconds, roll)
        accounted(tally, outcome)
        outcome.figures["restarts"] = str(restarts)
        outcome.must(not tally.lost + refused(tally), f"{tally.lost} lost, {dict(tally.errors)}")
    return outcome


def hard(trial: Trial) -> Outcome:
    """One instance is killed with all of its processes, and comes back."""
    outcome, held = Outcome(), 0
    with deployed(trial) as (instances, address):

        def kill_one(seconds: float) -> None:
            nonlocal held
            time.sleep(seconds / 4)
            held = instances.kill(0)
            time.sleep(seconds / 4)
            instances.start(0)

        tally = loaded(address, trial.seconds, kill_one)
        accounted(tally, outcome)
        outcome.figures["held by it"] = str(held)
        lost = tally.lost + refused(tally)
        outcome.must(held > 0, "the killed one held no connection")
        outcome.must(lost <= held, f"{lost} lost of {held} in flight")
    return outcome
