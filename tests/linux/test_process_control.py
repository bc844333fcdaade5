"""Names of processes, as /proc shows them."""

from __future__ import annotations

import os
import signal
from pathlib import Path

from fivefold.linux.process_control import children_called

COMM = Path("/proc/thread-self/comm")


def test_what_is_forked_meanwhile_has_its_name_at_once() -> None:
    before = COMM.read_text()
    with children_called("fivefold-named"):
        pid = os.fork()
        if pid == 0:
            signal.pause()
    try:
        assert Path(f"/proc/{pid}/comm").read_text() == "fivefold-named\n"
        assert COMM.read_text() == before
    finally:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
