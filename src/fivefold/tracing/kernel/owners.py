"""Which of the recorded events belong to a request.

Each group of events has another key by which its owner is known: the running thread, the
thread that an event is about, the ports of a packet, the ring, the sectors of the disk.
"""

from __future__ import annotations

import heapq
import re
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass

from ...linux.block_devices import disk_of
from ..model import Observation
from .packets import Ports, packets_of

_RING_WORKER = re.compile(r"iou-wrk-(\d+)")


def choose(
    threads: list[Observation],
    machine: list[Observation],
    connection: Ports,
    tids: Collection[int],
) -> list[Observation]:
    """The events of a request, in order, from what was recorded for its threads and for all."""
    of_threads = [one for one in threads if _is_by_or_about(one, connection, tids)]
    groups: dict[str, list[Observation]] = {"block": [], "io_uring": [], "signal": [], "net": []}
    for one in machine:
        group = one.event.partition(":")[0]
        groups[group if group in groups else "net"].append(one)
    ours = [
        *packets_of(connection, groups["net"], tids),
        *_of_disks(groups["block"], tids),
        *_of_rings(groups["io_uring"], tids),
        *(one for one in groups["signal"] if one.detail["fields"].get("pid") in tids),
    ]
    chosen = set(map(id, ours))
    of_machine = [one for one in machine if id(one) in chosen]  # in the order of the recording
    return list(heapq.merge(of_threads, of_machine, key=_moment))


def _moment(seen: Observation) -> tuple[int, int]:
    """Two recordings, one microsecond: a call begins before what it does, and ends after it."""
    rank = {"syscalls:sys_enter": 0, "syscalls:sys_exit_": 2}
    return seen.at_ns, rank.get(seen.event[:18], 1)


def _is_by_or_about(seen: Observation, connection: Ports, tids: Collection[int]) -> bool:
    fields = seen.detail["fields"]
    if seen.event == "sched:sched_waking":
        return fields.get("pid") in tids
    if seen.event == "sched:sched_switch":
        return fields.get("prev_pid") in tids or fields.get("next_pid") in tids
    if "sport" in fields:
        return connection.owns(fields)
    return seen.detail["tid"] in tids


def _of_rings(observations: list[Observation], tids: Collection[int]) -> list[Observation]:
    """Completions come in interrupts and from helper threads; the ring tells whose they are."""
    rings = {
        one.detail["fields"].get("ring")
        for one in observations
        if one.event == "io_uring:io_uring_submit_req" and one.detail["tid"] in tids
    }
    return [one for one in observations if one.detail["fields"].get("ring") in rings]


@dataclass
class _Asked:
    """Sectors that one of our threads asked a disk for."""

    disk: tuple[int, int]
    start: int
    end: int

    def overlaps(self, other: _Asked) -> bool:
        return self.disk == other.disk and self.start < other.end and other.start < self.end


def _of_disks(observations: Iterable[Observation], tids: Collection[int]) -> Iterator[Observation]:
    asked: list[_Asked] = []
    for seen in observations:
        if "sector" not in seen.detail["fields"]:
            continue
        where = _sectors(seen)
        if seen.event == "block:block_bio_queue" and _is_by(seen, tids):
            asked.append(where)
        elif seen.event == "block:block_bio_queue" or not any(map(where.overlaps, asked)):
            continue
        yield seen
        if seen.event == "block:block_rq_complete":
            # A request may hold several of ours (merged), or a part of one (split).
            for one in asked:
                if one.disk == where.disk and where.start <= one.start < where.end:
                    one.start = where.end
            asked = [one for one in asked if one.start < one.end]


def _sectors(seen: Observation) -> _Asked:
    fields = seen.detail["fields"]
    start = fields["sector"]
    return _Asked(disk_of(fields["major"], fields["minor"]), start, start + fields["sectors"])


def _is_by(seen: Observation, tids: Collection[int]) -> bool:
    """By one of our threads, or by a helper that io_uring keeps for one of them."""
    helper = _RING_WORKER.fullmatch(seen.detail["comm"])
    return seen.detail["tid"] in tids or (helper is not None and int(helper[1]) in tids)
