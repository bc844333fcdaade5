"""Signals that ask for an end, before a supervisor hears them and when it has ended its work."""

from __future__ import annotations

import signal
import subprocess
import sys

import pytest

ASKED_TOO_EARLY_AND_TOO_LATE = """
import os, signal, sys
from fivefold.processes.process_signals import ProcessSignals, ending_once

number = int(sys.argv[1])
with ending_once():
    os.kill(os.getpid(), number)
    with ProcessSignals((signal.SIGTERM, signal.SIGINT)) as signals:
        print("heard", [int(one) for one in signals.received()], flush=True)
    os.kill(os.getpid(), number)
print("lives", flush=True)
os.kill(os.getpid(), number)
"""


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_what_comes_early_is_heard_and_what_comes_late_ends_nothing(number: signal.Signals) -> None:
    """An init system asks again while the supervisor puts its control process away."""
    command = [sys.executable, "-c", ASKED_TOO_EARLY_AND_TOO_LATE, str(int(number))]
    ran = subprocess.run(command, capture_output=True, check=False)
    assert ran.stdout.decode().splitlines() == [f"heard [{int(number)}]", "lives"]
    assert ran.returncode == -number, "afterwards it has its usual meaning"
