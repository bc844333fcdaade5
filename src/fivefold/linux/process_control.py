"""prctl(2) and waitid(2): what happens to a process when its parent is gone."""

from __future__ import annotations

import contextlib
import ctypes
import os
from collections.abc import Collection, Iterator

from .libc import checked, libc

PR_SET_PDEATHSIG = 1
PR_SET_NAME = 15
PR_GET_NAME = 16

NAME_BYTES = 16
"""With the zero at its end."""


def die_with_parent(signal_number: int, parent: int) -> None:
    """Get `signal_number` when the thread that forked this process ends (prctl(2)).

    At once if the process `parent` has ended before: the kernel tells of later ends only.
    """
    checked(libc.prctl(PR_SET_PDEATHSIG, ctypes.c_ulong(signal_number), 0, 0, 0), "prctl")
    if os.getppid() != parent:
        os.kill(os.getpid(), signal_number)


def be_called(name: str) -> None:
    """The calling thread's name, which ps(1) and top(1) show; at most 15 bytes (prctl(2))."""
    checked(libc.prctl(PR_SET_NAME, ctypes.c_char_p(name.encode()), 0, 0, 0), "prctl")


@contextlib.contextmanager
def children_called(name: str) -> Iterator[None]:
    """What the calling thread forks meanwhile is called so from its first moment: a tool that looks
    for a process by its name must not find another one under its parent's."""
    before = ctypes.create_string_buffer(NAME_BYTES)
    checked(libc.prctl(PR_GET_NAME, before, 0, 0, 0), "prctl")
    be_called(name)
    try:
        yield
    finally:
        checked(libc.prctl(PR_SET_NAME, before, 0, 0, 0), "prctl")


def reap_orphans(*, spared: Collection[int]) -> None:
    """Let zombies go that this process has inherited, as PID 1 must (pid_namespaces(7)).

    It ends at the first zombie that is one of `spared`: the code that forked that one waits for it.
    """
    while True:
        try:
            zombie = os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
        except ChildProcessError:
            return
        if zombie is None or zombie.si_pid in spared:
            return
        os.waitpid(zombie.si_pid, 0)
