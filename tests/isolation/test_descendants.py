"""Processes that applications start: they have nothing of the server, and keep nothing of it."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from fivefold.serving import MODELS
from support.client import Client
from support.every_pair import pairs
from support.process_tree import children_of, is_gone, open_files
from support.servers.deployed import Deployed, deployed, port_is_free, until
from support.wire import Wire

APPLICATION = """
import asyncio, json, multiprocessing, os, signal, subprocess, time

context = multiprocessing.get_context("fork")

def square(number):
    return number * number

def pool():
    with context.Pool(2) as workers:
        return workers.map(square, range(5))

def terminate():
    child = context.Process(target=time.sleep, args=(60,))
    child.start()
    child.terminate()
    child.join(30)
    return child.exitcode

def outlive():
    '''As a handler that starts something in the background.'''
    pid = os.fork()
    if pid == 0:
        time.sleep(60)
        os._exit(0)
    return pid

def come_back():
    pid = os.fork()
    return os.getpid() if pid else "the child"

signal.signal(signal.SIGUSR2, square)

def own_handler():
    read, write = os.pipe()
    if os.fork() == 0:
        numbers = (signal.SIGUSR2, signal.SIGTERM, signal.SIGINT)
        os.write(write, json.dumps([str(signal.getsignal(n)) for n in numbers]).encode())
        os._exit(0)
    os.close(write)
    return json.loads(os.read(read, 1000))

def program():
    with subprocess.Popen(["sleep", "60"]) as started:
        status = open(f"/proc/{started.pid}/status").read()
        started.send_signal(signal.SIGINT)
        return [started.wait(30), status]

def fork_and_write(start_response):
    write = start_response("200 OK", [])
    write(b"%d" % os.fork())
    return []

def fork_and_exit(start_response):
    pid = os.fork()
    if pid == 0:
        raise SystemExit(0)
    start_response("200 OK", [])
    return [b"%d" % pid]

def app(environ, start_response):
    if environ["PATH_INFO"].startswith("/fork_and"):
        return globals()[environ["PATH_INFO"][1:]](start_response)
    body = json.dumps(globals()[environ["PATH_INFO"][1:]]()).encode()
    start_response("200 OK", [("Content-Length", str(len(body)))])
    return [body]

async def exited():
    pid = os.fork()
    if pid == 0:
        raise SystemExit(5)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])

async def forked_before_a_call():
    pids = []
    loop = asyncio.get_running_loop()
    loop.call_soon(lambda: pids.append(os.fork()))
    loop.call_soon(lambda: open(f"called-{os.getpid()}", "w").close())
    while not pids:
        await asyncio.sleep(0)
    return os.waitstatus_to_exitcode(os.waitpid(pids[0], 0)[1])

async def in_task():
    return await asyncio.create_task(exited())

ASYNC = {"/call": exited, "/later": exited, "/task": in_task, "/callbacks": forked_before_a_call}

async def asgi(scope, receive, send):
    if scope["type"] == "lifespan":
        raise NotImplementedError
    if scope["path"] == "/later":
        await asyncio.sleep(0.001)
    called = ASYNC[scope["path"]]()
    body = b"%d" % await called
    await send({"type": "http.response.start", "status": 200,
                "headers": [(b"content-length", b"%d" % len(body))]})
    await send({"type": "http.response.body", "body": body})
"""

OF_SIGIO = 1 << signal.SIGIO - 1 | 1 << signal.SIGRTMIN + 10 - 1
"""What a thread of `sigio` has blocked, and what it starts inherits: docs/io-models.md."""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "shop.py").write_text(APPLICATION)
    return tmp_path


@pytest.fixture
def outliving() -> Iterator[list[int]]:
    """Processes that shall not outlive the test."""
    pids: list[int] = []
    yield pids
    for pid in pids:
        os.kill(pid, signal.SIGKILL)


def ask(server: Deployed, path: str, **fields: str) -> Any:
    with Client(server.address) as client:
        answer = client.get(path, **fields)
        assert answer.status == 200
        if fields:
            assert client.at_end()
        return json.loads(answer.body)


def in_pair(pair: dict[str, str]) -> tuple[str, ...]:
    return ("shop:app", "--serving", pair["serving"], "--io", pair["io"])


@pairs()
def test_what_an_application_starts_has_and_keeps_nothing_of_the_server(
    folder: Path, pair: dict[str, str], outliving: list[int]
) -> None:
    with deployed(folder, *in_pair(pair)) as server:
        address = server.address
        has_default_signals(server)
        ends_when_it_comes_back(server)
        # The client is told of the end though a copy of its connection is in the child.
        outliving.append(ask(server, "/outlive", Connection="close"))
        assert server.stop() == 0
        assert port_is_free(address)
        assert not [name for name in open_files(outliving[0]) if name.startswith("socket:")]


@pytest.mark.parametrize("path", ["/fork_and_write", "/fork_and_exit"])
@pytest.mark.parametrize("serving", MODELS)
def test_a_copy_neither_answers_nor_stays(serving: str, path: str, folder: Path) -> None:
    """One that writes, and would wait for the parent's loop; one that ends by `sys.exit`, as is
    usual, and has failed at nothing."""
    with deployed(folder, "shop:app", "--serving", serving) as server:
        with Wire(server.address) as wire:
            for _ in range(2):
                copy = int(wire.ask(path).body)
                until(lambda: is_gone(copy), "the end of the copy")  # noqa: B023
        assert "failed" not in server.log
        returned = server.log.count("returned into the server")
        assert returned == (2 if path == "/fork_and_write" else 0)
        assert server.stop() == 0


def signals(status: str, field: str) -> int:
    """A set of signals as /proc/PID/status has it (proc(5)): signal 1 is the lowest bit."""
    match = re.search(rf"^{field}:\t([0-9a-f]+)$", status, re.MULTILINE)
    assert match
    return int(match[1], 16)


def passed_on() -> str:
    """What a program has from whoever started these tests, without a server between."""
    with subprocess.Popen(["sleep", "60"]) as started:
        status = Path(f"/proc/{started.pid}/status").read_text()
        started.kill()
        return status


def has_default_signals(server: Deployed) -> None:
    assert ask(server, "/terminate") == -signal.SIGTERM
    code, status = ask(server, "/program")
    before = passed_on()
    assert code == -signal.SIGINT
    assert signals(status, "SigIgn") & ~signals(before, "SigIgn") == 0
    assert signals(status, "SigBlk") & ~signals(before, "SigBlk") & ~OF_SIGIO == 0
    own, term, interrupt = ask(server, "/own_handler")
    assert "square" in own
    assert term == str(signal.SIG_DFL)
    assert "default_int_handler" in interrupt


def ends_when_it_comes_back(server: Deployed) -> None:
    worker = ask(server, "/come_back")
    server.said("a process that the application forked returned into the server; it ends")
    until(lambda: not unreaped(worker), "the end of the child")


def unreaped(parent: int) -> list[int]:
    """Children that run; those that have ended are the application's to wait for."""
    return [pid for pid in children_of(parent) if not is_gone(pid)]


@pytest.mark.parametrize("serving", MODELS)
def test_a_copy_of_an_asgi_application_ends_with_its_own_status(folder: Path, serving: str) -> None:
    """Whether its call is carried by the connection, or runs in a task, or in another thread."""
    with deployed(folder, "shop:asgi", "--serving", serving) as server:
        assert [ask(server, path) for path in ("/call", "/later", "/task")] == [5, 5, 5]
        assert "ERROR" not in server.log
        assert ask(server, "/callbacks") == 1
        assert len(list(folder.glob("called-*"))) == 1, "what waits in the loop is the parent's"
        assert server.stop() == 0


@pytest.mark.parametrize("serving", MODELS)
def test_a_pool_of_multiprocessing_ends_twenty_times(folder: Path, serving: str) -> None:
    with deployed(folder, "shop:app", "--serving", serving) as server:
        for _ in range(20):
            assert ask(server, "/pool") == [0, 1, 4, 9, 16]
        assert server.stop() == 0
