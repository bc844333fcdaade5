"""Workers that take no turn any more: `--stuck-s`."""

from __future__ import annotations

import contextlib
import math
import os
import signal
from pathlib import Path

import pytest

from fivefold.errors import SettingsError
from fivefold.processes.pulse import LONGEST_LOOK_S, SECOND_LOOK_S, Pulse
from fivefold.server.settings import Settings
from fivefold.serving import MODELS
from support.client import Client
from support.process_tree import children_of
from support.servers.deployed import CRASHES, Deployed, deployed, until

STUCK = """
import asyncio, os, time

async def app(scope, receive, send):
    if scope["type"] != "http":
        raise NotImplementedError
    if scope["path"] == "/blocks":
        blocks_the_loop()
    body = str(os.getpid()).encode()
    headers = [(b"content-length", b"%d" % len(body))]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})

def blocks_the_loop():
    time.sleep(600)
"""


SLEEPS = (
    CRASHES
    + """
crashes = app

def app(environ, start_response):
    if environ["PATH_INFO"] == "/sleeps":
        with open("sleeping", "ab", buffering=0) as sleeping:
            sleeping.write(b"%d\\n" % os.getpid())
        while not os.path.exists("released"):
            time.sleep(0.1)
    return crashes(environ, start_response)
"""
)
"""Requests that sleep, with the GIL free, until the test lets them go on."""


@pytest.mark.parametrize(
    ("target", "arguments", "path", "where"),
    [
        ("stuck:app", ("--serving", "async"), "/blocks", "in blocks_the_loop"),
        ("crashes:app", ("--serving", "thread"), "/regex", "in holds_the_gil"),
        ("crashes:app", ("--serving", "async", "--inline"), "/regex", "in holds_the_gil"),
    ],
)
def test_a_worker_that_is_stuck_is_replaced_and_its_stack_is_shown(
    target: str, arguments: tuple[str, ...], path: str, where: str, tmp_path: Path
) -> None:
    (tmp_path / "stuck.py").write_text(STUCK)
    (tmp_path / "crashes.py").write_text(CRASHES)
    with deployed(tmp_path, target, *arguments, "--stuck-s", "1") as server:
        stuck = server.get("/")
        assert stuck is not None
        with Client(server.address) as client:
            client.send(f"GET {path} HTTP/1.1\r\nHost: t\r\n\r\n".encode())
            assert client.at_end()
        server.said(f"worker {int(stuck)} is killed: it is stuck for ")
        server.said(f"process {int(stuck)} is here:")
        assert where in server.log
        server.answers()
        assert server.get("/") != stuck
        assert server.stop() == 0


def test_a_limit_of_requests_holds_where_the_gil_is_never_given_back(tmp_path: Path) -> None:
    """The thread that ends requests has no turn there; all models at once, for it takes a while."""
    (tmp_path / "crashes.py").write_text(CRASHES)
    with contextlib.ExitStack() as stack:
        for serving in MODELS:
            (folder := tmp_path / serving).mkdir()
            words = ("--chdir", "..", "--serving", serving, "--request-timeout-s", "0.5")
            server = stack.enter_context(deployed(folder, "crashes:app", *words))
            client = stack.enter_context(Client(server.address))
            client.send(b"GET /mutex HTTP/1.1\r\nHost: t\r\n\r\n")
            stack.callback(is_replaced, server, client)


def is_replaced(server: Deployed, client: Client) -> None:
    assert client.at_end()
    assert " is killed: it is stuck for " in server.log
    assert "in holds_the_gil" in server.log
    server.answers()
    assert server.stop() == 0


@pytest.mark.parametrize(
    ("given", "silence_s"),
    [
        ({}, None),
        ({"stuck_s": 3.0}, 3.0),
        ({"request_timeout_s": 30.0}, 40.0),
        ({"request_timeout_s": 30.0, "stuck_s": 5.0}, 5.0),
    ],
)
def test_a_limit_of_requests_is_one_of_silence(
    given: dict[str, float], silence_s: float | None
) -> None:
    assert Settings.of({"target": ".", **given}).supervision.silence_s == silence_s


def ask(client: Client, path: str) -> None:
    client.send(f"GET {path} HTTP/1.1\r\nHost: t\r\nConnection: close\r\n\r\n".encode())


def asleep(folder: Path, count: int) -> set[int]:
    """The processes in which so many requests sleep."""
    note = folder / "sleeping"
    until(lambda: note.exists() and note.read_bytes().count(b"\n") >= count, "they sleep")
    return set(map(int, note.read_bytes().split()))


def test_of_the_processes_of_a_worker_only_those_die_that_are_stuck(tmp_path: Path) -> None:
    """One holds the GIL, one and the acceptor are stopped; one has a request that sleeps longer
    than all of them, one is idle."""
    (tmp_path / "sleeps.py").write_text(SLEEPS)
    with (
        deployed(tmp_path, "sleeps:app", "--serving", "process", "--stuck-s", "2") as server,
        Client(server.address) as sleeper,
        Client(server.address) as idle,
        Client(server.address) as stopped,
        Client(server.address) as holder,
    ):
        ask(sleeper, "/sleeps")
        asleep(tmp_path, 1)
        kept = idle.get("/").body
        child = int(stopped.get("/").body)
        hanging = int(holder.get("/").body)
        (forker,) = server.workers()
        acceptor = children_of(forker)[0]  # the eldest
        os.kill(child, signal.SIGSTOP)
        ask(holder, "/mutex")
        os.kill(acceptor, signal.SIGSTOP)
        assert stopped.at_end()
        assert holder.at_end()
        server.said("is killed: it is stuck", times=3)
        for name in (f"process {child}", f"process {hanging}", f"acceptor {acceptor}"):
            assert f"{name} is killed: it is stuck for " in server.log
        assert "in holds_the_gil" in server.log
        server.answers()
        assert idle.get("/").body == kept
        (tmp_path / "released").touch()
        assert sleeper.answer().status == 200
        assert server.workers() == [forker]
        assert server.log.count("is killed") == 3
        assert server.stop() == 0


def test_threads_that_all_sleep_are_not_stuck(tmp_path: Path) -> None:
    """One of two such workers is stopped, so its end shows when the other one's would have come."""
    (tmp_path / "sleeps.py").write_text(SLEEPS)
    arguments = ("--serving", "thread", "--workers", "2", "--max-connections", "1")
    with (
        deployed(tmp_path, "sleeps:app", *arguments, "--stuck-s", "2") as server,
        contextlib.ExitStack() as clients,
    ):
        waiting = [clients.enter_context(Client(server.address)) for _ in range(8)]
        for client in waiting:
            ask(client, "/sleeps")
        until(lambda: len(asleep(tmp_path, 2)) == 2, "a request sleeps in each worker")
        stopped, other = asleep(tmp_path, 2)
        os.kill(stopped, signal.SIGSTOP)
        server.said(f"worker {stopped} is killed: it is stuck")
        asleep(tmp_path, 3)  # in its successor
        assert other in server.workers()
        (tmp_path / "released").touch()
        bodies = set()
        for client in waiting:
            with contextlib.suppress(EOFError, OSError):  # the stopped one had two of them
                bodies.add(int(client.answer().body))
        assert other in bodies
        assert server.log.count("is killed") == 1
        assert server.stop() == 0


def test_a_forker_that_is_stopped_is_replaced(tmp_path: Path) -> None:
    (tmp_path / "crashes.py").write_text(CRASHES)
    with deployed(tmp_path, "crashes:app", "--serving", "process", "--stuck-s", "2") as server:
        server.answers()
        (forker,) = server.workers()
        os.kill(forker, signal.SIGSTOP)
        server.said(f"worker {forker} is killed: it is stuck for ")
        server.answers()
        until(lambda: forker not in server.workers(), "it is gone")
        assert server.stop() == 0


def test_a_pulse_is_looked_at_twice() -> None:
    """A server that was stopped as a whole finds all pulses missed when it goes on."""
    pulse = Pulse(2.0)
    assert not pulse.has_stopped(math.inf), "it has not begun"
    pulse.beat()
    began = pulse.due - 2.0
    assert not pulse.has_stopped(began + 1.9)
    assert not pulse.has_stopped(began + 100.0), "it may just have been let go on"
    assert pulse.due == began + 100.0 + LONGEST_LOOK_S, "this one was late itself"
    assert not pulse.has_stopped(began + 100.5)
    assert pulse.has_stopped(pulse.due)
    pulse.beat()
    assert not pulse.has_stopped(pulse.due - 0.1)
    first = pulse.due
    assert not pulse.has_stopped(first), "the first time again"
    assert pulse.due == first + SECOND_LOOK_S
    assert pulse.has_stopped(pulse.due)
    pulse.close()


def test_a_time_that_no_worker_can_keep_is_refused() -> None:
    with pytest.raises(SettingsError, match=r"stuck_s: 0\.5 is too short"):
        Settings.of({"target": ".", "stuck_s": 0.5})
    for never in (float("nan"), float("inf")):
        with pytest.raises(SettingsError, match=r"stuck_s: "):
            Settings.of({"target": ".", "stuck_s": never})
