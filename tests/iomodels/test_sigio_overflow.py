"""sigio when the queue of signals is too short: nothing may get lost."""

from __future__ import annotations

import resource
import socket
from collections.abc import Callable

import pytest

from fivefold.iomodels.interface import Connection
from fivefold.iomodels.sigio import Sigio
from support.engines.signal_driven import (
    PATIENCE_S,
    everything_passes,
    in_child,
    lower,
    patient,
    read_all,
    recv_without_hints,
    run,
    tcp_pair,
    turns,
)


def storm(connections: int, rounds: int) -> dict[str, int]:
    """Everything at once, between connections of one thread: nothing may get lost."""
    io = Sigio(tick_s=PATIENCE_S)
    pairs = [socket.socketpair() for _ in range(connections)]
    finished = []

    async def echo(server: Connection) -> None:
        while data := await server.recv():
            await server.send(data)
        await server.close()

    async def ask(client: Connection, number: int) -> None:
        for question in range(rounds):
            text = b"%d/%d" % (number, question)
            await client.send(text)
            assert await client.recv() == text
        client.shutdown_send()
        assert await client.recv() == b""
        await client.close()
        finished.append(number)
        io.wake()

    async def main() -> None:
        for number, (ours, theirs) in enumerate(pairs):
            io.spawn(echo(patient(io, ours)))
            io.spawn(ask(patient(io, theirs), number))
        while len(finished) < connections:
            await io.woken

    run(io, main())
    io.close()
    return io.statistics()


def test_nothing_is_lost_when_the_queue_overflows() -> None:
    def check() -> None:
        lower(resource.RLIMIT_SIGPENDING, 8)
        lower(resource.RLIMIT_NOFILE, min(4096, resource.getrlimit(resource.RLIMIT_NOFILE)[1]))
        assert storm(connections=500, rounds=4)["overflows"] > 0

    in_child(check)


def test_it_works_without_any_queue() -> None:
    def check() -> None:
        lower(resource.RLIMIT_SIGPENDING, 0)
        statistics = storm(connections=10, rounds=3)
        assert statistics["overflows"] > 0
        assert statistics["signals"] == 0

    in_child(check)


def test_the_queue_suffices_by_default() -> None:
    assert storm(connections=100, rounds=3)["overflows"] == 0


def with_an_exhausted_queue(check: Callable[[Sigio], None]) -> None:
    def limited() -> None:
        lower(resource.RLIMIT_SIGPENDING, 0)
        io = Sigio(tick_s=PATIENCE_S)
        check(io)
        io.close()

    in_child(limited)


def test_an_overflow_while_nobody_reads() -> None:
    def check(io: Sigio) -> None:
        ours, peer = tcp_pair()

        async def main() -> None:
            connection = patient(io, ours)
            await recv_without_hints(io, connection, peer)
            peer.send(b"3")
            await turns(io, 2)
            assert await connection.recv() == b"3"
            peer.send(b"last")
            peer.close()
            await turns(io, 2)
            assert await read_all(connection) == b"last"
            await connection.close()

        run(io, main())

    with_an_exhausted_queue(check)


@pytest.mark.parametrize("both_ways", [False, True])
def test_a_partial_send_goes_on_after_an_overflow(*, both_ways: bool) -> None:
    with_an_exhausted_queue(lambda io: everything_passes(io, both_ways=both_ways))
