"""In a terminal an access line per request is on by default, and comes at once."""

from __future__ import annotations

import os
import pty
import re
import select
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from time import monotonic

import pytest

from fivefold.accesslog.shared import SharedLog
from fivefold.content.application.forwarded import TrustedProxies
from fivefold.serving import MODELS
from support.client import Client
from support.command_line import COMMAND

PATIENCE_S = 60.0

STOP, GO_ON = b"\x13", b"\x11"
"""Ctrl-S and Ctrl-Q, as they are typed."""

LINE = rb'127\.0\.0\.1 - - \[[^]]+\] "GET (/\S+) HTTP/1\.1" 200 4\r\n'


class Terminal:
    """A server with a terminal for its standard output and error, and what that shows."""

    def __init__(self, master: int, process: subprocess.Popen[bytes]) -> None:
        self.master = master
        self.process = process
        self.shown = b""

    def read_until(self, pattern: bytes, times: int = 1) -> list[bytes]:
        give_up_at = monotonic() + PATIENCE_S
        while len(found := re.findall(pattern, self.shown)) < times:
            assert monotonic() < give_up_at, self.shown
            if select.select([self.master], [], [], 0.1)[0]:
                self.shown += os.read(self.master, 65536)
        return found

    def read_rest(self) -> None:
        """Of a server that has ended."""
        with suppress(OSError):  # EIO: no process has the terminal open any more
            while data := os.read(self.master, 65536):
                self.shown += data

    def hang_up(self) -> None:
        if self.master >= 0:
            os.close(self.master)
            self.master = -1

    def address(self) -> tuple[str, int]:
        (port,) = self.read_until(rb"listening on http://127\.0\.0\.1:(\d+)\r\n")
        return "127.0.0.1", int(port)


@contextmanager
def terminal(folder: Path, *arguments: str) -> Iterator[Terminal]:
    (folder / "a").write_text("here")
    (folder / "b").write_text("here")
    master, slave = pty.openpty()
    command = [*COMMAND, "serve", str(folder), "--bind", "127.0.0.1:0", *arguments]
    with subprocess.Popen(command, stdin=slave, stdout=slave, stderr=slave) as process:
        os.close(slave)
        shown = Terminal(master, process)
        try:
            yield shown
            process.terminate()
            assert process.wait(PATIENCE_S) == 0
        finally:
            process.kill()
            shown.hang_up()


@pytest.mark.parametrize("serving", MODELS)
def test_a_terminal_shows_each_request_also_after_it_was_stopped(
    tmp_path: Path, serving: str
) -> None:
    with terminal(tmp_path, "--serving", serving) as shown, Client(shown.address()) as client:
        assert client.get("/a").status == 200
        assert shown.read_until(LINE) == [b"/a"]
        os.write(shown.master, STOP)
        for _ in range(20):
            assert client.get("/b").status == 200
        os.write(shown.master, GO_ON)
        assert shown.read_until(LINE, 21) == [b"/a", *[b"/b"] * 20]


def test_a_terminal_that_is_gone_ends_no_request(tmp_path: Path) -> None:
    with terminal(tmp_path) as shown, Client(shown.address()) as client:
        shown.hang_up()
        assert [client.get("/a").status for _ in range(20)] == [200] * 20


@pytest.mark.parametrize("off", ["--no-access-log", "--access-log=off"])
def test_a_terminal_shows_no_request_that_it_shall_not(tmp_path: Path, off: str) -> None:
    with terminal(tmp_path, off) as shown:
        with Client(shown.address()) as client:
            assert client.get("/a").status == 200
        shown.process.terminate()
        assert shown.process.wait(PATIENCE_S) == 0
        shown.read_rest()
        assert b"GET /a" not in shown.shown


@pytest.mark.parametrize("name", ["--print-config", "--check-config"])
def test_what_a_terminal_adds_is_no_setting(tmp_path: Path, name: str) -> None:
    with terminal(tmp_path, name) as shown:
        assert shown.process.wait(PATIENCE_S) == 0
        shown.read_rest()
        assert b"access_log =" not in shown.shown


def test_a_line_is_handed_over_at_once_where_a_terminal_shows_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(os, "isatty", lambda _: False)
    log = SharedLog("-", "common", TrustedProxies((), ()), "").opened()
    assert log is not None
    assert log.full > 1
    monkeypatch.setattr(os, "isatty", lambda _: True)
    shown = SharedLog("-", "common", TrustedProxies((), ()), "").opened()
    assert shown is not None
    assert shown.full == 1
