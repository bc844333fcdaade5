"""The supervisor alone: signals while a worker starts, orphans, and what systemd is told."""

from __future__ import annotations

import math
import os
import select
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import cast

import pytest

from fivefold.processes.census import Census
from fivefold.processes.draining import Draining
from fivefold.processes.ready_pipe import Announcement, Attention
from fivefold.processes.supervision.recycling import RecyclingSettings, Wear
from fivefold.processes.supervision.service_state import ServiceState
from fivefold.processes.supervision.slot import Slot
from fivefold.processes.supervision.slots import Slots
from fivefold.processes.supervision.worker import Worker
from fivefold.serving import MODELS
from support.servers.deployed import CRASHES, PATIENCE_S, deployed

STARTS_FOR_EVER = """
import os, signal
from fivefold.processes.supervision.supervisor import Supervisor

def never_ready(sockets, on_ready):
    os.write(1, b"started")
    signal.pause()

Supervisor([[]], never_ready, 5.0).run()
"""

LINGERS_WITHOUT_ACCEPTING = """
import os, signal
from fivefold.errors import WorkerFailed
from fivefold.processes.supervision.supervisor import Supervisor

def lingers(sockets, on_ready):
    os.closerange(3, 100)  # what on_ready would write to: the supervisor reads its end
    signal.pause()

try:
    Supervisor([[]], lingers, 5.0).run(lambda: print("ready"))
except WorkerFailed:
    print("failed")
"""

CANNOT_DO_WHAT_IS_ASKED = """
import os, signal
from fivefold.processes.supervision.supervisor import Supervisor

def serves(sockets, on_ready):
    on_ready()
    signal.pause()

def fails():
    raise OSError("no file")

def ask():
    for number in (signal.SIGUSR1, signal.SIGTERM):  # both are there at once: they are blocked
        os.kill(os.getpid(), number)

Supervisor([[]], serves, 5.0, fails).run(ask)
print("ended")
"""

LEAVES_AN_ORPHAN = """
import contextlib, ctypes, os
from fivefold.linux.process_control import reap_orphans

PR_SET_CHILD_SUBREAPER = 36
ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
ours = os.fork()
if ours == 0:
    if os.fork() == 0:
        os._exit(0)
    os._exit(7)
os.waitid(os.P_PID, ours, os.WEXITED | os.WNOWAIT)
reap_orphans(spared=[ours])  # whichever zombie comes first, ours is left
assert os.waitpid(ours, 0)[1] == 7 << 8
with contextlib.suppress(ChildProcessError):  # the orphan may be gone already
    os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOWAIT)
reap_orphans(spared=[])
try:
    os.waitpid(-1, 0)
except ChildProcessError:
    print("clean")
"""

HAS_A_SECOND_THREAD = """
import os, signal, sys, threading, time
from pathlib import Path
from fivefold import Server, Settings

ready = threading.Event()
settings = Settings(target=sys.argv[1], bind="127.0.0.1:0", serving="async", workers=1)

def children():
    return set(Path(f"/proc/self/task/{os.getpid()}/children").read_text().split())

def second():
    ready.wait()
    mine = os.fork()
    if mine == 0:
        time.sleep(60)
        os._exit(0)
    os.kill(mine, signal.SIGTERM)
    print("its child ended by", os.WTERMSIG(os.waitpid(mine, 0)[1]), flush=True)
    before = children()
    os.kill(os.getpid(), signal.SIGUSR1)
    os.kill(os.getpid(), signal.SIGHUP)
    while len(before & children()) == len(before):
        time.sleep(0.01)
    os.kill(os.getpid(), getattr(signal, sys.argv[2]))

def theirs(*_):
    print("it has its handlers again")

signal.signal(signal.SIGHUP, theirs)
thread = threading.Thread(target=second)
thread.start()
Server(settings).run(ready.set)
thread.join()
signal.raise_signal(signal.SIGHUP)
"""


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_second_thread_of_the_program_takes_no_signal_away(
    number: signal.Signals, tmp_path: Path
) -> None:
    """The kernel gives it what the main thread blocks; its own children are not concerned."""
    done = subprocess.run(
        [sys.executable, "-c", HAS_A_SECOND_THREAD, os.fspath(tmp_path), number.name],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    said = "its child ended by 15\nit has its handlers again\n"
    assert (done.returncode, done.stdout) == (0, said), done.stderr


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_while_a_worker_starts_ends_the_server(number: signal.Signals) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", STARTS_FOR_EVER], stdout=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        assert process.stdout.read(7) == b"started"
        process.send_signal(number)
        assert process.wait(timeout=20) == 0


def test_a_signal_is_heard_though_the_one_before_it_has_failed() -> None:
    done = subprocess.run(
        [sys.executable, "-c", CANNOT_DO_WHAT_IS_ASKED],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.stdout == "ended\n"
    assert "no file" in done.stderr


def test_a_worker_that_never_accepted_does_not_count_as_ready_while_it_dies() -> None:
    done = subprocess.run(
        [sys.executable, "-c", LINGERS_WITHOUT_ACCEPTING],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.stdout == "failed\n"


def test_an_orphan_is_reaped_but_never_a_child_that_somebody_waits_for() -> None:
    done = subprocess.run(
        [sys.executable, "-c", LEAVES_AN_ORPHAN], capture_output=True, text=True, check=False
    )
    assert done.stdout == "clean\n", done.stderr


@pytest.fixture
def manager(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[socket.socket]:
    """In the place of systemd."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
        sock.bind(str(tmp_path / "notify"))
        sock.settimeout(PATIENCE_S)
        monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "notify"))
        yield sock


@pytest.mark.parametrize("serving", MODELS)
def test_systemd_hears_when_a_reload_begins_and_when_it_has_ended(
    serving: str, manager: socket.socket, tmp_path: Path
) -> None:
    file = tmp_path / "crashes.py"
    file.write_text(CRASHES)
    with deployed(tmp_path, "crashes:app", "--serving", serving) as server:
        assert manager.recv(100) == b"READY=1"
        old = server.workers()
        file.write_text("raise RuntimeError")
        before = time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000
        server.signal(signal.SIGHUP)
        words, _, microseconds = manager.recv(100).partition(b"\nMONOTONIC_USEC=")
        assert words == b"RELOADING=1"
        assert before <= int(microseconds) <= time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000
        server.said("an old worker stays")
        assert not select.select([manager], [], [], 0)[0]
        file.write_text(CRASHES)  # its start is tried again
        assert manager.recv(100) == b"READY=1"
        assert set(server.workers()) - set(old), "a new one is ready; the old one may still leave"
        assert server.stop() == 0
        assert manager.recv(100) == b"STOPPING=1"


def test_systemd_hears_that_the_server_lives(
    manager: socket.socket, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WATCHDOG_USEC", "20000")
    with deployed(tmp_path, os.fspath(tmp_path)) as server:
        heard = [manager.recv(100) for _ in range(4)]
        assert heard == [b"READY=1", *[b"WATCHDOG=1"] * 3]
        assert server.stop() == 0


class Served:
    """Slots, as far as systemd is told of them."""

    stopping = False
    renewed = True
    all_served = True


def test_systemd_does_not_hear_it_while_an_address_has_no_worker(
    manager: socket.socket, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The next one is due half an interval after the one that was missed is made good."""
    monkeypatch.setenv("WATCHDOG_USEC", "30000000")
    slots = Served()
    state = ServiceState(cast("Slots", slots))
    state.look(1000.0)
    assert state.due == math.inf, "it is not ready"
    state.ready(100.0)
    assert manager.recv(100) == b"READY=1"
    assert state.due == 115.0
    slots.all_served = False
    for now in (114.9, 115.0, 120.0):
        state.look(now)
    assert state.due == math.inf, "a worker's word wakes the supervisor; it would else spin"
    assert not select.select([manager], [], [], 0)[0]
    slots.all_served = True
    state.look(121.0)
    assert manager.recv(100) == b"WATCHDOG=1"
    assert state.due == 136.0
    state.ends("MAINPID=7")
    assert manager.recv(100) == b"WATCHDOG=1\nMAINPID=7"


def test_one_worker_is_enough_for_an_address_but_each_address_needs_one() -> None:
    said: list[Announcement] = []

    def starts(_: Slot, generation: int, __: object) -> Worker:
        heard, say = os.pipe()
        said.append(Announcement(say))
        return Worker(0, generation, Attention(heard), Draining(), Wear(RecyclingSettings()), 0.0)

    with socket.socket() as one, socket.socket() as other:
        for sock in (one, other):
            sock.bind(("127.0.0.1", 0))
        slots = Slots([[one], [one], [other]], starts, 1.0, Census(), list)
        slots.go_on(0.0)
        said[0]()
        slots.listen()
        slots.go_on(0.0)
        assert not slots.all_served
        said[2]()
        slots.listen()
        assert slots.all_served
        assert not slots.complete
    said[1].close()
    for worker in slots:
        worker.pipe.close()
        worker.draining.close()


def test_a_failed_start_leaves_no_socket_file(tmp_path: Path) -> None:
    done = subprocess.run(
        [
            *(sys.executable, "-m", "fivefold", "serve", os.fspath(tmp_path)),
            *("--bind", f"unix:{tmp_path}/s", "--bind", "192.0.2.1:1"),
        ],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert "192.0.2.1" in done.stderr
    assert not (tmp_path / "s").exists()
