"""prctl(2): what happens to a process when its parent is gone."""

from __future__ import annotations

import ctypes
import signal

from .libc import checked, libc

PR_SET_PDEATHSIG = 1


def die_with_parent(signal_number: signal.Signals) -> None:
    """Get `signal_number` when the thread that forked this process ends (prctl(2))."""
    checked(libc.prctl(PR_SET_PDEATHSIG, ctypes.c_ulong(signal_number), 0, 0, 0), "prctl")
