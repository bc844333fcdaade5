"""Asking processes that do not answer: neither one that is stopped nor a hundred that are stuck
keep the asker waiting for longer than it is patient."""

from __future__ import annotations

import os
import signal
import socket
from pathlib import Path
from typing import Any

import pytest

from fivefold import Server, Settings
from fivefold.cli.stacks import harmless
from fivefold.inspection import asking
from fivefold.inspection.asking import SHOW, Inspection, Question
from fivefold.linux.proc import descriptors
from fivefold.linux.proc.sleeping_threads import permitted
from fivefold.tracing.attach.inspected import inspected
from fivefold.tracing.control.rendezvous import PATIENCE_S
from fivefold.tracing.control.switch import NOTICE
from support.process_tree import states_of, workers_of
from support.servers.deployed import until

TURN_S = 0.01


def pending(pid: int, number: int) -> bool:
    """Whether a signal lies in the kernel until the process goes on (proc(5), ShdPnd)."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    [mask] = [int(line.split()[1], 16) for line in lines if line.startswith("ShdPnd")]
    return bool(mask >> (number - 1) & 1)


def test_a_stopped_worker_is_shown_and_gets_no_signal(tmp_path: Path) -> None:
    with Server(Settings(target=str(tmp_path), bind=("127.0.0.1:0",), serving="async")) as server:
        [worker] = workers_of(server.pid)
        os.kill(worker, signal.SIGSTOP)
        try:
            until(lambda: states_of(worker) == {"T"}, "a stop")
            [shown] = [one for one in inspected(server.pid) if one["pid"] == worker]
            assert {thread["state"] for thread in shown["threads"]} == {"T"}
            assert not shown["answers"]
            assert not pending(worker, NOTICE)
            assert not pending(worker, SHOW)
        finally:
            os.kill(worker, signal.SIGCONT)


class Stuck(Inspection):
    """Processes that answer by their stacks alone, some turns after they were asked."""

    def __init__(self, turns: int) -> None:
        super().__init__()
        self._turns = turns
        self._left = 0
        self._pid = 0

    def stacks_of(self, pid: int) -> None:
        super().stacks_of(0)
        self._pid, self._left = pid, self._turns

    def stacks(self) -> str:
        self._left -= 1
        if self._left in (0, -2):
            os.write(self._stacks.fileno(), f"{self._pid} {self._left};".encode())
        return super().stacks()


@pytest.mark.parametrize("turns", [1, 20, 1000], ids=["soon", "late", "never"])
def test_many_stuck_processes_are_shown_in_time(
    monkeypatch: pytest.MonkeyPatch, turns: int
) -> None:
    now = 0.0
    monkeypatch.setattr(asking, "monotonic", lambda: now)
    monkeypatch.setattr(asking, "send", lambda *_: None)
    monkeypatch.setattr(asking, "entry_of", lambda _: True)
    monkeypatch.setattr(asking, "seen_from_outside", lambda pid, _: {"pid": pid, "threads": []})
    inspection = Stuck(turns)
    pids = range(1, 101)
    question = Question(inspection, pids, set(pids))
    processes: list[dict[str, Any]] | None = None
    while processes is None:
        processes = question.look()
        now += TURN_S
    inspection.close()
    assert now < PATIENCE_S - 1
    raw = [one["raw"] for one in processes]
    asked = [text for text in raw if "too many" not in text]
    assert len(asked) >= 15
    whole = [f"{pid} 0;{pid} -2;" if turns < 1000 else "" for pid in pids]
    assert asked == whole[: len(asked)]


def test_what_an_application_names_does_not_control_the_terminal() -> None:
    assert harmless("thread \x1b[2J\x9b\r\n  x") == r"thread \x1b[2J\x9b\r\n  x"
    assert harmless("in \u202epp\u2028a") == r"in \u202epp\u2028a"
    assert harmless("file /srv/caf\u00e9/\udcff") == "file /srv/caf\u00e9/" + r"\udcff"


def test_the_table_of_sockets_is_read_once_for_all_processes(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It may have tens of thousands of lines."""
    read: list[str] = []

    def noted(pid: int, name: str) -> bytes:
        read.append(name)
        return permitted(pid, name)

    monkeypatch.setattr(descriptors, permitted.__name__, noted)
    tables = descriptors.SocketTables()
    with socket.create_server(("127.0.0.1", 0)) as listener:
        host, port = listener.getsockname()
        with socket.create_connection((host, port)) as client:
            names = [
                descriptors.Descriptors(os.getpid(), tables).name(one.fileno())
                for one in (listener, client)
            ]
            mine = client.getsockname()[1]
    assert names == [f"socket {host}:{port} listens", f"socket {host}:{mine} - {host}:{port}"]
    assert read == ["net/tcp", "net/tcp6", "net/unix"]
