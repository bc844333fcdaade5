"""Waiting for a processor and for a disk, from scheduler events that are written out here."""

from __future__ import annotations

from fivefold.tracing.model import Observation
from fivefold.tracing.off_cpu import blocked_in_disk_ns, off_cpu, run_queue_ns

ME = 7


def waking(at: int, pid: int = ME) -> Observation:
    return Observation(at, "tracefs", "sched:sched_waking", {"fields": {"pid": pid}})


def leaves(at: int, state: str) -> Observation:
    found = {"prev_pid": ME, "prev_state": state, "next_pid": 0}
    return Observation(at, "tracefs", "sched:sched_switch", {"fields": found})


def gets(at: int) -> Observation:
    found = {"prev_pid": 0, "prev_state": "R", "next_pid": ME}
    return Observation(at, "tracefs", "sched:sched_switch", {"fields": found})


def block(at: int, event: str, sector: int = 8, sectors: int = 8) -> Observation:
    found = {"major": 1, "minor": 0, "sector": sector, "sectors": sectors}
    return Observation(at, "tracefs", f"block:{event}", {"fields": found})


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


def test_in_disk_while_a_disk_worked_for_us() -> None:
    disk = [block(5, "block_bio_queue"), leaves(10, "D"), block(18, "block_rq_complete")]
    assert blocked_in_disk_ns([*disk, waking(20), gets(25)], ME, 0, 100) == 10
    assert blocked_in_disk_ns([*disk, waking(20), gets(25)], ME, 15, 100) == 5


def test_a_lock_is_no_disk() -> None:
    lock = [leaves(10, "D"), waking(20), gets(25)]
    assert blocked_in_disk_ns(lock, ME, 0, 100) == 0
    earlier = [block(1, "block_bio_queue"), block(5, "block_rq_complete")]
    assert blocked_in_disk_ns([*earlier, *lock], ME, 0, 100) == 0


def test_merged_requests_end_together() -> None:
    seen = [
        block(1, "block_bio_queue", sector=8),
        block(2, "block_bio_queue", sector=16),
        leaves(3, "D"),
        block(9, "block_rq_complete", sector=8, sectors=16),
        waking(9),
        gets(10),
    ]
    assert blocked_in_disk_ns(seen, ME, 0, 100) == 6
