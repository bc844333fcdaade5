"""`fivefold serve` in a process of its own, as a user starts it."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from support.process_tree import CONTROL, descendants_of, name_of


class Running:
    """A `fivefold serve` in a process of its own, as a user starts it."""

    def __init__(self, *arguments: str, nofile: int | None = None) -> None:
        command = [sys.executable, "-m", "fivefold", "serve", *arguments, "--bind", "127.0.0.1:0"]
        if nofile is not None:
            command = ["prlimit", f"--nofile={nofile}:{nofile}", *command]
        self.process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
        self.address = ("127.0.0.1", self._port())

    def _port(self) -> int:
        match = re.search(r"listening on https?://127\.0\.0\.1:(\d+)", self.line_with("listening"))
        assert match
        return int(match[1])

    def line_with(self, words: str) -> str:
        """The next line on standard error that has `words`. Fails if the server ends first."""
        assert self.process.stderr is not None
        for line in self.process.stderr:
            if words in line:
                return line
        raise AssertionError(f"ended without saying {words!r}")

    def descendants(self) -> list[int]:
        """All processes below the supervisor that serve, parents before children."""
        return [pid for pid in descendants_of(self.process.pid) if name_of(pid) != CONTROL]

    def stop(self, number: signal.Signals = signal.SIGTERM) -> int:
        self.process.send_signal(number)
        return self.process.wait(timeout=60)


@contextmanager
def running(*arguments: str, nofile: int | None = None) -> Iterator[Running]:
    server = Running(*arguments, nofile=nofile)
    try:
        yield server
    finally:
        if server.process.poll() is None:
            server.process.kill()
        assert server.process.stderr is not None
        server.process.stderr.close()
        server.process.wait()
