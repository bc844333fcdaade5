"""Signals of descriptors: queued, in order, named, for one thread; and nothing left behind."""

from __future__ import annotations

import os
import resource
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import closing

import pytest

from fivefold.linux.signals import (
    SignalFile,
    arm,
    block,
    disarm,
    owner,
    probe,
    status_flags,
)

NUMBER = signal.SIGRTMIN + 9
"""No engine of ours takes it, nor does glibc."""


@pytest.fixture
def blocked() -> Iterator[set[int]]:
    """This thread keeps the signal pending; none is when the mask goes back."""
    before = block((NUMBER, signal.SIGIO))
    yield before
    while signal.sigtimedwait((NUMBER, signal.SIGIO), 0):
        pass
    signal.pthread_sigmask(signal.SIG_SETMASK, before)


@pytest.fixture
def armed(blocked: set[int]) -> Iterator[list[tuple[socket.socket, socket.socket]]]:
    pairs = [socket.socketpair() for _ in range(5)]
    for ours, _ in pairs:
        arm(ours.fileno(), NUMBER, threading.get_native_id())
    yield pairs
    for ours, theirs in pairs:
        ours.close()
        theirs.close()


Pairs = list[tuple[socket.socket, socket.socket]]


def test_each_names_its_descriptor_in_the_order_of_events(armed: Pairs) -> None:
    with closing(SignalFile((NUMBER,), batch=16)) as queue:
        assert queue.take() == []
        order = [3, 0, 4, 1, 2]
        for index in order:
            armed[index][1].send(b"1")
        assert queue.take() == [armed[index][0].fileno() for index in order]
        assert queue.numbers() == [NUMBER] * 5
        assert queue.take() == []
        assert queue.numbers() == []


def test_what_does_not_fit_into_a_batch_comes_next(armed: Pairs) -> None:
    with closing(SignalFile((NUMBER,), batch=2)) as queue:
        for _, theirs in armed:
            theirs.send(b"1")
        assert [len(queue.take()) for _ in range(4)] == [2, 2, 1, 0]


def test_a_signal_that_concerns_no_descriptor_is_zero(armed: Pairs) -> None:
    with closing(SignalFile((NUMBER,), batch=4)) as queue:
        signal.pthread_kill(threading.get_ident(), NUMBER)
        assert queue.take() == [0]


def test_disarmed_it_sends_no_more(armed: Pairs) -> None:
    ours, theirs = armed[0]
    flags = status_flags(ours.fileno())
    with closing(SignalFile((NUMBER,), batch=4)) as queue:
        disarm(ours.fileno())
        theirs.send(b"1")
        assert queue.take() == []
    assert flags & os.O_NONBLOCK  # which `arm` sets unless it is asked not to
    assert not flags & os.O_ASYNC


def test_they_go_to_the_thread_that_was_named(armed: Pairs) -> None:
    found: list[list[int]] = []
    ours, theirs = armed[0]

    def other() -> None:
        block((NUMBER,))
        arm(ours.fileno(), NUMBER, threading.get_native_id())
        assert owner(ours.fileno()) == threading.get_native_id()
        with closing(SignalFile((NUMBER,), batch=4)) as queue:
            theirs.send(b"1")
            found.append(queue.take())

    with closing(SignalFile((NUMBER,), batch=4)) as queue:
        thread = threading.Thread(target=other)
        thread.start()
        thread.join()
        assert queue.take() == []
    assert found == [[ours.fileno()]]


def test_block_says_what_was_blocked_before(blocked: set[int]) -> None:
    assert NUMBER not in blocked
    assert block((NUMBER,)) >= {NUMBER, signal.SIGIO}


def test_the_probe_leaves_mask_and_queue_as_they_were() -> None:
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, ())
    descriptors = os.listdir("/proc/self/fd")
    assert probe(NUMBER) is None
    assert signal.pthread_sigmask(signal.SIG_BLOCK, ()) == mask
    assert signal.sigpending() & {NUMBER, signal.SIGIO} == set()
    assert os.listdir("/proc/self/fd") == descriptors


def test_what_is_not_armed_has_no_owner_and_what_is_closed_none_either() -> None:
    ours, theirs = socket.socketpair()
    with theirs:
        with ours:
            assert owner(ours.fileno()) == 0
            fd = ours.fileno()
        for use in (owner, status_flags, disarm, lambda fd: arm(fd, NUMBER, 1)):
            with pytest.raises(OSError, match="Bad file descriptor"):
                use(fd)


def test_a_copy_of_the_descriptor_has_the_same_owner(armed: Pairs) -> None:
    """They belong to the open file description, so to whoever shares it."""
    ours = armed[0][0]
    copy = os.dup(ours.fileno())
    try:
        assert owner(copy) == threading.get_native_id()
        disarm(copy)
        assert not status_flags(ours.fileno()) & os.O_ASYNC
    finally:
        os.close(copy)


def test_no_queue_of_signals_without_a_descriptor() -> None:
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (3, before[1]))
    try:
        with pytest.raises(OSError, match="signalfd: Too many open files"):
            SignalFile((NUMBER,), batch=1)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)


def test_a_queue_is_closed_once_and_not_inherited() -> None:
    queue = SignalFile((NUMBER,), batch=1)
    assert not os.get_inheritable(queue.fd)
    assert not os.get_blocking(queue.fd)
    queue.close()
    with pytest.raises(OSError, match="Bad file descriptor"):
        queue.close()


PROBES = """
import resource, signal
from fivefold.linux.signals import probe
signal.pthread_sigmask(signal.SIG_SETMASK, ())  # that of the test is inherited
resource.setrlimit(resource.RLIMIT_SIGPENDING, (0, 0))
print(probe(signal.SIGRTMIN + 9))
print(signal.pthread_sigmask(signal.SIG_BLOCK, ()) or "nothing is blocked")
"""


def test_a_process_that_may_queue_no_signal_says_so() -> None:
    """Then the kernel sends SIGIO instead, which is not left to whoever comes later."""
    said = subprocess.run([sys.executable, "-c", PROBES], capture_output=True, check=True)
    assert said.stdout.decode().splitlines() == [
        "no signal arrives (is RLIMIT_SIGPENDING used up?)",
        "nothing is blocked",
    ]
