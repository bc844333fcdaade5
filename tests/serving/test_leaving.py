"""The end of a worker's processes, by a clock of ours and without processes."""

from __future__ import annotations

import signal

import pytest

from fivefold.processes import stack
from fivefold.processes.grace import Grace
from fivefold.processes.stopping import LEAVE
from fivefold.serving.open_connections import CUT_S
from fivefold.serving.process import leaving
from fivefold.serving.process.leaving import HAS_CUT, KILLED_AGAIN_S, SPREAD_S, Leaving

ACCEPTOR, CHILDREN = 1, (11, 12, 13, 14)
GRACE_S, SHUTDOWN_S = 30.0, 10.0


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, int]]:
    """Signals, by process."""
    found: list[tuple[int, int]] = []
    monkeypatch.setattr(leaving, "send", lambda pid, number: found.append((pid, number)))
    return found


def begun(now: float, monkeypatch: pytest.MonkeyPatch) -> Leaving:
    monkeypatch.setattr(leaving, "monotonic", lambda: now)
    grace = Grace(GRACE_S, SHUTDOWN_S)
    monkeypatch.setattr(grace, "until", lambda: now + GRACE_S)
    monkeypatch.setattr(grace, "end", lambda: now + GRACE_S + SHUTDOWN_S)
    end = Leaving()
    end.begin(grace, ACCEPTOR, CHILDREN)
    return end


def test_children_are_asked_one_after_the_other(
    sent: list[tuple[int, int]], monkeypatch: pytest.MonkeyPatch
) -> None:
    end = begun(100.0, monkeypatch)
    assert sent == [(ACCEPTOR, LEAVE)]
    left, asked = set(CHILDREN), []
    for _ in CHILDREN:
        sent.clear()
        assert end.due < 100.0 + SPREAD_S
        end.go_on(end.due, ACCEPTOR, left)
        asked += sent
    assert sorted(asked) == [(pid, LEAVE) for pid in CHILDREN]
    assert end.due == 100.0 + GRACE_S


def test_one_that_has_ended_is_not_asked(
    sent: list[tuple[int, int]], monkeypatch: pytest.MonkeyPatch
) -> None:
    end = begun(100.0, monkeypatch)
    sent.clear()
    end.go_on(100.0 + SPREAD_S, ACCEPTOR, {12})  # the number may be another process's by now
    assert sent == [(12, LEAVE)]


def test_one_that_has_cut_by_the_clock_had_its_time(
    sent: list[tuple[int, int]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """It heard late that it shall end, and was not asked again."""
    end = begun(100.0, monkeypatch)
    assert not end.has_cut(HAS_CUT << 8)
    monkeypatch.setattr(leaving, "monotonic", lambda: 100.0 + GRACE_S)
    assert end.has_cut(HAS_CUT << 8)
    assert sent == [(ACCEPTOR, LEAVE)]


def test_what_is_left_is_cut_shown_and_killed_until_it_is_gone(
    sent: list[tuple[int, int]], monkeypatch: pytest.MonkeyPatch
) -> None:
    end = begun(100.0, monkeypatch)
    end.go_on(100.0 + SPREAD_S, None, CHILDREN)
    cut = HAS_CUT << 8  # as waitpid(2) tells it
    assert not end.has_cut(cut)
    steps = [
        (100.0 + GRACE_S, LEAVE),
        (100.0 + GRACE_S + SHUTDOWN_S + CUT_S, stack.STACK),
        (100.0 + stack.STACK_S, signal.SIGKILL),  # the clock of ours stands still
        (100.0 + KILLED_AGAIN_S, signal.SIGKILL),
    ]
    for due, number in steps:
        sent.clear()
        assert end.due == due
        end.go_on(due, None, {12})
        assert sent == [(12, number)]
        assert end.has_cut(cut)
    assert end.has_cut(signal.SIGKILL)
