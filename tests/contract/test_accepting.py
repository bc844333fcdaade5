"""After a failed accept every queued client is served, whether or not an event tells of it."""

from __future__ import annotations

import contextlib
import errno
import os
import resource
import socket
from collections.abc import Iterator
from time import monotonic
from typing import Any

import pytest

from fivefold.iomodels.interface import IOModel, Listener
from fivefold.iomodels.readiness.listener import GONE_IN_A_ROW, accept_all, accept_batch
from fivefold.serving.base import ServingModel

CLIENTS = 3
PATIENCE_S = 20.0
"""It bounds a hang: nobody waits for it otherwise."""


@contextlib.contextmanager
def descriptors_left(count: int) -> Iterator[None]:
    """So many more descriptors, as long as it lasts."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    made = [os.dup(0) for _ in range(count + 1)]
    for fd in made:
        os.close(fd)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(made), hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@pytest.fixture
def listening() -> Iterator[socket.socket]:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        sock.listen(64)
        yield sock


class Acceptor:
    """Accepts all clients, as the serving models do; at the first error there is room again."""

    def __init__(self, io: IOModel, listener: Listener, room: contextlib.ExitStack) -> None:
        self.io, self.listener, self.room = io, listener, room
        self.accepted: list[socket.socket] = []
        self.errors: set[int | None] = set()

    async def run(self) -> None:
        while len(self.accepted) < CLIENTS:
            try:
                self.accepted += await self.listener.accept()
            except OSError as error:
                self.errors.add(error.errno)
                self.room.close()
                await self.io.sleep(0.001)

    def close(self) -> None:
        for sock in [*self.accepted, *self.listener.close()]:
            sock.close()


@pytest.mark.parametrize("left", [0, 1])
def test_all_are_served_when_there_are_descriptors_again(
    left: int, io: IOModel, listening: socket.socket
) -> None:
    """With one descriptor left a part of the batch is taken, and then the error comes."""
    room, ends = contextlib.ExitStack(), contextlib.ExitStack()
    clients = [ends.enter_context(socket.socket()) for _ in range(CLIENTS)]
    acceptor = Acceptor(io, io.listener(listening), room)
    ends.callback(acceptor.close)

    async def main() -> None:
        if io.traits.overlaps:
            io.spawn(acceptor.run())
            await io.sleep(0.005)  # it waits now: what follows is an event, and the only one
        room.enter_context(descriptors_left(left))
        for client in clients:
            client.connect(listening.getsockname())
        if not io.traits.overlaps:
            io.spawn(acceptor.run())
        until = monotonic() + PATIENCE_S
        while len(acceptor.accepted) < CLIENTS and monotonic() < until:
            await io.sleep(0.001)

    with ends, room:
        io.run(main())
    count = len(acceptor.accepted)
    # A ring keeps to the limit of the moment at which the accept was submitted.
    assert acceptor.errors <= {errno.EMFILE}
    assert count == CLIENTS


def test_a_listener_that_is_left_keeps_no_client(io: IOModel, listening: socket.socket) -> None:
    """Who was taken out of the queue is handed over, who came later stays in it: for a successor
    that has the same socket."""
    listener = io.listener(listening)
    taken: list[socket.socket] = []

    async def accept_once() -> None:
        while not taken:
            taken.extend(await listener.accept())

    async def main() -> None:
        for number, client in enumerate(clients):
            client.connect(listening.getsockname())
            if not number:
                io.spawn(accept_once())
            while not taken:
                await io.sleep(0.001)
        await io.sleep(0.01)  # a ring may accept some of the rest unasked

    with contextlib.ExitStack() as ends:
        clients = [ends.enter_context(socket.socket()) for _ in range(CLIENTS)]
        later = ends.enter_context(socket.socket())
        io.run(main())
        taken += listener.leave()
        later.connect(listening.getsockname())
        io.run(io.sleep(0.01))
        listening.setblocking(False)
        left = accept_all(listening.accept)
        for sock in (*taken, *left):
            ends.enter_context(sock)
        found = {sock.getpeername() for sock in (*taken, *left)}
        assert found == {sock.getsockname() for sock in (*clients, later)}
        assert later.getsockname() in {sock.getpeername() for sock in left}


class StopsMeanwhile:
    """What `close_listeners` needs of a serving model."""

    def __init__(self, *listeners: socket.socket) -> None:
        self.listeners, self.others = listeners, ()


def test_who_comes_while_others_are_handed_over_is_refused(
    io: IOModel, listening: socket.socket
) -> None:
    """In the queue of a listener that is closed then a client is reset, with what it has asked."""
    model: Any = StopsMeanwhile(listening)
    address = listening.getsockname()
    handed: list[socket.socket] = []

    async def hand_over(sock: socket.socket) -> None:
        handed.append(sock)
        with socket.socket() as late, pytest.raises(ConnectionRefusedError):
            late.connect(address)

    with contextlib.ExitStack() as ends:
        for _ in range(2):
            ends.enter_context(socket.create_connection(address))
        io.run(ServingModel.close_listeners(model, [io.listener(listening)], hand_over))
        for sock in handed:
            sock.close()
    assert len(handed) == 2


def test_what_concerns_one_client_stops_nobody() -> None:
    """accept(2) passes on the errors of a connection that is gone."""
    ours, theirs = socket.socketpair()
    outcomes: list[OSError | socket.socket] = [OSError(errno.EPERM, "no")] * (GONE_IN_A_ROW - 1)
    outcomes = [BlockingIOError(), *outcomes, ours, *outcomes]

    def accept() -> tuple[socket.socket, object]:
        outcome = outcomes.pop()
        if isinstance(outcome, OSError):
            raise outcome
        return outcome, None

    with ours, theirs:
        assert accept_batch(accept, 64) == ([ours], True)


def test_who_is_never_allowed_to_accept_does_not_spin() -> None:
    """Errors of one client without end are none of a client: they are raised, and whoever accepts
    pauses."""
    tries = []

    def accept() -> tuple[socket.socket, object]:
        tries.append(1)
        raise OSError(errno.EPERM, "no")

    with pytest.raises(PermissionError):
        accept_batch(accept, 1)
    assert len(tries) == GONE_IN_A_ROW
    assert accept_all(accept) == []
