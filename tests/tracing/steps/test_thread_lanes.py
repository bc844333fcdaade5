"""Lanes of threads, from events that are written out here."""

from __future__ import annotations

from typing import Any

from fivefold.tracing.model import Lane, Observation
from fivefold.tracing.steps.thread_lanes import RUNS, ThreadLanes, ThreadsSpan

ACCEPTOR, SERVER = 3, 4


def seen(at_us: int, event: str, tid: int, **fields: Any) -> Observation:
    detail = {"tid": tid, "pid": tid, "fields": fields}
    return Observation(at_us * 1000, "tracefs", event, detail)


def test_a_thread_on_an_idle_processor_runs_from_its_first_call_on() -> None:
    """The kernel tells neither of its switch nor, in an interrupt there, of its waking."""
    events = [
        seen(20, "syscalls:sys_exit_accept4", ACCEPTOR, ret=9),
        seen(25, "sched:sched_waking", ACCEPTOR, pid=SERVER),
        seen(30, "syscalls:sys_exit_epoll_wait", SERVER, ret=1),
    ]
    serving = Lane("serves the connection", SERVER, SERVER, ())
    span = ThreadsSpan(connecting_ns=10_000, end_ns=50_000, zero_ns=40_000)
    lanes = ThreadLanes(serving, events, [ACCEPTOR, SERVER], span)
    (acceptor,) = lanes.others()
    found = [(one.label, one.start_us, one.duration_us) for one in acceptor.segments]
    assert found == [("asleep in accept4", -30, 10), (RUNS, -20, 30)]
    found = [(one.label, one.start_us, one.duration_us) for one in lanes.completed().segments]
    assert found == [
        ("asleep in epoll_wait", -30, 15),
        ("wants a processor", -15, 5),
        (RUNS, -10, 10),
    ]
