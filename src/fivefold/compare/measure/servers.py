"""Starting, pausing and ending servers, so that nothing of them is left behind.

Each has a temporary folder, a free port of 127.0.0.1 and a session of its own: Ctrl-C
reaches us alone, and a server is ended with all its descendants, by process id.  It dies
with us, too.  Only the one that is measured runs; the others are stopped (SIGSTOP), since
an idle server is not always an idle process.
"""

from __future__ import annotations

import contextlib
import os
import re
import resource
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Protocol

from ...errors import CompareFailed
from ...isolation.scratch_folder import scratch_folder
from ...linux.accounting import entries, tree
from ...linux.process_control import die_with_parent
from ...load.external import free_port
from ..plan.contenders import Contender
from ..plan.elsewhere import Elsewhere
from ..plan.peers import with_words
from .cores import Cores, pin

START_S = 20.0
STOP_S = 5.0
POLL_S = 0.02

STOPS = (signal.SIGINT, signal.SIGTERM)

ANNOUNCED = re.compile(r"listening on https?://127\.0\.0\.1:(\d+)")


class DidNotStart(CompareFailed):
    """The server ended, or did not listen in time; the message has its last words."""


class Up(Protocol):
    """A server that can be loaded."""

    @property
    def pid(self) -> int | None: ...
    @property
    def address(self) -> tuple[str, int]: ...
    def wait(self) -> None: ...
    def check(self) -> None: ...
    def pause(self) -> None: ...
    def resume(self) -> None: ...
    def ask_to_end(self) -> None: ...
    def kill(self) -> None: ...
    def last_words(self) -> str: ...


class Running:
    """A server that was started; `wait` until it accepts connections."""

    def __init__(self, contender: Contender, folder: Path, words: dict[str, str]) -> None:
        self.contender = contender
        self.port = int(words["port"])
        self._log = folder / "stderr"
        if contender.configuration is not None:
            (folder / "server.conf").write_text(with_words(contender.configuration, words))
        with self._log.open("wb") as log:
            self.process = subprocess.Popen(  # noqa: S603 - the user's choice of servers
                [word.format(**words) for word in contender.command],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                preexec_fn=partial(leave_nothing, os.getpid()),  # noqa: PLW1509 - one thread
            )

    @property
    def pid(self) -> int:
        return self.process.pid

    @property
    def address(self) -> tuple[str, int]:
        return ("127.0.0.1", self.port)

    def wait(self) -> None:
        """Until it listens. Raises `DidNotStart`."""
        deadline = time.monotonic() + START_S
        while time.monotonic() < deadline and self.process.poll() is None:
            if self._listens():
                return
            time.sleep(POLL_S)
        status = self.process.poll()
        why = "it did not listen in time" if status is None else f"it ended with status {status}"
        raise DidNotStart(f"{why}: {self.last_words()}")

    def _listens(self) -> bool:
        if self.contender.announces:
            found = ANNOUNCED.search(self._log.read_text(errors="replace"))
            self.port = int(found[1]) if found else self.port
            return found is not None
        try:
            socket.create_connection(self.address, timeout=1).close()
        except OSError:
            return False
        return True

    def last_words(self, most: int = 2) -> str:
        lines = self._log.read_text(errors="replace").strip().splitlines()
        return " / ".join(lines[-most:]) or "it printed nothing"

    def check(self) -> None:
        """Raises `DidNotStart` if it has ended meanwhile."""
        if self.process.poll() is not None:
            status = self.process.returncode
            raise DidNotStart(f"it ended by itself, with status {status}: {self.last_words()}")

    def pause(self) -> None:
        self._signal(signal.SIGSTOP)

    def resume(self) -> None:
        self._signal(signal.SIGCONT)

    def _signal(self, number: signal.Signals) -> None:
        for entry in tree(self.pid):
            with contextlib.suppress(ProcessLookupError):
                os.kill(entry.pid, number)

    def ask_to_end(self) -> None:
        self.resume()
        self.process.terminate()

    def kill(self) -> None:
        """At once, with all descendants; what it was doing is nobody's any more."""
        self._signal(signal.SIGKILL)
        self.process.wait()

    def end(self) -> None:
        """Ask, wait, then insist; and leave no descendant behind."""
        members = tree(self.pid)
        self.ask_to_end()
        try:
            self.process.wait(STOP_S)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        still = {(entry.pid, entry.born) for entry in entries()}
        for member in members:
            if (member.pid, member.born) in still:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(member.pid, signal.SIGKILL)


@contextlib.contextmanager
def stops_held_back() -> Iterator[None]:
    """Ctrl-C and SIGTERM come when the block is over: between the fork of a server and its name
    there would be no process to end it.

    A blocked signal would not do: the kernel gives it to another thread that does not block it,
    and Python runs its handler in this one.  Handlers are run, and can be set, by the main thread
    alone, so in others there is nothing to hold back.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    came: list[int] = []
    before = {number: signal.getsignal(number) for number in STOPS}
    held = {n: handler for n, handler in before.items() if handler not in (None, signal.SIG_IGN)}
    for number in held:
        signal.signal(number, lambda number, _: came.append(number))
    try:
        yield
    finally:
        for number, handler in held.items():
            signal.signal(number, handler)
        for late in came:
            signal.raise_signal(late)


def leave_nothing(parent: int) -> None:
    """In the server, before it is one: it ends with us, and a crash writes no core file."""
    die_with_parent(signal.SIGKILL, parent)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


@contextlib.contextmanager
def launched(contender: Contender) -> Iterator[Up]:
    """The server, started and perhaps not yet listening, until the block ends."""
    if contender.address is not None:
        yield Elsewhere(contender)
        return
    with scratch_folder("compare") as folder:
        folder.chmod(0o755)  # workers of other servers may run under another account
        port = "0" if contender.announces else str(free_port())
        words = {"port": port, "folder": str(folder), "config": f"{folder}/server.conf"}
        with contextlib.ExitStack() as ends:
            with stops_held_back():
                try:
                    running = Running(contender, folder, words)
                except OSError as error:
                    raise DidNotStart(f"it cannot be started: {error}") from None
                ends.callback(running.end)
            yield running


@contextlib.contextmanager
def started(contender: Contender, cores: Cores) -> Iterator[Up]:
    """The server, listening, on its cores. Raises `DidNotStart`."""
    with launched(contender) as running:
        running.wait()
        if running.pid is not None:
            pin(running.pid, cores.server)
        yield running
