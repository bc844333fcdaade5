"""sigio where no signal comes, or none to us: interruptions, wake-ups, shared listeners."""

from __future__ import annotations

import os
import signal
import socket
import threading
from collections.abc import Iterator
from contextlib import ExitStack
from fcntl import fcntl

import pytest

from fivefold.iomodels.interface import Listener, Waiter
from fivefold.iomodels.sigio import HINT, OURS, Sigio
from fivefold.linux import signals
from support.engines.signal_driven import (
    PATIENCE_S,
    in_child,
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


def test_interrupt_ends_a_pending_recv(io: Sigio) -> None:
    ours, peer = tcp_pair()
    connection = patient(io, ours)
    thread = threading.Thread(target=connection.interrupt)

    async def interrupt_once_it_waits() -> None:
        thread.start()

    async def main() -> None:
        io.spawn(interrupt_once_it_waits())
        assert await connection.recv() == b""
        await connection.close()

    run(io, main())
    thread.join()
    peer.close()


def test_interrupt_delivers_what_has_arrived_first(io: Sigio) -> None:
    ours, peer = tcp_pair()

    async def main() -> None:
        connection = patient(io, ours)
        await recv_without_hints(io, connection, peer)
        peer.send(b"raced")
        connection.interrupt()
        await turns(io, 2)
        assert await read_all(connection) == b"raced"
        await connection.close()

    run(io, main())
    peer.close()


def test_wake_from_another_thread_ends_the_wait(io: Sigio) -> None:
    thread = threading.Thread(target=io.wake)

    async def main() -> None:
        thread.start()
        await io.woken

    run(io, main())
    thread.join()


def test_a_signal_handlers_byte_ends_the_wait(io: Sigio) -> None:
    before = signal.signal(signal.SIGUSR1, lambda *_: None)
    waking = signal.set_wakeup_fd(io.wake_fd, warn_on_full_buffer=False)

    async def main() -> None:
        signal.raise_signal(signal.SIGUSR1)
        await io.woken

    run(io, main())
    signal.set_wakeup_fd(waking)
    signal.signal(signal.SIGUSR1, before)


# --- listeners ---


async def accept(listener: Listener, count: int) -> None:
    accepted: list[socket.socket] = []
    while len(accepted) < count:
        accepted += await listener.accept()
    for sock in accepted:
        sock.close()


def test_a_listener_accepts_many_one_after_another_and_at_once(io: Sigio) -> None:
    with socket.create_server(("127.0.0.1", 0), backlog=500) as server:

        async def main() -> None:
            listener = io.listener(server)
            for crowd in (1, 1, 200, 1, 65):
                with ExitStack() as clients:
                    for _ in range(crowd):
                        clients.enter_context(socket.create_connection(server.getsockname()))
                    await accept(listener, crowd)
            assert listener.close() == []

        run(io, main())


def test_a_listener_armed_by_another_process_under_another_number(io: Sigio) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:

        def arm_a_copy() -> None:
            signals.block(OURS)
            signals.arm(os.dup(server.fileno()), HINT, threading.get_native_id())

        in_child(arm_a_copy)

        async def main() -> None:
            listener = io.listener(server)
            waiting = Waiter()

            async def wait() -> None:
                await accept(listener, 1)
                io.resume(waiting)

            io.spawn(wait())
            await turns(io, 1)
            with socket.create_connection(server.getsockname()):
                await waiting
            listener.close()

        run(io, main())
        assert io.statistics()["stale"] == 0


def test_a_listener_taken_over_is_left_armed_and_one_kept_is_not(io: Sigio) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        me = threading.get_native_id()
        io.listener(server).close()
        socket.create_connection(server.getsockname()).close()
        assert signal.sigtimedwait(OURS, 0) is None

        listener = io.listener(server)
        successor = os.fork()
        if successor == 0:
            signals.arm(server.fileno(), HINT, threading.get_native_id())
            os._exit(0)
        os.waitpid(successor, 0)
        assert signals.owner(server.fileno()) != me
        for sock in listener.close():
            sock.close()
        fcntl(server.fileno(), signals.F_SETOWN_EX, signals._OWNER.pack(0, me))
        with socket.create_connection(server.getsockname()):
            info = signal.sigtimedwait(OURS, 0)
        assert info is not None
        assert info.si_signo == HINT


def test_a_shared_listener_is_looked_at_once_a_tick() -> None:
    io = Sigio(tick_s=0.01)
    with socket.create_server(("127.0.0.1", 0)) as server:

        async def main() -> None:
            listener = io.listener(server)
            signals.disarm(server.fileno())  # the signals go to somebody else
            waiting = Waiter()

            async def wait() -> None:
                await accept(listener, 1)
                io.resume(waiting)

            io.spawn(wait())
            await turns(io, 1)
            with socket.create_connection(server.getsockname()):
                await waiting
            listener.close()

        run(io, main())
    io.close()
