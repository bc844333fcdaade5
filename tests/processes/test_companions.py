"""A process of the server that serves no client dies: it is reaped, said, and started again."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

import pytest

from fivefold.errors import TraceFailed
from fivefold.processes.supervision import companion
from fivefold.processes.supervision.companion import Companion
from fivefold.serving import MODELS
from fivefold.tracing.attach.inspected import inspected
from fivefold.tracing.attach.tracer import Attached
from support.process_tree import CONTROL, STATUS, WATCH, children_of, is_alive, name_of, open_files
from support.servers.deployed import Deployed, deployed, until
from support.status_client import Status

every_model = pytest.mark.parametrize("serving", MODELS)


def called(name: str, server: Deployed) -> list[int]:
    """Zombies have the name as well."""
    return [pid for pid in children_of(server.process.pid) if name_of(pid) == name]


def killed(name: str, server: Deployed) -> None:
    """Until there is another one, and no zombie."""
    (old,) = called(name, server)
    os.kill(old, signal.SIGKILL)
    until(lambda: called(name, server) not in ([old], []), "another one")
    (new,) = called(name, server)
    assert is_alive(new)
    server.said("was killed by SIGKILL, and is started again")


@every_model
def test_the_status_process_is_started_again(tmp_path: Path, serving: str) -> None:
    status = Status(tmp_path)
    (tmp_path / "a").write_text("a")
    with deployed(tmp_path, ".", "--serving", serving, *status.arguments) as server:
        until(status.is_ready, "ready")
        killed(STATUS, server)
        assert status.ask("/health/live") == (200, "live\n")
        assert status.ask("/health/ready")[0] == 200
        assert server.get("/a") == b"a"
        assert server.stop() == 0


@every_model
def test_the_control_process_is_started_again_and_traces(tmp_path: Path, serving: str) -> None:
    (tmp_path / "a").write_text("a")
    with deployed(tmp_path, ".", "--serving", serving) as server:
        assert server.get("/a") == b"a"
        killed(CONTROL, server)
        assert inspected(server.process.pid)
        with Attached(server.process.pid, privileged=False) as attached:
            assert server.get("/a") == b"a"
            assert next(attached.traces(20.0)).steps
        assert server.stop() == 0


APPLICATION = """
def app(environ, start_response):
    start_response("200 OK", [])
    return [b"{}"]
"""


@every_model
def test_the_watcher_of_reload_is_started_again_and_catches_up(
    tmp_path: Path, serving: str
) -> None:
    """What has changed while there was none is served, and what changes then."""
    source = tmp_path / "shop.py"
    source.write_text(APPLICATION.format("one"))
    with deployed(tmp_path, "shop:app", "--serving", serving, "--reload") as server:
        assert server.get("/") == b"one"
        (old,) = called(WATCH, server)
        os.kill(old, signal.SIGSTOP)
        source.write_text(APPLICATION.format("unseen"))
        killed(WATCH, server)
        until(lambda: server.get("/") == b"unseen", "what nobody has seen")
        server.said("what has changed meanwhile is not known")
        source.write_text(APPLICATION.format("seen"))
        until(lambda: server.get("/") == b"seen", "what the next one has seen")
        assert server.stop() == 0


def test_a_tracer_whose_control_process_dies_hears_of_it(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("a")
    with deployed(tmp_path, ".") as server:
        assert server.get("/a") == b"a"
        with Attached(server.process.pid, privileged=False) as attached:
            killed(CONTROL, server)
            with pytest.raises(TraceFailed):
                next(attached.traces(20.0))
        with Attached(server.process.pid, privileged=False) as attached:
            assert server.get("/a") == b"a"
            assert next(attached.traces(20.0)).steps
        assert server.stop() == 0


def test_the_next_one_has_no_descriptor_more_than_the_first(tmp_path: Path) -> None:
    """It is forked from a supervisor that has workers by now: their pipes, the guard's, the
    signals'."""
    status = Status(tmp_path)
    with deployed(tmp_path, ".", "--workers", "2", *status.arguments) as server:
        until(status.is_ready, "ready")
        for name in (CONTROL, STATUS):
            (old,) = called(name, server)
            before = kinds(old)
            killed(name, server)
            (new,) = called(name, server)
            until(lambda: kinds(new) == before, f"the same files: {name}")  # noqa: B023


def kinds(pid: int) -> list[str]:
    """Of what somebody else has the other end of."""
    ends = ("pipe", "socket", "anon_inode")
    return sorted(kind for name in open_files(pid) if (kind := name.partition(":")[0]) in ends)


def test_workers_hold_nothing_of_the_control_process(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("a")
    with deployed(tmp_path, ".") as server:
        assert server.get("/a") == b"a"
        (control,), (worker,) = called(CONTROL, server), server.workers()
        sockets = {name for name in open_files(control) if name.startswith("socket:")}
        assert sockets
        assert not sockets & set(open_files(worker))


def test_one_that_always_dies_is_tried_ever_more_seldom_and_said_once(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    begun: list[str] = []

    def forked(life: object, name: str) -> int:
        begun.append(name)
        return 7

    monkeypatch.setattr(companion, "forked", forked)
    monkeypatch.setattr(companion, "reap", lambda pid: 256)
    now = 1000.0
    monkeypatch.setattr(companion, "monotonic", lambda: now)
    one = Companion("clock", "fivefold-clock", lambda: None)
    for _ in range(600):
        now += 0.1
        one.look(now, lambda: None)
    assert 8 < len(begun) < 20, "of a minute"
    assert [record.getMessage() for record in caplog.records] == [
        "the clock exited with 1, and is started again"
    ]


def test_one_that_cannot_be_forked_is_tried_again(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    tries = iter([OSError(11, "no process"), OSError(11, "no process")])

    def forked(life: object, name: str) -> int:
        error = next(tries, None)
        if error is not None:
            raise error
        return 7

    monkeypatch.setattr(companion, "forked", forked)
    one = Companion("clock", "fivefold-clock", lambda: None)
    while not one.pid:
        assert one.due < time.monotonic() + 10
        one.look(one.due, lambda: None)
    assert len(caplog.records) == 1
