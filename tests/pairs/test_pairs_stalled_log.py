"""An access log whose reader stalls holds up no client, in every pair, and is bounded."""

from __future__ import annotations

import fcntl
import os
import re
import signal
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path
from time import monotonic

import pytest

from fivefold import Server, Settings
from fivefold.accesslog.writer import KEPT_BYTES
from fivefold.iomodels import ENGINES
from fivefold.serving import MODELS
from support.client import TIMEOUT_S, Client
from support.servers.embedded import address_of
from support.servers.logged import logged

F_SETPIPE_SZ = 1031

PIPE_BYTES = 4096
"""The least that the kernel allows."""

AGENT = "x" * 7000

REQUESTS = 230
"""Their lines are half as much again as what is kept."""


def fifo(path: Path, stack: ExitStack) -> int:
    """A reader that reads nothing yet."""
    os.mkfifo(path)
    end = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    stack.callback(os.close, end)
    fcntl.fcntl(end, F_SETPIPE_SZ, PIPE_BYTES)
    return end


def asked(address: tuple[str, int], requests: int) -> None:
    with Client(address) as client:
        for _ in range(requests):
            assert client.get("/1.bin", User_Agent=AGENT).status == 200


def test_it_holds_up_nobody_and_is_bounded(site: Path, tmp_path: Path) -> None:
    """In all pairs at once: each waits for its last lines when it ends."""
    available = [engine for engine in ENGINES if engine.available() is None]
    with logged(tmp_path / "said"), ExitStack() as readers, ExitStack() as servers:
        names = []
        for serving in MODELS:
            for engine in available:
                name = f"{serving}-{engine.engine}"
                fifo(tmp_path / name, readers)
                values = {"access_log": str(tmp_path / name), "bind": "127.0.0.1:0"}
                pair = {"serving": serving, "io": engine.engine}
                settings = Settings.of({"target": str(site), "grace_s": 90.0, **values, **pair})
                server = servers.enter_context(Server(settings))
                names.append((name, server.pid))
                asked(address_of(server), REQUESTS)
        begun = monotonic()
        for _, pid in names:
            os.kill(pid, signal.SIGTERM)
        servers.close()
        # All of them together; a log that is waited for would take up the time of grace.
        assert monotonic() - begun < 60.0
    said = (tmp_path / "said").read_text()
    for name, _ in names:
        assert len(re.findall(rf"/{name}: the file takes no more data; 1024 KiB", said)) == 1, name
        lost = re.findall(rf"/{name}: (\d+) lines were lost", said)
        # A pipe of one page takes no whole line: all of them are lost when the server ends.
        assert sum(map(int, lost)) == REQUESTS, (name, lost)


@pytest.mark.parametrize("serving", MODELS)
def test_what_is_kept_is_written_when_somebody_reads(
    serving: str, site: Path, tmp_path: Path
) -> None:
    with logged(tmp_path / "said"), ExitStack() as readers:
        end = fifo(tmp_path / "log", readers)
        values = {"access_log": str(tmp_path / "log"), "bind": "127.0.0.1:0", "serving": serving}
        form = {"access_log_format": "{status} {user_agent}"}
        with Server(Settings.of({"target": str(site), **values, **form})) as server:
            asked(address_of(server), REQUESTS)
            os.set_blocking(end, True)
            kept = b""
            line = f"200 {AGENT}\n".encode()
            while len(kept) < KEPT_BYTES - 65536 - len(line):
                kept += os.read(end, 65536)
            with Client(address_of(server)) as client:
                assert client.get("/1.bin", User_Agent="last").status == 200
            while not kept.endswith(b"200 last\n"):
                kept += os.read(end, 65536)
    lines = kept.splitlines(keepends=True)
    assert set(lines[:-1]) == {line}
    assert len(kept) < KEPT_BYTES + 2 * 65536
    dropped = re.findall(
        r"can be written again; (\d+) lines were dropped", (tmp_path / "said").read_text()
    )
    assert sum(map(int, dropped)) == REQUESTS + 1 - len(lines)


FAILING = "def app(environ, start_response):\n    raise RuntimeError('x' * 2000)\n"


@pytest.mark.parametrize("serving", MODELS)
def test_standard_output_that_nobody_reads(serving: str, tmp_path: Path) -> None:
    """With standard error on the same pipe, as `|& less` has it: its lines are dropped as well."""
    (tmp_path / "failing.py").write_text(FAILING)
    words = ["failing:app", "--chdir", str(tmp_path), "--bind", "127.0.0.1:0", "--access-log", "-"]
    running = subprocess.Popen(
        [sys.executable, "-m", "fivefold", "serve", *words, "--serving", serving],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    try:
        assert running.stdout is not None
        fcntl.fcntl(running.stdout, F_SETPIPE_SZ, PIPE_BYTES)
        said = b""
        while not (found := re.search(rb"listening on http://([0-9.]+):(\d+)", said)):
            said += os.read(running.stdout.fileno(), 4096)
        for _ in range(40):
            with Client((found[1].decode(), int(found[2]))) as client:
                assert client.get("/").status == 500
        running.send_signal(signal.SIGTERM)
        running.wait(TIMEOUT_S / 2)
    finally:
        running.kill()
        running.communicate()
