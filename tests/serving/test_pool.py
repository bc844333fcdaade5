"""The pool of `process`: children that start slowly, or for ever, and a forker that is dead."""

from __future__ import annotations

import os
import signal
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path

import pytest

from fivefold.iomodels.interface import Connection, IOModel
from fivefold.iomodels.multiplexing import Epoll
from fivefold.processes.forking import forked
from fivefold.processes.ready_pipe import Announcement
from fivefold.serving.base import ServingOptions
from fivefold.serving.limit import SETTING, Limit
from fivefold.serving.process import Process, acceptor
from fivefold.serving.process.channel import IDLE, MESSAGE, MORE, STARTED, ends, pair, send_message
from support.client import TIMEOUT_S
from support.servers.deployed import until

PLACES = 6


async def echo(conn: Connection) -> None:
    while data := await conn.recv():
        await conn.send(data)
    await conn.close()


@contextmanager
def pool(listening: socket.socket, folder: Path) -> Iterator[int]:
    """A pool whose children do not start while there is a file `away`; the process id of its
    forker."""

    def new_io(connections: int, *, serves: bool = True) -> IOModel:
        if serves and (folder / "away").exists():
            (folder / f"starts-{os.getpid()}").touch()
            time.sleep(600)
        return Epoll(connections=connections)

    def life() -> None:
        options = ServingOptions(max_connections=PLACES, startup_s=0.3)
        model = Process([listening], echo, new_io, options)
        model.stops.begin(model.stop)
        model.run()

    forker = forked(life, "forker", ended_by=signal.SIGKILL)
    try:
        yield forker
    finally:
        os.kill(forker, signal.SIGTERM)
        os.waitpid(forker, 0)


def test_a_child_that_starts_for_ever_gives_its_place_back(tmp_path: Path) -> None:
    with ExitStack() as undo:
        listening = undo.enter_context(socket.create_server(("127.0.0.1", 0)))
        undo.enter_context(pool(listening, tmp_path))

        def client() -> socket.socket:
            sock = socket.create_connection(listening.getsockname(), timeout=TIMEOUT_S)
            sock.sendall(b"here")
            return undo.enter_context(sock)

        clients = [client()]
        assert clients[0].recv(4) == b"here"
        (tmp_path / "away").touch()
        clients += [client() for _ in range(PLACES - 1)]
        until(lambda: list(tmp_path.glob("starts-*")), "a child that does not start")
        (tmp_path / "away").unlink()
        assert [sock.recv(4) for sock in clients[1:]] == [b"here"] * (PLACES - 1)


class Pool:
    """An acceptor whose forker and children are this test."""

    def __init__(self, busy: int = 0) -> None:
        """`busy`: so many connections were served by another one before."""
        self.channel, inbox = pair()
        self.wishes, to_forker = pair()
        options = ServingOptions(max_connections=PLACES)
        model = Process([], echo, lambda *_, **__: Epoll(), options, Announcement(-1))
        model.on_ready.demand.is_now(busy)
        self.acceptor = acceptor.Acceptor(model, inbox, to_forker, Limit({SETTING: PLACES}))
        self._ends = (inbox, to_forker, self.channel, self.wishes)
        self._found: list[int | None] = []
        self._waits = threading.Thread(
            target=lambda: self._found.append(self.acceptor._idle_child()), daemon=True
        )

    def wait_for_a_child(self) -> None:
        self._waits.start()

    def started(self, number: int) -> None:
        ours, theirs = ends()
        with ours, theirs:
            send_message(self.channel, STARTED, number, ours)

    def wish(self) -> bool:
        try:
            return self.wishes.recv(MESSAGE.size) == MESSAGE.pack(MORE, 0)
        except BlockingIOError:
            return False

    def is_idle(self, number: int) -> None:
        send_message(self.channel, IDLE, number)

    def idle(self, number: int) -> int | None:
        """One says so; which one is found."""
        self.is_idle(number)
        self._waits.join(TIMEOUT_S)
        (found,) = self._found
        return found

    def close(self) -> None:
        for end in (*self._ends, *self.acceptor._channels.values()):
            end.close()


@pytest.fixture
def by_hand(monkeypatch: pytest.MonkeyPatch) -> Iterator[Pool]:
    monkeypatch.setattr(acceptor, "PATIENCE_S", 600.0)
    with closing(Pool()) as made:
        yield made


def test_a_child_that_starts_slowly_is_not_asked_for_again(by_hand: Pool) -> None:
    by_hand.wait_for_a_child()
    for number in range(acceptor.SPARES):
        until(by_hand.wish, "a wish")
        by_hand.started(number)
    until(lambda: len(by_hand.acceptor._channels) == acceptor.SPARES, "all are known")
    assert by_hand.idle(1) == 1
    assert not by_hand.wish()


def test_one_that_takes_too_long_is_not_waited_for(
    by_hand: Pool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(acceptor, "PATIENCE_S", 0.0)
    by_hand.wait_for_a_child()
    for number in range(2 * acceptor.SPARES):
        until(by_hand.wish, "a wish")
        by_hand.started(number)
    assert by_hand.idle(1) == 1


def test_a_successor_waits_for_room_and_starts_a_few_at_a_time(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Those that start compete for the processor with whoever serves meanwhile."""
    monkeypatch.setattr(acceptor, "PATIENCE_S", 600.0)
    monkeypatch.setattr(acceptor, "SETTLING_S", 600.0)
    with closing(Pool(busy=PLACES - acceptor.SPARES)) as made:
        made.acceptor._order_spares()
        waits = threading.Thread(target=made.acceptor._can_serve, daemon=True)
        waits.start()
        for number in range(acceptor.SPARES):
            until(made.wish, "a wish")
            made.started(number)
        for number in range(PLACES):
            assert not made.wish(), "as many start as may"
            assert waits.is_alive(), "one more is needed"
            made.is_idle(number)
            if (other := number + acceptor.SPARES) < PLACES:
                until(made.wish, "another wish")
                made.started(other)
        waits.join(TIMEOUT_S)
        assert not waits.is_alive()
        assert not made.wish()


def test_a_child_of_a_dead_forker_is_heard(by_hand: Pool) -> None:
    by_hand.started(7)
    by_hand.wishes.close()
    by_hand.wait_for_a_child()
    until(lambda: by_hand.acceptor._model.stopping, "it has seen that the forker is dead")
    assert by_hand.idle(7) == 7
