"""How each server of the table is started: two workers, the application of `apps/`.

Rules of this file: the servers are data; `up` starts one of them with the means of compare.
"""

from __future__ import annotations

import contextlib
import math
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from http.client import HTTPException
from pathlib import Path
from urllib.request import urlopen

from fivefold.compare.measure.servers import Running, launched
from fivefold.compare.plan.contenders import Contender, literal
from fivefold.compare.plan.peers import find
from fivefold.load.expected_answers import HOST
from fivefold.load.job import CLOSE, KEEP, Ask, Expected, request
from support.process_tree import CONTROL, children_of, descendants_of, name_of

HERE = Path(__file__).resolve().parent
APPS = str(HERE / "apps")
PEERS = HERE.parent / ".venv" / "peers" / "bin"

WORKERS = 2

HELLO = Expected(200, length=13)
KEPT = Ask(request("/", host=HOST, connection=KEEP), HELLO)
FRESH = Ask(request("/", host=HOST, connection=CLOSE), HELLO)

PATIENCE_S = 20.0
"""What a server has not done by then it will not do; it bounds a hang, it measures nothing."""


@dataclass(frozen=True)
class Server:
    """A command; {port} is filled in where it does not choose and announce its own."""

    command: tuple[str, ...]
    stuck: tuple[str, ...]
    """What has it replace a worker that does not move for two seconds or what it has at least."""
    limit_s: float
    """After which time it has promised to see that."""
    ours: bool = False
    accepting_fails: tuple[str, ...] = ("EMFILE", "ENFILE", "ENOMEM", "ECONNABORTED", "EPERM")
    """Errors that its accept4(2) can be made to have."""
    idle_kib: float = 2.0
    """What an idle connection may take (PSS)."""


def ours(serving: str, io: str = "auto", target: str = "operations:wsgi") -> Server:
    several = ("--max-connections", "32") if serving == "process" else ("--workers", str(WORKERS))
    command = (sys.executable, "-m", "fivefold", "serve", target, "--chdir", APPS, *several)
    chosen = ("--serving", serving, "--io", io, "--bind", "127.0.0.1:0")
    server = Server((*command, *chosen), ("--stuck-s", "2"), 2.0, ours=True)
    # What a ring accepts is no system call, and for each idle connection it holds a receive.
    return replace(server, accepting_fails=(), idle_kib=3.0) if io == "aio:uring" else server


NEVER_STUCK = ()
"""It replaces no worker that does not move."""

GUNICORN = ("-k", "gthread", "--threads", "16", "-w", str(WORKERS), "-b", "127.0.0.1:{port}")
UVICORN = ("--workers", str(WORKERS), "--port", "{port}", "--app-dir", APPS, "--no-access-log")

HYPERCORN = ("-w", str(WORKERS), "-b", "127.0.0.1:{port}")
GRANIAN = ("--interface", "asgi", "--workers", str(WORKERS), "--http", "auto", "--port", "{port}")

ENGINES = {
    "blocking": "blocking",
    "nonblocking": "nonblocking",
    "epoll": "multiplexing:epoll",
    "poll": "multiplexing:poll",
    "select": "multiplexing:select",
    "sigio": "sigio",
    "uring": "aio:uring",
    "posix": "aio:posix",
}
TARGETS = {"process": "operations:wsgi", "thread": "operations:wsgi", "async": "operations:asgi"}

SERVERS: Mapping[str, Server] = {
    **{serving: ours(serving, target=target) for serving, target in TARGETS.items()},
    **{
        f"{serving}+{engine}": ours(serving, io, target)
        for serving, target in TARGETS.items()
        for engine, io in ENGINES.items()
    },
    "async-wsgi": ours("async"),
    "gunicorn": Server(
        (str(PEERS / "gunicorn"), *GUNICORN, "--chdir", APPS, "operations:wsgi"),
        ("--timeout", "2"),
        2.0,
    ),
    "uvicorn": Server(
        (str(PEERS / "uvicorn"), *UVICORN, "--log-level", "warning", "operations:asgi"),
        ("--timeout-worker-healthcheck", "2"),
        2.0,
    ),
    "hypercorn": Server(
        (str(PEERS / "hypercorn"), *HYPERCORN, f"{APPS}/operations:asgi"), NEVER_STUCK, math.inf
    ),
    "granian": Server(
        (str(PEERS / "granian"), *GRANIAN, "--no-ws", "--working-dir", APPS, "operations:asgi"),
        NEVER_STUCK,
        math.inf,
    ),
}


@contextlib.contextmanager
def up(
    name: str, *options: str, before: tuple[str, ...] = (), environment: Mapping[str, str] = {}
) -> Iterator[Running]:
    """The server, listening, until the block ends; `before` its command stands another's."""
    server = SERVERS[name]
    words = ("env", *(f"{key}={value}" for key, value in environment.items()), *before)
    command = (*map(literal, words), *server.command, *options)
    contender = Contender(name, command, announces=server.ours)
    with launched(contender) as running:
        assert isinstance(running, Running)
        running.wait()
        wait_until(lambda: answers(running.address), "an answer")
        yield running


def root(running: Running) -> int:
    """The supervisor: `env` becomes the server; what stands before it may stay its parent."""
    return running.pid


def workers(running: Running) -> list[int]:
    """Children that serve; uvicorn has one that tracks resources."""
    return [pid for pid in children_of(root(running)) if serves(pid)]


def serves(pid: int) -> bool:
    if name_of(pid) == CONTROL:
        return False
    try:
        words = Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return False
    return b"resource_tracker" not in words and holds_a_socket(pid)


def holds_a_socket(pid: int) -> bool:
    return bool(sockets(pid))


def sockets(pid: int) -> set[str]:
    """The inodes of a process's sockets."""
    found = set()
    with contextlib.suppress(OSError):
        for fd in Path(f"/proc/{pid}/fd").iterdir():
            with contextlib.suppress(OSError):
                link = os.readlink(fd)  # noqa: PTH115 - half the cost of a Path, while it is stopped
                if link.startswith("socket:["):
                    found.add(link[8:-1])
    return found


def suspend(pid: int) -> None:
    """SIGSTOP, until each of its threads has stopped: it accepts nothing from here on."""
    os.kill(pid, signal.SIGSTOP)
    wait_until(lambda: all(task_state(task) in "TZ" for task in tasks(pid)), f"{pid} stops")


def tasks(pid: int) -> list[Path]:
    try:
        return list(Path(f"/proc/{pid}/task").iterdir())
    except OSError:
        return []


def task_state(task: Path) -> str:
    """As proc(5) writes it; Z if it has gone."""
    try:
        return (task / "stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return "Z"


def program(name: str, package: str) -> str:
    """Its path. Raises `RuntimeError` if it is missing."""
    if path := find(name):
        return path
    raise RuntimeError(f"{name} is missing: apt-get install {package}")


def ss(*words: str, before: tuple[str, ...] = ()) -> str:
    """What ss(8) says of TCP: it asks the kernel for these sockets alone, and /proc/net/tcp has
    thousands that are over."""
    command = (*before, program("ss", "iproute2"), "-Htn", *words)
    return subprocess.check_output(command, text=True)


def connections(pid: int, port: int, *, before: tuple[str, ...] = ()) -> int:
    """Clients whose connection this process or one below it holds; `before`: words that have a
    command run where it runs."""
    held = set().union(*map(sockets, [pid, *descendants_of(pid)]))
    states = ("state", "connected", "exclude", "time-wait")
    lines = ss("-e", *states, f"sport = :{port}", before=before)
    return sum(inode in held for inode in re.findall(r" ino:(\d+)", lines))


def answers(address: tuple[str, int], path: str = "/", timeout: float = 5.0) -> bytes | None:
    """The body on a new connection; None if there is no answer, or an error's."""
    try:
        with urlopen("http://{}:{}".format(*address) + path, timeout=timeout) as answer:
            return bytes(answer.read())
    except (OSError, HTTPException):
        return None


def wait_until(condition: Callable[[], object], what: str, seconds: float = PATIENCE_S) -> float:
    """Seconds that it took. Raises TimeoutError."""
    begun = time.monotonic()
    while not condition():
        if time.monotonic() - begun > seconds:
            raise TimeoutError(f"never: {what}")
        time.sleep(0.005)
    return time.monotonic() - begun


def stopped(running: Running) -> int | None:
    """SIGTERM; its status, or None if it took longer than it had."""
    running.process.send_signal(signal.SIGTERM)
    with contextlib.suppress(Exception):
        return running.process.wait(PATIENCE_S)
    return None


def temporary() -> tempfile.TemporaryDirectory[str]:
    return tempfile.TemporaryDirectory(prefix="fivefold-reliability-")
