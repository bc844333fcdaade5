"""Which connection processes have a connection, by places that are used again."""

from __future__ import annotations

import os

from fivefold.processes.forking import reap
from fivefold.serving.process.occupied import Occupied


def test_a_process_counts_while_it_has_a_connection() -> None:
    occupied = Occupied(2)
    place = occupied.new()
    pid = os.fork()
    if pid == 0:
        place.take()
        os._exit(0)  # as one that is killed: its place is not given back
    occupied.began(pid, place)
    reap(pid, wait=True)
    assert len(occupied) == 1
    occupied.ended(pid)
    assert len(occupied) == 0
    for number in (1, 2):
        occupied.began(number, occupied.new())
    assert len(occupied) == 0, "a place is empty when it is used again"


def test_one_whose_connection_has_ended_counts_no_more() -> None:
    occupied = Occupied(2)
    first, second = occupied.new(), None
    occupied.began(1, first)
    second = occupied.new()
    occupied.began(2, second)
    first.take()
    second.take()
    assert len(occupied) == 2
    first.give_back()
    assert len(occupied) == 1
