"""Programs that serve by themselves: they are traced and sampled as `fivefold serve` is."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from fivefold.serving import MODELS
from support.client import Client
from support.servers.deployed import PATIENCE_S, until

SERVES = """
import logging, sys, fivefold
logging.basicConfig(level="INFO", format="%(message)s")
fivefold.serve(".", bind=sys.argv[1], serving=sys.argv[2], io=sys.argv[3], trace_sample="1/1")
"""

EMBEDS = """
import contextlib, os, signal, sys, fivefold

def own(*_):
    print("the program's own handler", flush=True)

signal.signal(signal.SIGURG, own)
before = os.listdir("/proc/self/fd")
settings = fivefold.Settings(
    target=".", bind=("127.0.0.1:0",), serving=sys.argv[1], io=sys.argv[2], trace_sample="1/1"
)
with contextlib.ExitStack() as stack:
    for _ in range(int(sys.argv[3])):
        server = stack.enter_context(fivefold.Server(settings))
        print("listening on", *server.addresses, "as", server.pid, flush=True)
    sys.stdin.read()
assert signal.getsignal(signal.SIGURG) is own
print("left", len(os.listdir("/proc/self/fd")) - len(before), flush=True)
"""

THREADS = """
import sys, threading, fivefold

def run():
    try:
        fivefold.serve(".", bind="127.0.0.1:0")
    except fivefold.FivefoldError as error:
        print(error, flush=True)
    with fivefold.Server(fivefold.Settings(target=".", bind=("127.0.0.1:0",))) as server:
        print("listening on", *server.addresses, flush=True)
        sys.stdin.read()

thread = threading.Thread(target=run)
thread.start()
thread.join()
"""


class Program:
    """A program of Python, in a folder that it serves."""

    def __init__(
        self, folder: Path, source: str, *arguments: str, fds: tuple[int, ...] = ()
    ) -> None:
        (folder / "small").write_bytes(b"small")
        self._said = folder / "said"
        with self._said.open("wb") as said:
            self.process = subprocess.Popen(
                [sys.executable, "-c", source, *arguments],
                cwd=folder,
                env={**os.environ, "PYTHONUNBUFFERED": ""},  # else a line comes in pieces
                pass_fds=fds,
                stdin=subprocess.PIPE,
                stdout=said,
                stderr=said,
            )

    @property
    def said(self) -> str:
        return self._said.read_text()

    def addresses(self, number: int = 1) -> list[tuple[str, int]]:
        until(lambda: self.said.count("listening on") == number, "its addresses")
        urls = [line.split()[2] for line in self.said.splitlines() if "listening on" in line]
        return [("127.0.0.1", int(url.rpartition(":")[2])) for url in urls]

    def end(self) -> str:
        assert self.process.stdin
        self.process.stdin.close()
        assert self.process.wait(PATIENCE_S) == 0
        return self.said


@contextmanager
def program(
    folder: Path, source: str, *arguments: str, fds: tuple[int, ...] = ()
) -> Iterator[Program]:
    started = Program(folder, source, *arguments, fds=fds)
    try:
        yield started
    finally:
        if started.process.poll() is None:
            started.process.kill()
        started.process.communicate()


def trace(pid: int, *arguments: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "fivefold", "trace", "--attach", str(pid), *arguments]
    return subprocess.Popen(
        command, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE, stdin=subprocess.DEVNULL
    )


def traced(pid: int, address: tuple[str, int]) -> dict[str, Any]:
    """The trace of one request for /small, as another program gets it."""
    with trace(pid, "--json", "-", "--unprivileged") as tracer:
        assert tracer.stderr
        assert "attached to" in tracer.stderr.readline()
        with Client(address) as client:
            assert client.get("/small").body == b"small"
        out, _ = tracer.communicate(timeout=PATIENCE_S)
    result: dict[str, Any] = json.loads(out)
    return result


@pytest.mark.parametrize("io", ["multiplexing:epoll", "sigio"])
@pytest.mark.parametrize("serving", MODELS)
def test_a_program_that_serves_is_traced_and_sampled(serving: str, io: str, tmp_path: Path) -> None:
    """In all pairs `test_tracer` traces a server of its own program."""
    with (
        socket.create_server(("127.0.0.1", 0)) as listener,
        program(
            tmp_path,
            SERVES,
            f"fd://{listener.fileno()}",
            *(serving, io),
            fds=(listener.fileno(),),
        ) as server,
    ):
        pid, address = server.process.pid, listener.getsockname()
        with Client(address) as client:
            assert client.get("/small").body == b"small", "it is there"
        seen = traced(pid, address)
        assert seen["request"]["target"] == "/small"
        assert seen["pair"]["engine"] == io.rpartition(":")[2]
        assert seen["pair"]["serving"] == serving
        until(lambda: server.said.count("GET /small 200 in") == 2, "a line for each sample")
        with trace(pid, "--metrics") as metrics:
            out, _ = metrics.communicate(timeout=PATIENCE_S)
        assert 'fivefold_sampled_requests_total{method="GET",status="200"} 2' in out


@pytest.mark.parametrize("serving", MODELS)
def test_a_server_in_a_program_is_traced_by_the_number_of_either(
    serving: str, tmp_path: Path
) -> None:
    """And the program keeps its signals and gets its descriptors back."""
    with program(tmp_path, EMBEDS, serving, "multiplexing", "1") as embedding:
        (address,) = embedding.addresses()
        server = int(embedding.said.split()[-1])
        for pid in (embedding.process.pid, server):
            assert traced(pid, address)["request"]["target"] == "/small"
        assert "own handler" not in embedding.said, "it is no process that serves"
        embedding.process.send_signal(signal.SIGURG)
        until(lambda: "the program's own handler" in embedding.said, "its handler")
        assert embedding.end().endswith("left 0\n")


def test_of_several_servers_one_must_be_named(tmp_path: Path) -> None:
    with program(tmp_path, EMBEDS, "async", "multiplexing", "2") as embedding:
        addresses = embedding.addresses(2)
        numbers = [line.split()[-1] for line in embedding.said.splitlines() if " as " in line]
        with trace(embedding.process.pid) as refused:
            _, err = refused.communicate(timeout=PATIENCE_S)
        assert refused.returncode == 1
        assert err == (
            f"fivefold: process {embedding.process.pid} has several servers,"
            f" name one of them: {', '.join(numbers)}\n"
        )
        for number, address in zip(numbers, addresses, strict=True):
            assert traced(int(number), address)["request"]["target"] == "/small"
        assert embedding.end().endswith("left 0\n")


def test_another_thread_has_a_server_of_its_own_process(tmp_path: Path) -> None:
    with program(tmp_path, THREADS) as embedding:
        (address,) = embedding.addresses()
        assert traced(embedding.process.pid, address)["request"]["target"] == "/small"
        assert embedding.end().startswith("run: only the main thread of a program hears signals")
