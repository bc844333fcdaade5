"""A server as an operator has it: its log is a file, its application lies in a folder that is
moved about, its processes are killed."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from support.client import Answer, Client
from support.process_tree import APART, children_of, is_alive, name_of

SOAK = bool(os.environ.get("FIVEFOLD_SOAK"))
"""Whether the long versions run: `make soak`."""

PATIENCE_S = 60.0
"""What has not happened by then never will; it bounds a hang, it measures nothing."""

CRASHES = """
import ctypes, json, os, re, signal, threading, time

def app(environ, start_response):
    path = environ["PATH_INFO"]
    if path == "/exit3":
        os._exit(3)
    if path == "/exit1":
        os._exit(1)
    if path == "/exit0":
        os._exit(0)
    if path == "/abort":
        os.abort()
    if path == "/segv":
        os.kill(os.getpid(), signal.SIGSEGV)
        time.sleep(10)
    if path in ("/regex", "/mutex"):
        os.write(2, b"holds the GIL\\n")
        holds_the_gil() if path == "/regex" else holds_the_gil_asleep()
    if path == "/fork":
        child = os.fork()
        if not child:
            time.sleep(600)
            os._exit(0)
        start_response("200 OK", [])
        return [str(child).encode()]
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [str(os.getpid()).encode()]

async def asgi(scope, receive, send):
    if scope["type"] != "http":
        raise NotImplementedError
    body = app({"PATH_INFO": scope["path"]}, lambda *_: None)
    await send({"type": "http.response.start", "status": 200,
                "headers": [(b"content-length", b"%d" % len(body[0]))]})
    await send({"type": "http.response.body", "body": body[0]})

def holds_the_gil():
    re.match(r"(a+)+$", "a" * 60 + "b")

def holds_the_gil_asleep():
    lock, mutex = ctypes.PyDLL(None).pthread_mutex_lock, ctypes.create_string_buffer(64)
    for _ in range(2):
        lock(mutex)
"""
"""`/mutex` is for what takes long: it takes no processor time from other tests, and no signal
interrupts it (pthread_mutex_lock(3)), as none does a regular expression."""


def until(condition: Callable[[], object], what: str) -> None:
    """Waits for a condition that no event tells of."""
    give_up_at = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < give_up_at, f"never: {what}"
        time.sleep(0.01)


class Deployed:
    """`fivefold serve` in a folder of its own, at `bind` if the arguments name no address."""

    def __init__(
        self, folder: Path, *arguments: str, fds: tuple[int, ...] = (), bind: str = "127.0.0.1:0"
    ) -> None:
        self.folder = folder
        self._log = folder / "server.log"
        with self._log.open("wb") as log:
            command = [sys.executable, "-m", "fivefold", "serve", *arguments]
            if "--bind" not in arguments and bind:
                command += ["--bind", bind]
            self.process = subprocess.Popen(
                command, cwd=folder, stderr=log, stdout=log, pass_fds=fds
            )

    @property
    def log(self) -> str:
        return self._log.read_text(errors="replace")

    @property
    def address(self) -> tuple[str, int]:
        self.said("listening on")
        match = re.search(r"listening on https?://127\.0\.0\.1:(\d+)", self.log)
        assert match
        return "127.0.0.1", int(match[1])

    def said(self, words: str, times: int = 1) -> None:
        until(lambda: self.log.count(words) >= times or self.ended, f"{words!r} in the log")
        assert self.log.count(words) >= times, self.log

    @property
    def ended(self) -> bool:
        return self.process.poll() is not None

    def workers(self) -> list[int]:
        found = [pid for pid in children_of(self.process.pid) if name_of(pid) not in APART]
        return [pid for pid in found if is_alive(pid)]  # a zombie waits for its parent

    def descendants(self) -> list[int]:
        """The workers, and whoever is below them."""
        found = self.workers()
        for pid in found:
            found += children_of(pid)
        return found

    def get(self, path: str) -> bytes | None:
        """The body; None if the connection was refused, or broken before an answer."""
        answer = self._ask(path)
        assert answer is None or answer.status == 200
        return answer.body if answer else None

    def status(self, path: str) -> int | None:
        answer = self._ask(path)
        return answer.status if answer else None

    def _ask(self, path: str) -> Answer | None:
        try:
            with Client(self.address) as client:
                return client.get(path)
        except (OSError, EOFError):
            return None

    def answers(self, path: str = "/") -> None:
        """Waits until it does."""
        until(lambda: self.get(path) is not None, f"an answer for {path}")

    def signal(self, number: signal.Signals) -> None:
        self.process.send_signal(number)

    def stop(self) -> int:
        self.signal(signal.SIGTERM)
        return self.process.wait(PATIENCE_S)


@contextmanager
def deployed(
    folder: Path, *arguments: str, fds: tuple[int, ...] = (), bind: str = "127.0.0.1:0"
) -> Iterator[Deployed]:
    """`bind`: "" if the configuration names the addresses."""
    server = Deployed(folder, *arguments, fds=fds, bind=bind)
    try:
        yield server
    finally:
        if not server.ended:
            server.process.kill()
        server.process.wait()


def asked_at(path: Path, target: str) -> bytes:
    """The status; waits for a server at this UNIX socket to be there."""
    with socket.socket(socket.AF_UNIX) as sock:
        sock.settimeout(PATIENCE_S)
        until(lambda: sock.connect_ex(os.fspath(path)) == 0, "a server at the socket")
        sock.sendall(f"GET {target} HTTP/1.1\r\nHost: shop\r\n\r\n".encode())
        return sock.recv(65536)[9:12]


def port_is_free(address: tuple[str, int]) -> bool:
    """Whether another server could listen there."""
    with socket.socket() as sock:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            sock.bind(address)
            sock.listen()
        except OSError:
            return False
    return True
