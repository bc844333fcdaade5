"""What a process has open, and what a copy of the process gives up of it."""

from __future__ import annotations

import os
import types
from collections.abc import Generator

from fivefold.iomodels.interface import Connection, Waiter
from fivefold.serving.open_connections import OpenConnections
from support.scripted_connection import FakeConnection


class BeingClosed(FakeConnection):
    """One whose descriptor another thread of the parent had closed when that forked."""

    def give_up(self) -> None:
        os.close(-1)


class OpenStill(FakeConnection):
    def __init__(self) -> None:
        super().__init__([])
        self.given_up = False

    def give_up(self) -> None:
        self.given_up = True


@types.coroutine
def serving(_: Connection) -> Generator[Waiter, None, None]:
    yield Waiter()


class Thread:
    """That of the connections."""

    given_up = 0

    def give_up(self) -> None:
        self.given_up += 1


def test_one_that_was_being_closed_keeps_no_other_one_open() -> None:
    before, own, behind = OpenStill(), BeingClosed([]), OpenStill()
    thread = before.io = own.io = behind.io = Thread()
    open_connections = OpenConnections()
    attended = [open_connections.attend(serving, each) for each in (before, own, behind)]
    for each in attended:
        each.send(None)
    open_connections._give_up()
    assert before.given_up
    assert behind.given_up
    assert thread.given_up == 1, "what its coroutines wait for is the parent's"
    for each in attended:
        each.close()
