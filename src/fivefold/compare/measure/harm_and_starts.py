"""What one crash or hang takes along, what a connection costs, and what a new one waits for.

The load generator measures none of it: harm is done here to the process that serves one client,
from outside, so it needs nothing of the application.

Facts.        The kernel tells which process holds a connection (/proc/net/tcp, /proc/PID/fd).
              SIGKILL is how a crash ends a process, and how the kernel ends one whose leak has
              taken all memory; SIGSTOP does what C code does that keeps the interpreter for ever.
Choice.       One of `CLIENTS` kept connections is chosen; its process is stopped, then killed, and
              the others ask again each time: whoever has no answer in `PATIENCE_S`, or in twice the
              time in which all were answered before, was harmed.  Who was not answered before
              either (a server of one client at a time) is not counted.
Assumption.   Connections of the probe are all of one worker: with several, fewer are lost.
              A handler that merely sleeps stops less than SIGSTOP: of a thread only itself.
"""

from __future__ import annotations

import contextlib
import http.client
import os
import signal
import socket
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from ...linux.accounting import pss_kib, tree
from ...linux.processes import read, threads_of
from ...serving import MODELS as SERVING_MODELS
from ..plan.contenders import Contender
from .cores import Cores
from .servers import DidNotStart, Up, started

CLIENTS = 16
PATIENCE_S = 1.0
UNHARMED_S = 3.0
"""How long all may take while nothing is harmed; who has no answer then is not counted."""
POLL_S = 0.002
STARTS = 20
"""New connections, one after the other, of which each gets a thread or process of its own."""


@dataclass(frozen=True)
class Probe:
    """One serving model. None: it could not be had."""

    serving: str
    others: int = CLIENTS - 1
    killed: int | None = None
    """Others without an answer after one process was killed."""
    stopped: int | None = None
    kib_per_connection: float | None = None
    start_ms: tuple[float, ...] = ()
    """From a connect to the answer, where nobody was there before."""


class KeptClient:
    """A kept connection. `ask` and `answered` raise nothing."""

    def __init__(self, address: tuple[str, int], path: str) -> None:
        self.sock = socket.create_connection(address, timeout=PATIENCE_S)
        self.port = self.sock.getsockname()[1]
        self.request = f"GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode()

    def ask(self) -> None:
        with contextlib.suppress(OSError):
            self.sock.sendall(self.request)

    def answered(self, until: float) -> bool:
        try:
            self.sock.settimeout(max(until - time.monotonic(), 0.001))
            answer = http.client.HTTPResponse(self.sock)
            answer.begin()
            answer.read()
        except (OSError, http.client.HTTPException):
            return False
        return True


def holders(port: int, pids: Sequence[int], client: int) -> list[int]:
    """The processes that hold the server's end of the connection of the client's port."""
    ends = (f":{port:04X}", f":{client:04X}")
    lines = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    inode = next((x[9] for x in lines if x[1].endswith(ends[0]) and x[2].endswith(ends[1])), None)
    return [pid for pid in pids if inode and f"socket:[{inode}]" in links(pid)]


def links(pid: int) -> set[str]:
    found = set()
    with contextlib.suppress(OSError):
        for each in Path(f"/proc/{pid}/fd").iterdir():
            with contextlib.suppress(OSError):
                found.add(str(each.readlink()))
    return found


def served(clients: Sequence[KeptClient]) -> tuple[list[KeptClient], float]:
    """All ask: those that are answered, and how long to wait for them next time."""
    begun = time.monotonic()
    for each in clients:
        each.ask()
    found = [each for each in clients if each.answered(begun + UNHARMED_S)]
    return found, max(PATIENCE_S, 2 * (time.monotonic() - begun))


def unanswered(clients: Sequence[KeptClient], patience_s: float = PATIENCE_S) -> int:
    """All ask; how many are not answered in time."""
    for each in clients:
        each.ask()
    until = time.monotonic() + patience_s
    return sum(not each.answered(until) for each in clients)


@contextlib.contextmanager
def connected(address: tuple[str, int], path: str) -> Iterator[list[KeptClient]]:
    clients: list[KeptClient] = []
    try:
        for _ in range(CLIENTS):
            clients.append(KeptClient(address, path))
            clients[-1].ask()
            clients[-1].answered(time.monotonic() + PATIENCE_S)
        yield clients
    finally:
        for each in clients:
            each.sock.close()


def harmed(running: Up, path: str) -> Probe:
    """Raises OSError where it cannot be reached."""
    assert running.pid is not None
    with connected(running.address, path):
        pass  # what is there ahead, and what is made once, is there now
    rest = pss_kib(running.pid)
    with connected(running.address, path) as (victim, *others):
        load = pss_kib(running.pid)
        pids = [entry.pid for entry in tree(running.pid)]
        found = holders(running.address[1], pids, victim.port)
        if not found:
            return Probe("")
        asking, patience_s = served(others)
        send(signal.SIGSTOP, found)
        wait_until_stopped(found)
        stopped = unanswered(asking, patience_s)
        send(signal.SIGKILL, found)
        killed = unanswered(asking, patience_s)
    grown = None if rest is None or load is None else max(load - rest, 0) / CLIENTS
    return Probe("", len(asking), killed, stopped, kib_per_connection=grown)


def send(number: signal.Signals, pids: Sequence[int]) -> None:
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, number)


def wait_until_stopped(pids: Sequence[int]) -> None:
    """A signal stops each thread when it comes by, which may be after its next answer."""
    until = time.monotonic() + PATIENCE_S
    threads = [thread for pid in pids for thread in threads_of(pid)]
    while time.monotonic() < until and not all(map(is_stopped, threads)):
        time.sleep(POLL_S)


def is_stopped(thread: int) -> bool:
    """By its state (proc_pid_stat(5)), or because it has gone."""
    text = read(thread, "stat") or b") T"
    return text.rpartition(b") ")[2][:1] == b"T"


def fresh(contender: Contender) -> Contender:
    """With a thread or process for each connection, where its model has such."""
    can = contender.serving and SERVING_MODELS[contender.serving].traits.can_be_fresh
    return replace(contender, command=(*contender.command, "--fresh")) if can else contender


def starts(contenders: Sequence[Contender], cores: Cores, path: str) -> list[tuple[float, ...]]:
    """Milliseconds of each, taken in turns. Raises `DidNotStart`, OSError."""
    with contextlib.ExitStack() as stack:
        up = [stack.enter_context(started(fresh(each), cores)) for each in contenders]
        found: list[list[float]] = [[] for _ in up]
        for _ in range(STARTS + 1):
            for running, mine in zip(up, found, strict=True):
                begun = time.monotonic()
                client = KeptClient(running.address, path)
                client.ask()
                client.answered(begun + PATIENCE_S)
                mine.append((time.monotonic() - begun) * 1e3)
                client.sock.close()
    return [tuple(each[1:]) for each in found]  # the first one warms up


def probed(contenders: Sequence[Contender], cores: Cores, path: str) -> list[Probe]:
    """One for each serving model; what cannot be had is left out."""
    found = []
    for each in contenders:
        assert each.serving is not None
        try:
            with started(each, cores) as running:
                found.append(replace(harmed(running, path), serving=each.serving))
        except (DidNotStart, OSError):
            found.append(Probe(each.serving))
    try:
        times = starts(contenders, cores, path)
    except (DidNotStart, OSError):
        return found
    return [replace(one, start_ms=each) for one, each in zip(found, times, strict=True)]
