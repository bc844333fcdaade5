"""Waiting for a processor and for a disk, from scheduler events that are written out here."""

from __future__ import annotations

from typing import Any

import pytest

from fivefold.tracing.kernel.disk_waits import PAGES, disk_waits, ring_reads
from fivefold.tracing.kernel.off_cpu import RUNNABLE, UNSEEN, off_cpu, run_queue_ns
from fivefold.tracing.model import Observation

ME = 7


def waking(at: int, pid: int = ME) -> Observation:
    return Observation(at, "tracefs", "sched:sched_waking", {"fields": {"pid": pid}})


def leaves(at: int, state: str) -> Observation:
    found = {"prev_pid": ME, "prev_state": state, "next_pid": 0}
    return Observation(at, "tracefs", "sched:sched_switch", {"fields": found})


def gets(at: int) -> Observation:
    found = {"prev_pid": 0, "prev_state": "R", "next_pid": ME}
    return Observation(at, "tracefs", "sched:sched_switch", {"fields": found})


def does(at: int, event: str = "syscalls:sys_exit_epoll_wait") -> Observation:
    return Observation(at, "tracefs", event, {"tid": ME, "fields": {}})


def pages(at: int) -> Observation:
    return Observation(at, "tracefs", PAGES, {"tid": ME, "fields": {}})


def ring_event(at: int, event: str, **fields: Any) -> Observation:
    found = {"ring": "r", "user_data": 1, **fields}
    return Observation(at, "tracefs", f"io_uring:io_uring_{event}", {"tid": ME, "fields": found})


def test_from_waking_to_running() -> None:
    seen = [leaves(10, "S"), waking(50), waking(55), gets(80)]
    assert run_queue_ns(seen, ME, 0, 100) == 30
    assert run_queue_ns(seen, ME, 60, 70) == 10
    assert run_queue_ns(seen, ME + 1, 0, 100) == 0


def test_pushed_aside_and_still_waiting_at_the_end() -> None:
    assert run_queue_ns([leaves(10, "R+"), gets(30), leaves(40, "R")], ME, 0, 100) == 20 + 60


def test_woken_before_it_slept() -> None:
    seen = [waking(9), leaves(10, "S"), gets(30)]
    assert run_queue_ns(seen, ME, 0, 100) == 20


def test_woken_while_running_and_asleep_much_later() -> None:
    seen = [waking(9), leaves(10, "S"), waking(25), gets(30)]
    assert run_queue_ns(seen, ME, 0, 100) == 5


def test_spans_do_not_overlap() -> None:
    seen = [leaves(10, "D"), waking(20), gets(25), leaves(30, "S"), waking(40), gets(41)]
    spans = list(off_cpu(seen, ME, 100))
    assert [(s.why, s.start_ns, s.end_ns) for s in spans] == [
        ("D", 10, 20),
        ("runnable", 20, 25),
        ("S", 30, 40),
        ("runnable", 40, 41),
    ]


def test_what_a_thread_does_ends_a_sleep_whose_end_was_not_seen() -> None:
    """An idle processor is given to a thread without a word of the kernel."""
    seen = [
        *[leaves(10, "S"), waking(20), does(25)],
        *[leaves(30, "S"), does(40)],
        *[leaves(50, "R"), does(60)],
        *[waking(69), leaves(70, "S"), does(80)],
    ]
    found = [(one.why, one.start_ns, one.end_ns) for one in off_cpu(seen, ME, 100)]
    assert found == [
        *[("S", 10, 20), (RUNNABLE, 20, 25)],
        ("S", 30, 40),
        (RUNNABLE, 50, 60),
        (RUNNABLE, 70, 80),
    ]


def test_another_recording_tells_nothing_of_the_microsecond_of_a_switch() -> None:
    seen = [leaves(10_000, "S"), does(10_000, "net:netif_rx"), does(10_400, "send.end")]
    found = [(one.why, one.end_ns) for one in off_cpu([*seen, waking(50_000)], ME, 90_000)]
    assert found == [("S", 50_000), (RUNNABLE, 90_000)]
    (asleep,) = off_cpu([*seen, does(12_000, "net:netif_rx")], ME, 90_000)
    assert asleep.end_ns == 12_000


def test_a_waking_that_ended_no_sleep_is_over_with_its_call() -> None:
    seen = [waking(10), does(12), leaves(20, "S"), does(50)]
    assert [(one.why, one.end_ns) for one in off_cpu(seen, ME, 100)] == [("S", 50)]


def test_in_disk_while_pages_that_it_asked_for_are_filled() -> None:
    assert disk_waits([pages(5), leaves(10, "D"), waking(20), gets(25)], 100) == [(10, 20)]


def test_a_lock_is_no_disk() -> None:
    assert disk_waits([leaves(10, "D"), waking(20), gets(25)], 100) == []


def test_waits_of_two_threads_at_once_are_one() -> None:
    seen = [pages(1), leaves(3, "D"), waking(9), gets(10)]
    ring = [
        ring_event(2, "submit_req", opcode="READ"),
        pages(4),
        ring_event(12, "complete", result=7),
    ]
    assert disk_waits(sorted(seen + ring, key=lambda o: o.at_ns), 100) == [(2, 12)]


def test_a_read_in_a_ring_without_new_pages_is_a_copy() -> None:
    seen = [ring_event(2, "submit_req", opcode="READ"), ring_event(12, "complete", result=7)]
    assert disk_waits(seen, 100) == []
    assert list(ring_reads(seen)) == [(2, 12, 7)]


@pytest.mark.parametrize(
    ("seen", "spans"),
    [
        ([waking(40), gets(60)], [(UNSEEN, 10, 40), (RUNNABLE, 40, 60)]),
        ([gets(60)], [(RUNNABLE, 10, 60)]),
        ([waking(40)], [(UNSEEN, 10, 40), (RUNNABLE, 40, 100)]),
        ([leaves(40, "S"), waking(50), gets(60)], [("S", 40, 50), (RUNNABLE, 50, 60)]),
        ([waking(30), leaves(40, "S"), gets(60)], [(RUNNABLE, 40, 60)]),
        ([waking(40), does(60)], [(UNSEEN, 10, 40), (RUNNABLE, 40, 60)]),
        ([does(60)], [(UNSEEN, 10, 60)]),
        ([does(60, PAGES)], [(UNSEEN, 10, 60)]),
        ([waking(40), does(60, "syscalls:sys_enter_epoll_wait")], []),
        ([does(60, "content.enter")], []),
        ([], []),
    ],
)
def test_what_a_thread_did_before_anything_was_seen_of_it(
    seen: list[Observation], spans: list[tuple[str, int, int]]
) -> None:
    found = [(one.why, one.start_ns, one.end_ns) for one in off_cpu(seen, ME, 100, 10)]
    assert [one for one in found if one[1] < one[2]] == spans
