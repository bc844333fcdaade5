"""What a server that stops waits for, and what becomes of it: said, and known by its status."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from fivefold.inspection.cut_requests import MOST
from fivefold.serving import MODELS
from support.client import Client
from support.process_tree import is_alive, open_files, server_end
from support.servers.deployed import PATIENCE_S, Deployed, deployed, until

APPLICATION = """
import os, time

def app(environ, start_response):
    if environ["PATH_INFO"] == "/slow":
        with open("begun" + environ["QUERY_STRING"], "w"):
            pass
        while not os.path.exists("go on"):
            time.sleep(0.01)
    start_response("200 OK", [("Content-Length", "4")])
    return [b"fine"]
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "shop.py").write_text(APPLICATION)
    return tmp_path


@contextmanager
def busy(server: Deployed) -> Iterator[Client]:
    """With one request that is being answered."""
    with Client(server.address) as client:
        client.send(b"GET /slow HTTP/1.1\r\nHost: t\r\n\r\n")
        until((server.folder / "begun").exists, "a request in the application")
        yield client


def is_closed(client: Client) -> bool:
    """Without an answer."""
    try:
        return client.sock.recv(1) == b""
    except ConnectionResetError:
        return True


@pytest.mark.parametrize("serving", MODELS)
def test_what_is_cut_is_said_and_is_no_success(folder: Path, serving: str) -> None:
    with deployed(folder, "shop:app", "--serving", serving, "--grace-s", "0.3") as server:
        with busy(server) as client:
            [worker] = server.workers()
            port = client.sock.getsockname()[1]
            assert server.stop() == 1
            assert is_closed(client)
        assert f"worker {worker} has cut 1 connection\n" in server.log
        named = rf"'GET /slow HTTP/1\.1' from 127\.0\.0\.1:{port}, \d+\.\d s ago\n"
        assert re.search(named, server.log), server.log


def test_a_process_that_hears_late_that_it_shall_end_cuts_all_the_same(folder: Path) -> None:
    """By then it takes the signals that ask it to leave, and to cut, for one."""
    chosen = ("shop:app", "--serving", "process", "--grace-s", "0.3")
    with deployed(folder, *chosen) as server, busy(server) as late:
        end = server_end(server.address, late.sock)
        stopped = next(pid for pid in reversed(server.descendants()) if end in open_files(pid))
        os.kill(stopped, signal.SIGSTOP)
        with Client(server.address) as other:
            other.send(b"GET /slow?too HTTP/1.1\r\nHost: t\r\n\r\n")
            until((folder / "beguntoo").exists, "a request in the application")
            server.signal(signal.SIGTERM)
            assert is_closed(other)  # the grace time is over
            os.kill(stopped, signal.SIGCONT)
            assert is_closed(late)
        assert server.process.wait(PATIENCE_S) == 1
        for client in ("/slow'", "/slow?too'"):
            assert client.replace("'", " HTTP/1.1'") in server.log


MANY = 12
"""Connections that are cut: more than are named."""


@pytest.mark.parametrize("serving", MODELS)
def test_of_many_that_are_cut_some_are_named(folder: Path, serving: str) -> None:
    arguments = ("shop:app", "--serving", serving, "--grace-s", "0.3", "--threads", str(MANY))
    with deployed(folder, *arguments) as server, contextlib.ExitStack() as clients:
        for number in range(MANY):
            client = clients.enter_context(Client(server.address))
            client.send(b"GET /slow?%d HTTP/1.1\r\nHost: t\r\n\r\n" % number)
        until(lambda: len(list(folder.glob("begun*"))) == MANY, "all in the application")
        assert server.stop() == 1
        assert re.search(rf"worker \d+ has cut {MANY} connections\n", server.log)
        assert len(re.findall(r"'GET /slow\?\d+ HTTP/1\.1' from", server.log)) == MOST


def test_one_that_has_not_asked_to_the_end_is_named_by_its_client(folder: Path) -> None:
    with deployed(folder, "shop:app", "--serving", "async", "--grace-s", "0.3") as server:
        with Client(server.address) as client:
            client.send(b"GET / HTTP/1.1\r\n")
            port = client.sock.getsockname()[1]
            assert server.get("/") == b"fine", "then what came before it was read"
            assert server.stop() == 1
        assert f"no whole request from 127.0.0.1:{port}, which came" in server.log


@pytest.mark.parametrize("serving", MODELS)
def test_what_ends_in_time_is_a_success(folder: Path, serving: str) -> None:
    """Idle connections are cut by the end of a grace time that is shorter than their last call."""
    with deployed(folder, "shop:app", "--serving", serving, "--grace-s", "0.3") as server:
        with Client(server.address) as idle, Client(server.address):
            assert idle.get("/").status == 200
            assert server.stop() == 0
        assert "cut" not in server.log


class InTerminal(Deployed):
    """In the foreground of a terminal of its own."""

    def __init__(self, folder: Path, *arguments: str) -> None:
        self.folder = folder
        self._log = folder / "server.log"
        self._terminal, theirs = os.openpty()
        try:
            with self._log.open("wb") as log:
                command = ["setsid", "--ctty", sys.executable, "-m", "fivefold", "serve"]
                self.process = subprocess.Popen(
                    [*command, *arguments, "--bind", "127.0.0.1:0"],
                    cwd=folder,
                    stdin=theirs,
                    stdout=log,
                    stderr=log,
                )
        finally:
            os.close(theirs)

    def interrupt(self) -> None:
        """As a person does: the whole foreground gets SIGINT, the workers as well."""
        os.write(self._terminal, b"\x03")

    def close(self) -> None:
        os.close(self._terminal)
        if not self.ended:
            self.process.kill()
        self.process.wait()


@pytest.mark.parametrize("serving", MODELS)
def test_ctrl_c_says_what_it_waits_for_and_a_second_one_ends_it(folder: Path, serving: str) -> None:
    server = InTerminal(folder, "shop:app", "--serving", serving, "--grace-s", "600")
    try:
        with busy(server) as client:
            below = server.descendants()
            server.interrupt()
            server.said("waiting for 1 connection in 1 worker, up to 600 s; Ctrl-C again ends them")
            server.interrupt()
            assert is_closed(client)
            assert server.process.wait(PATIENCE_S) == 1
        until(lambda: not any(map(is_alive, below)), "an end of all processes")
        assert re.search(r"worker \d+ has cut 1 connection\n", server.log)
    finally:
        server.close()
