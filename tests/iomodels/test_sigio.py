"""What only signal-driven I/O can get wrong: stale, merged and missing signals, and deadly ones."""

from __future__ import annotations

import os
import resource
import signal
import socket
from collections.abc import Callable, Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fivefold.iomodels.readiness.connection import RECV_BYTES
from fivefold.iomodels.sigio import OURS, Sigio
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


@pytest.fixture
def io() -> Iterator[Sigio]:
    model = Sigio(tick_s=PATIENCE_S)
    yield model
    model.close()


# --- stale signals ---


def test_signals_of_closed_descriptors_are_counted_and_ignored(io: Sigio) -> None:
    async def main() -> None:
        ours, peer = tcp_pair()
        connection = io.connection(ours)
        peer.send(b"1")
        peer.send(b"2")
        await connection.close()
        await turns(io, 2)
        peer.close()

    run(io, main())
    assert io.statistics()["stale"] >= 2


def test_a_reused_descriptor_survives_its_predecessors_signals(io: Sigio) -> None:
    async def main() -> None:
        old_socket, old_peer = socket.socketpair()
        new_socket, new_peer = socket.socketpair()
        old = io.connection(old_socket)
        number = old.fd
        for _ in range(5):
            old_peer.send(b"for the old one")
        await old.close()
        os.dup2(new_socket.fileno(), number)
        new_socket.close()
        connection = patient(io, socket.socket(fileno=number))
        received: list[bytes] = []

        async def read() -> None:
            received.append(await connection.recv())
            received.append(await connection.recv())
            io.wake()

        io.spawn(read())
        await turns(io, 3)
        assert received == []
        new_peer.send(b"for the new one")
        new_peer.close()
        while len(received) < 2:
            await io.woken
        assert received == [b"for the new one", b""]
        await connection.close()
        old_peer.close()

    run(io, main())


# --- hints are counted ---


def test_data_and_end_before_arming(io: Sigio) -> None:
    ours, peer = tcp_pair()
    peer.send(b"all")
    peer.close()

    async def main() -> None:
        connection = patient(io, ours)
        assert await read_all(connection) == b"all"
        await connection.close()

    run(io, main())


@pytest.mark.parametrize("pair", [tcp_pair, socket.socketpair])
def test_data_and_end_while_nobody_reads(
    io: Sigio, pair: Callable[[], tuple[socket.socket, socket.socket]]
) -> None:
    ours, peer = pair()

    async def main() -> None:
        connection = patient(io, ours)
        peer.send(b"first")
        assert await connection.recv() == b"first"
        peer.send(b"last")
        peer.shutdown(socket.SHUT_WR)
        await turns(io, 3)
        assert await connection.recv() == b"last"
        assert await connection.recv() == b""
        await connection.close()

    run(io, main())
    peer.close()


def test_the_end_lasts_though_no_signal_repeats_it(io: Sigio) -> None:
    ours, peer = socket.socketpair()

    async def close_peer() -> None:
        peer.close()

    async def main() -> None:
        connection = patient(io, ours)
        await recv_without_hints(io, connection, peer)
        io.spawn(close_peer())
        assert await connection.recv() == b""
        assert await connection.recv() == b""
        await connection.close()

    run(io, main())


PEERS_MOVES = st.lists(
    st.sampled_from([1, 100, RECV_BYTES - 1, RECV_BYTES, RECV_BYTES + 1, "turn", "read"]),
    max_size=12,
)


@given(moves=PEERS_MOVES)
def test_everything_arrives_in_any_order_of_events(moves: list[int | str]) -> None:
    io = Sigio(tick_s=PATIENCE_S)
    ours, peer = socket.socketpair()
    sent = sum(move for move in moves if isinstance(move, int))

    async def main() -> None:
        connection = patient(io, ours)
        unread = received = 0
        for move in moves:
            if isinstance(move, int):
                unread += peer.send(bytes(move))
            elif move == "turn":
                await turns(io, 1)
            elif unread:
                size = len(await connection.recv())
                unread -= size
                received += size
        peer.close()
        received += len(await read_all(connection))
        assert received == sent
        await connection.close()

    run(io, main())
    io.close()


@pytest.mark.parametrize("both_ways", [False, True])
def test_one_signal_serves_both_directions(io: Sigio, *, both_ways: bool) -> None:
    everything_passes(io, both_ways=both_ways)


# --- the signals' default action ---


def test_close_leaves_nothing_that_could_end_the_process() -> None:
    def check() -> None:
        io = Sigio()
        ours, peer = tcp_pair()
        copy = ours.dup()  # keeps the open file description, and so its owner, alive
        connection = io.connection(ours)
        peer.send(b"1")
        io.run(connection.close())
        io.close()
        assert signal.sigpending() == set()
        peer.send(b"2")
        assert signal.sigpending() == set()
        assert signal.pthread_sigmask(signal.SIG_BLOCK, ()) >= set(OURS)
        copy.close()

    in_child(check)


def test_probing_restores_the_mask_and_disturbs_no_model(io: Sigio) -> None:
    ours, peer = tcp_pair()

    async def main() -> None:
        connection = patient(io, ours)
        peer.send(b"1")
        assert await connection.recv() == b"1"
        peer.send(b"2")
        before = signal.pthread_sigmask(signal.SIG_BLOCK, ())
        assert Sigio.available() is None
        assert signal.pthread_sigmask(signal.SIG_BLOCK, ()) == before
        assert await connection.recv() == b"2"
        await connection.close()

    run(io, main())
    peer.close()


@pytest.mark.parametrize(
    ("limit", "reason"),
    [(resource.RLIMIT_SIGPENDING, "no signal arrives"), (resource.RLIMIT_NOFILE, "open files")],
)
def test_the_reason_why_it_cannot_run_is_reported(limit: int, reason: str) -> None:
    def check() -> None:
        lower(limit, 0)
        why = Sigio.available()
        assert why is not None
        assert reason in why
        assert signal.sigpending() == set()

    in_child(check)
