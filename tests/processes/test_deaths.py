"""Deaths: whatever status a worker ends with, and however often, the server serves on."""

from __future__ import annotations

import contextlib
import os
import random
import signal
import time
from pathlib import Path

import pytest

from fivefold.serving import MODELS
from support.client import Client
from support.process_tree import children_of, is_gone, wait_until_gone
from support.servers.deployed import CRASHES, SOAK, deployed, until
from support.servers.started import running

CRASHED = ("/exit3", "/exit1", "/abort", "/segv", "/exit0")

TIMES = 40 if SOAK else 7
"""A server that gave up after five deaths does not see the seventh."""

KILLING_S = 20.0 if SOAK else 1.5
KILLS_APART_S = 0.2


def workers_of(serving: str, count: int) -> tuple[str, ...]:
    return ("--workers", str(count)) if MODELS[serving].traits.scales_by_workers else ()


@pytest.mark.parametrize("serving", MODELS)
def test_a_url_that_crashes_its_process_never_ends_the_server(serving: str, tmp_path: Path) -> None:
    (tmp_path / "crashes.py").write_text(CRASHES)
    target = "crashes:asgi" if serving == "async" else "crashes:app"
    with deployed(tmp_path, target, "--serving", serving) as server:
        server.answers()
        for number in range(TIMES):
            path = CRASHED[number % len(CRASHED)]
            assert server.get(path) is None
            assert not server.ended, server.log
        server.answers()
        assert server.stop() == 0


def can_be_reaped(pid: int) -> bool:
    """A zombie whose other threads have ended, too."""
    return is_gone(pid) and len(list(Path(f"/proc/{pid}/task").iterdir())) == 1


@pytest.mark.parametrize("serving", MODELS)
def test_a_crash_just_before_a_stop_is_no_unclean_end(serving: str, tmp_path: Path) -> None:
    """Whoever waits for the crashed process hears of both at once."""
    (tmp_path / "crashes.py").write_text(CRASHES)
    with deployed(tmp_path, "crashes:app", "--serving", serving) as server:
        server.answers()
        one_connection = not MODELS[serving].traits.scales_by_workers
        parent = server.workers()[0] if one_connection else server.process.pid
        os.kill(parent, signal.SIGSTOP)
        assert server.get("/exit1") is None
        until(lambda: any(can_be_reaped(pid) for pid in children_of(parent)), "a death")
        os.kill(parent, signal.SIGTERM)
        os.kill(parent, signal.SIGCONT)
        if one_connection:
            server.said("exited with 1")
            assert server.stop() == 0
        assert server.process.wait(60) == 0, server.log


@pytest.mark.parametrize("serving", MODELS)
def test_workers_that_are_killed_again_and_again_are_replaced(serving: str, tmp_path: Path) -> None:
    (tmp_path / "crashes.py").write_text(CRASHES)
    chosen = ("--serving", serving, *workers_of(serving, 3))
    with deployed(tmp_path, "crashes:app", *chosen) as server:
        server.answers()
        rng = random.Random(7)
        end = time.monotonic() + KILLING_S
        kills = 0
        while time.monotonic() < end:
            # Under process the acceptor and the connection processes, too.
            victims = server.descendants()
            if victims:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(rng.choice(victims), signal.SIGKILL)
                    kills += 1
            time.sleep(KILLS_APART_S)  # the pace of the deaths is what is tried
        assert kills >= 5
        server.answers()
        assert server.stop() == 0


def test_an_acceptor_that_is_killed_costs_no_connection_but_its_own(tmp_path: Path) -> None:
    (tmp_path / "index.html").write_text("here")
    with running(os.fspath(tmp_path), "--serving", "process") as server:
        with Client(server.address) as kept:
            assert kept.get("/").status == 200
            forker, acceptor, *_ = server.descendants()
            os.kill(acceptor, signal.SIGKILL)
            wait_until_gone(acceptor)
            with Client(server.address) as newcomer:
                assert newcomer.get("/").status == 200
            assert kept.get("/").status == 200, "the child serves its connection on"
            assert forker == server.descendants()[0]
        assert server.stop() == 0
