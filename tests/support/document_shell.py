"""The blocks of our documents, and a shell that runs them as a reader would type them."""

from __future__ import annotations

import os
import re
import select
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from support.process_tree import children_of

LIMIT_S = 120.0
"""No command of a document takes longer; what serves or measures is ended by Ctrl-C before."""

UNTIL_CTRL_C = re.compile(rb"serving .*\n|left  |Process \d+ attached")
"""A command that has said this goes on until Ctrl-C, or for longer than a test should wait."""

RUN_WHOLE = re.compile(r"^timeout |--seconds|&$")

WAITS_FOR_REQUESTS = b"waiting for requests"
ASKED = "http://127.0.0.1:8000/media/life.mp4"
"""What a reader asks for meanwhile."""

BY_CTRL_C = {0, 128 + signal.SIGINT, 1}
"""1: nothing could be measured until then, says `compare`."""
BY_TIMEOUT = 124
"""The status of timeout(1) when it has ended the command."""

STATUS = 200
"""The descriptor on which the shell says how a command has ended: one that moves no other."""


class Block(NamedTuple):
    language: str
    lines: list[str]

    def commands(self) -> list[str]:
        if self.language == "console":
            return [line[2:] for line in self.lines if line.startswith("$ ")]
        return [line for line in self.lines if line] if self.language == "sh" else []


def blocks(document: Path) -> Iterator[Block]:
    block: Block | None = None
    for line in document.read_text().splitlines():
        if not line.startswith("```"):
            if block is not None:
                block.lines.append(line)
        elif block is None:
            block = Block(line[3:].strip(), [])
        else:
            yield block
            block = None


class Shell:
    """One bash for a whole document: variables and jobs go on from block to block."""

    def __init__(self, folder: Path, environment: dict[str, str]) -> None:
        self._statuses, write = os.pipe()
        self._said = folder.parent / "said"
        with self._said.open("wb") as said:
            self._bash = subprocess.Popen(
                [*own_network(), "bash", "-c", f"exec {STATUS}>&{write} {write}>&-; exec bash"],
                stdin=subprocess.PIPE,
                stdout=said,
                stderr=subprocess.STDOUT,
                cwd=folder,
                env=environment,
                pass_fds=[write],
                start_new_session=True,
            )
        os.close(write)
        self._type(f"echo 0 >&{STATUS}")
        os.read(self._statuses, 100)  # its network is there: `end_jobs` would end what makes it

    def run(self, command: str, *, silent: bool = False) -> tuple[int, bytes]:
        """What it ended with, and what it and the jobs beside it said; Ctrl-C where it waits.

        `silent`: it serves, and says nothing: Ctrl-C once it answers.
        """
        before = self._said.stat().st_size
        running = self._children()
        self._type(f"{{ {command}\n}} < /dev/null; echo $? >&{STATUS}")
        until = time.monotonic() + LIMIT_S
        interrupted = False
        whole = RUN_WHOLE.search(command) is not None
        while not self._ended():
            assert time.monotonic() < until, f"{command} goes on:\n{self._since(before)!r}"
            waits = self._ask() if silent else UNTIL_CTRL_C.search(self._since(before))
            if waits and not (interrupted or whole):
                interrupted = True
                for pid in self._children() - running:
                    os.kill(pid, signal.SIGINT)
            if WAITS_FOR_REQUESTS in self._since(before):
                self._ask()
        status = int(os.read(self._statuses, 100))
        if command.endswith("&"):
            while not UNTIL_CTRL_C.search(self._since(before)):
                assert time.monotonic() < until, f"{command} says nothing"
                select.select([], [], [], 0.01)
        as_meant = BY_CTRL_C if interrupted else {0}
        if command.startswith("timeout "):
            as_meant = {BY_TIMEOUT}
        return 0 if status in as_meant else status, self._since(before)

    def _ask(self) -> bool:
        """Whether there was an answer."""
        here = ["nsenter", "--net", "--target", str(self._bash.pid)] if not os.geteuid() else []
        curl = [*here, "curl", "-s", "-o", "/dev/null", ASKED]
        return subprocess.run(curl, check=False).returncode == 0

    def end_jobs(self) -> None:
        for pid in self._children():
            os.kill(pid, signal.SIGTERM)
        self._type(f"wait; echo 0 >&{STATUS}")
        os.read(self._statuses, 100)

    def close(self) -> None:
        self.end_jobs()
        self._bash.communicate()
        os.close(self._statuses)

    def _type(self, text: str) -> None:
        assert self._bash.stdin is not None
        self._bash.stdin.write(text.encode() + b"\n")
        self._bash.stdin.flush()

    def _ended(self) -> bool:
        return bool(select.select([self._statuses], [], [], 0.01)[0])

    def _since(self, position: int) -> bytes:
        with self._said.open("rb") as said:
            said.seek(position)
            return said.read()

    def _children(self) -> set[int]:
        return set(children_of(self._bash.pid))


def own_network() -> list[str]:
    """Ports that a document names are free in a network of its own, which root can have."""
    if os.geteuid():
        return []
    return ["unshare", "-n", "sh", "-c", 'ip link set lo up; exec "$@"', "sh"]
