"""The rule for stopping, and what the methods of a connection's life do to its deadline."""

from __future__ import annotations

import asyncio
from time import monotonic

import pytest

from fivefold.errors import DeadlineExceeded
from fivefold.iomodels.lifetime import LAST_CALL_S, LAST_WORDS_S, NEVER, Lifetime

LONG_S = 1000.0


class Listening(Lifetime):
    """Nothing comes before it is interrupted."""

    def __init__(self, last: bytes = b"") -> None:
        self._last = last
        self.interrupted = 0

    async def recv(self) -> bytes:
        if not self.interrupted:
            raise DeadlineExceeded
        return self._last

    def has_come(self) -> bool:
        return False

    def interrupt(self) -> None:
        self.interrupted += 1


def left(life: Lifetime) -> float:
    return life.deadline - monotonic()


def test_a_deadline_counts_from_now() -> None:
    life = Listening()
    assert life.deadline == NEVER
    life.allow(LONG_S)
    assert LONG_S - 100 < left(life) <= LONG_S
    life.wait_until(7.0)
    assert life.deadline == 7.0


def test_progress_gives_more_time_only_where_it_is_expected() -> None:
    life = Listening()
    life.wait_until(7.0)
    life.progressed()
    assert life.deadline == 7.0
    assert life.expect_progress(LONG_S) == NEVER
    life.progressed()
    assert left(life) > LONG_S - 100
    assert life.expect_progress(NEVER) == LONG_S


def test_what_the_peer_takes_of_a_send_counts_from_then_where_progress_is_expected() -> None:
    life = Listening()
    life.wait_until(7.0)
    life.took(6.0)
    assert life.deadline == 7.0
    life.expect_progress(LONG_S)
    life.took(6.0)
    assert life.deadline == 6.0 + LONG_S
    life.took(5.0)
    assert life.deadline == 6.0 + LONG_S


@pytest.mark.parametrize("waits", ["new", "idle"])
def test_one_without_a_request_has_a_last_call(waits: str) -> None:
    life = Listening()
    if waits == "idle":
        life.heard()
        life.begin_waiting(monotonic() + LONG_S)
    life.finish()
    assert life.closing
    assert left(life) <= LAST_CALL_S
    assert not life.interrupted


def test_an_exchange_goes_on_and_its_connection_waits_no_longer_than_a_last_call() -> None:
    life = Listening()
    life.heard()
    life.allow(LONG_S)
    life.finish()
    assert left(life) > LONG_S - 100
    life.begin_waiting(monotonic() + LONG_S)
    assert left(life) <= LAST_CALL_S


def test_a_protocol_that_can_say_that_it_ends_says_so_at_once() -> None:
    life = Listening()
    life.heard()
    life.give_last_call(0.0)
    life.begin_waiting(monotonic() + LONG_S)
    life.finish()
    assert left(life) <= 0.0
    life.give_last_call(LAST_CALL_S)
    life.begin_waiting(monotonic() + LONG_S)
    assert 0.0 < left(life) <= LAST_CALL_S


def test_a_last_call_prolongs_nothing() -> None:
    life = Listening()
    life.begin_waiting(7.0)
    life.finish()
    assert life.deadline == 7.0
    life.begin_waiting(8.0)
    assert life.deadline == 8.0


def test_the_second_time_says_nothing_new() -> None:
    life = Listening()
    life.finish()
    life.begin_listening()
    life.wait_until(NEVER)
    life.finish()
    assert not life.interrupted
    assert life.deadline == NEVER


@pytest.mark.parametrize("waits", [True, False])
def test_who_has_less_time_is_asked_again(*, waits: bool) -> None:
    life = Listening()
    life.finish()
    if not waits:
        life.heard()
        life.allow(LONG_S)
    life.finish(LAST_CALL_S / 4)
    if not waits:
        assert left(life) > LONG_S - 100
        life.begin_waiting(monotonic() + LONG_S)
    assert left(life) <= LAST_CALL_S / 4
    life.give_last_call(LAST_CALL_S)
    life.begin_waiting(monotonic() + LONG_S)
    assert left(life) <= LAST_CALL_S / 4, "whatever the protocol wants"


def test_content_that_listens_is_interrupted_as_long_as_it_does() -> None:
    life = Listening()
    life.begin_listening()
    life.finish()
    assert life.interrupted
    assert life.deadline == NEVER
    life = Listening()
    life.begin_listening()
    life.heard()
    life.finish()
    assert not life.interrupted


def test_what_has_come_by_the_end_of_the_last_call_is_heard() -> None:
    life = Listening(b"late")
    life.finish()
    assert asyncio.run(life.next_bytes(LONG_S)) == b"late"
    assert left(life) <= LAST_WORDS_S
    assert not life.idle
    assert not life.new


def test_a_silent_peer_has_its_time_and_no_more() -> None:
    life = Listening(b"late")
    with pytest.raises(DeadlineExceeded):
        asyncio.run(life.next_bytes(LONG_S))
    assert life.idle


def test_what_has_expired_stays_so() -> None:
    life = Listening()
    life.expect_progress(LONG_S)
    life.expire()
    life.progressed()
    assert left(life) < LONG_S - 100
