"""prctl(2) and waitid(2): what happens to a process when its parent is gone, and its names."""

from __future__ import annotations

import contextlib
import ctypes
import functools
import os
from collections.abc import Collection, Iterator
from pathlib import Path

from .libc import checked, libc

PR_SET_PDEATHSIG = 1
PR_GET_PDEATHSIG = 2
PR_GET_DUMPABLE = 3
PR_SET_DUMPABLE = 4
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


@contextlib.contextmanager
def keep_ties() -> Iterator[None]:
    """A change of the user takes the signal of `die_with_parent` away, and the right of other
    processes of the new user to look at this one (prctl(2)); afterwards both are as before."""
    number, parent = ctypes.c_int(), os.getppid()
    checked(libc.prctl(PR_GET_PDEATHSIG, ctypes.byref(number), 0, 0, 0), "prctl")
    dumpable = libc.prctl(PR_GET_DUMPABLE, 0, 0, 0, 0)
    yield
    checked(libc.prctl(PR_SET_DUMPABLE, ctypes.c_ulong(dumpable), 0, 0, 0), "prctl")
    if number.value:
        die_with_parent(number.value, parent)


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


def show_command_line(text: str) -> None:
    """What ps(1) shows as the command line of this process: `text` in place of the words that it
    was started with, as far as their room goes. Raises `OSError` (no /proc).

    What it is forked from and what it forks have copies of their own.  The environment behind the
    words stays; the zero at their end must, or the kernel would take it for a part of them
    (proc(5), /proc/PID/cmdline; fs/proc/base.c).
    """
    start, room = argument_area()
    ctypes.memmove(start, text.encode()[: room - 1].ljust(room, b"\0"), room)


@functools.cache  # what is forked has it in the same place
def argument_area() -> tuple[int, int]:
    """Where the words are that this program was started with, and how many bytes: arg_start and
    arg_end, fields 48 and 49 of /proc/self/stat; 3 counts as the first behind the name."""
    fields = Path("/proc/self/stat").read_bytes().rpartition(b")")[2].split()
    start, end = int(fields[48 - 3]), int(fields[49 - 3])
    return start, end - start


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
