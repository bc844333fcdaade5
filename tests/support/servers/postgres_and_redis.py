"""Database servers of the tests' own: Debian's PostgreSQL and Redis.

They run without privileges (PostgreSQL refuses root), keep nothing that must last, listen on
a free port of 127.0.0.1 and in a folder of their own, and end with whoever started them.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import tempfile
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Callable
from pathlib import Path

from fivefold.load.external import free_port
from support.nobody import NOBODY

READY_S = 60.0
"""Until a server answers: it bounds a hang, it measures nothing."""

WITNESS_S = 0.02
"""Between two looks into PostgreSQL's tables."""


def unprivileged() -> list[str]:
    """Before a command: another user where we are root, and an end with us (setpriv(1))."""
    words = ["setpriv", "--pdeathsig", "INT"]
    if os.geteuid() == 0:
        words += [f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups"]
    return words


def wait_until(true: Callable[[], bool], what: str, seconds: float = READY_S) -> None:
    """Asks again and again. Raises TimeoutError."""
    late = time.monotonic() + seconds
    while not true():
        if time.monotonic() > late:
            raise TimeoutError(f"{what}: not within {seconds:g} s")
        time.sleep(0.01)


class OwnServer(ABC):
    """A server as a child of ours, with a folder that belongs to its user."""

    stop_signal = signal.SIGTERM

    def __init__(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="fivefold-"))
        if os.geteuid() == 0:
            os.chown(self.folder, NOBODY, NOBODY)
        self.port = free_port()
        self._process: subprocess.Popen[bytes] | None = None

    @abstractmethod
    def command(self) -> list[str]:
        """What runs the server in the foreground."""

    @abstractmethod
    def answers(self) -> bool:
        """Whether it takes requests by now."""

    def start(self) -> None:
        self.launch()
        self.wait_until_up()

    def launch(self) -> None:
        """From the main thread: the server ends with the thread that started it (prctl(2))."""
        assert threading.current_thread() is threading.main_thread()
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                unprivileged() + self.command(), cwd=self.folder, stdout=log, stderr=log
            )

    def restart(self) -> None:
        self.stop()
        self.start()

    def ensure(self) -> None:
        """Up again, whatever a test that failed has left."""
        if self._process is None:
            self.start()

    def wait_until_up(self) -> None:
        """Raises RuntimeError with its log if it has ended."""
        wait_until(self._is_up, f"{self.command()[0]} is to answer")

    def _is_up(self) -> bool:
        assert self._process is not None
        if self._process.poll() is not None:
            raise RuntimeError((self.folder / "log").read_text())
        return self.answers()

    def stop(self) -> None:
        """Its clients are told, or cut; returns when it has ended."""
        if self._process is not None:
            self._process.send_signal(self.stop_signal)
            try:
                self._process.wait(READY_S)
            finally:
                self._process.kill()
                self._process.wait()
                self._process = None

    def close(self) -> None:
        self.stop()
        shutil.rmtree(self.folder, ignore_errors=True)

    def _run(self, *command: str) -> str:
        done = subprocess.run(
            unprivileged() + list(command), cwd=self.folder, capture_output=True, check=True
        )
        return done.stdout.decode().strip()


class Postgres(OwnServer):
    """PostgreSQL with one database, `postgres`, and one user, `test`, whom it trusts."""

    stop_signal = signal.SIGINT
    """A fast shutdown: sessions are ended, not waited for (pg_ctl(1))."""

    @staticmethod
    def programs() -> Path | None:
        """Where Debian keeps the newest: not on the PATH."""
        found = sorted(Path("/usr/lib/postgresql").glob("*/bin/postgres"), key=_version)
        return found[-1].parent if found else None

    def __init__(self) -> None:
        super().__init__()
        programs = self.programs()
        assert programs is not None
        self._programs = programs
        self._data = self.folder / "data"
        self._run(
            str(programs / "initdb"),
            *("-D", str(self._data), "-U", "test", "-A", "trust"),
            *("--no-sync", "--no-locale", "--encoding=UTF8"),
        )

    @property
    def url(self) -> str:
        return f"postgresql://test@127.0.0.1:{self.port}/postgres"

    def command(self) -> list[str]:
        settings = {
            "listen_addresses": "127.0.0.1",
            "unix_socket_directories": str(self.folder),
            "max_connections": "150",
            "shared_buffers": "16MB",
            "fsync": "off",
            "synchronous_commit": "off",
            "full_page_writes": "off",
            "autovacuum": "off",
        }
        words = [f"--{name}={value}" for name, value in settings.items()]
        return [str(self._programs / "postgres"), "-D", str(self._data), f"-p{self.port}", *words]

    def answers(self) -> bool:
        ready = [str(self._programs / "pg_isready"), "-q", "-h127.0.0.1", f"-p{self.port}"]
        return subprocess.run(ready, check=False).returncode == 0

    def ask(self, statement: str) -> str:
        """What psql prints: a witness that is none of the libraries under test."""
        psql = [str(self._programs / "psql"), "-XAtq", self.url, "-c", statement]
        return subprocess.run(psql, check=True, capture_output=True, text=True).stdout.strip()

    def wait_for(self, condition: str) -> None:
        """Until the condition is true, asked again and again by one psql.

        Raises subprocess.CalledProcessError after `READY_S`.
        """
        self.ask(
            f"""
            DO $$ BEGIN
                FOR attempt IN 1..{READY_S / WITNESS_S:.0f} LOOP
                    PERFORM pg_stat_clear_snapshot();
                    IF ({condition}) THEN RETURN; END IF;
                    PERFORM pg_sleep({WITNESS_S});
                END LOOP;
                RAISE 'never true';
            END $$"""
        )


class Redis(OwnServer):
    """Redis that writes nothing to the disk."""

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}/0"

    def command(self) -> list[str]:
        where = ["--bind", "127.0.0.1", "--port", str(self.port)]
        return ["redis-server", *where, "--save", "", "--appendonly", "no"]

    def answers(self) -> bool:
        return self.ask("PING") == "PONG"

    def ask(self, *words: str) -> str:
        """What redis-cli prints."""
        command = ["redis-cli", "-p", str(self.port), *words]
        done = subprocess.run(command, check=False, capture_output=True, text=True)
        return done.stdout.strip()


def _version(program: Path) -> tuple[int, ...]:
    return tuple(int(part) for part in program.parts[-3].split(".") if part.isdigit())
