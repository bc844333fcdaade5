"""How much time a process has for its end: by its settings, and as an orphan."""

from __future__ import annotations

import math
import os
from time import monotonic

import pytest

from fivefold.processes.forking import reap
from fivefold.processes.grace import ORPHANED_S, Grace
from fivefold.processes.stack import STACK_S

LONG_S = 1000.0


def orphaned(grace: Grace, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "getppid", lambda: 1)
    grace.begin()


def of_this_process() -> Grace:
    return Grace(LONG_S, LONG_S, supervisor=os.getppid())


def test_an_orphan_is_gone_within_two_seconds() -> None:
    assert 0 < ORPHANED_S.last_call < ORPHANED_S.cut < ORPHANED_S.end
    assert ORPHANED_S.end + STACK_S < 2, "what hangs is shown, and killed"


def test_one_that_is_asked_to_end_has_what_was_set() -> None:
    grace = of_this_process()
    begun = monotonic()
    grace.begin()
    assert begun + LONG_S <= grace.until() <= monotonic() + LONG_S
    assert grace.end() == grace.until() + LONG_S
    assert grace.last_call_s == math.inf


@pytest.mark.parametrize("asked_before", [False, True])
def test_an_orphan_has_less(monkeypatch: pytest.MonkeyPatch, *, asked_before: bool) -> None:
    grace = of_this_process()
    if asked_before:
        grace.begin()
    orphaned(grace, monkeypatch)
    now = monotonic()
    assert grace.is_orphaned
    assert grace.until() <= now + ORPHANED_S.cut
    assert grace.until() < grace.end() <= now + ORPHANED_S.end
    assert grace.last_call_s == ORPHANED_S.last_call
    until = grace.until()
    grace.begin()
    assert grace.until() == until, "from the moment at which it was seen first"


def test_less_time_than_that_is_not_prolonged(monkeypatch: pytest.MonkeyPatch) -> None:
    grace = Grace(0.0, LONG_S, supervisor=os.getppid())
    orphaned(grace, monkeypatch)
    assert grace.until() <= monotonic()


def test_a_process_that_may_outlive_who_has_started_it_does(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    grace = Grace(LONG_S)
    orphaned(grace, monkeypatch)
    assert not grace.is_orphaned


def test_a_fork_is_no_child_of_the_supervisor_and_knows_what_the_first_process_has_seen(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    grace = of_this_process()
    heard, say = os.pipe()
    pid = os.fork()
    if pid == 0:
        grace.begin()
        os.write(say, b"o" if grace.is_orphaned else b"f")
        os._exit(0)
    assert os.read(heard, 1) == b"f"
    reap(pid, wait=True)
    pid = os.fork()
    if pid == 0:
        os.read(heard, 1)
        os._exit(not grace.is_orphaned)
    orphaned(grace, monkeypatch)
    os.write(say, b"x")
    assert reap(pid, wait=True) == 0
    os.close(heard)
    os.close(say)


def test_what_is_forked_counts_from_the_moment_at_which_the_first_process_was_asked() -> None:
    """It may hear of it late."""
    grace = of_this_process()
    gate, opens = os.pipe()
    heard, say = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.read(gate, 1)
        grace.begin()
        os.write(say, repr(grace.until()).encode())
        os._exit(0)
    grace.begin()
    os.write(opens, b"x")
    assert float(os.read(heard, 100)) == grace.until()
    assert reap(pid, wait=True) == 0
    for fd in (gate, opens, heard, say):
        os.close(fd)
