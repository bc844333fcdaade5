"""Ctrl-C while a trace waits: one line says for what, and nothing is left."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from fivefold.linux.tracepoints import tracefs

SAYING = """
import sys
def app(environ, start_response):
    print("asked", file=sys.stderr, flush=True)
    start_response("200 OK", [("Content-Length", "0")])
    return []
"""


def test_ctrl_c_says_what_was_waited_for_and_leaves_nothing(tmp_path: Path) -> None:
    (tmp_path / "saying.py").write_text(SAYING)
    command = [sys.executable, "-m", "fivefold", "trace", "saying:app", "/", "--warm-up", "1"]
    with subprocess.Popen(
        [*command, "--client-sends-late", "60s"],
        cwd=tmp_path,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as process:
        assert process.stderr is not None
        assert process.stderr.readline() == "asked\n"
        os.killpg(process.pid, signal.SIGINT)  # as a terminal does: the whole group
        (said,) = process.stderr.read().splitlines()
    assert process.returncode == 128 + signal.SIGINT
    assert said.startswith("fivefold: ended by Ctrl-C, while it waited for the answer to GET /")
    with pytest.raises(ProcessLookupError):
        os.killpg(process.pid, 0)
    root = tracefs.root()
    assert root is None or not list(root.glob(f"instances/fivefold-{process.pid}-*"))
