"""A server whose workers are stopped for a while: the kernel alone has what clients send."""

from __future__ import annotations

import os
import signal
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from time import monotonic

from fivefold.linux.timestamping import stamp_arrivals, waited_s
from support.client import TIMEOUT_S
from support.process_tree import descendants_of, states_of, workers_of

HELD_S = 0.02

SLEW = 0.99
"""The kernel's stamps are on a clock that may be slewed, the test's are not."""


@contextmanager
def stamping_kernel() -> Iterator[None]:
    """It begins to stamp a moment after the first socket of the machine has asked for it."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        stamp_arrivals(listener)
        give_up_at = monotonic() + TIMEOUT_S
        while True:
            with socket.create_connection(listener.getsockname()) as client:
                client.sendall(b"x")
                accepted, _ = listener.accept()
                with accepted:
                    if waited_s(accepted) is not None:
                        break
            assert monotonic() < give_up_at, "the kernel gives no stamps"
        yield


@contextmanager
def held_back(supervisor: int) -> Iterator[None]:
    """Meanwhile no worker runs."""
    held = list(workers_of(supervisor))
    assert held
    try:
        for pid in held:
            os.kill(pid, signal.SIGSTOP)
        until_stopped(held)
        # A forker that is stopped forks no more; those that accept are below it.
        held += [below for pid in held for below in descendants_of(pid)]
        for pid in held:
            os.kill(pid, signal.SIGSTOP)
        until_stopped(held)
        yield
    finally:
        for pid in held:
            os.kill(pid, signal.SIGCONT)


def until_stopped(held: list[int]) -> None:
    give_up_at = monotonic() + TIMEOUT_S
    while not all(map(is_stopped, held)):
        assert monotonic() < give_up_at, "a process goes on"


def is_stopped(pid: int) -> bool:
    """With all its threads."""
    return states_of(pid) == {"T"}


def hold_since(begun: float) -> float:
    """Let time pass; how much has, in seconds."""
    while (left := begun + HELD_S - monotonic()) > 0:
        threading.Event().wait(left)
    return monotonic() - begun
