"""Every I/O model hosts a loop of asyncio: what programs written for asyncio rely on."""

from __future__ import annotations

import asyncio
import os
import resource
import signal
import socket
import sys
import threading
from collections.abc import Coroutine
from pathlib import Path
from typing import Any, TypeVar

import pytest

import fivefold
from fivefold.errors import SettingsError
from fivefold.iomodels.interface import IOModel
from fivefold.iomodels.multiplexing import Select

T = TypeVar("T")

CLIENTS = 50

LARGE = 4_000_000
"""More than the buffers of a socket or a pipe hold: the writer has to wait."""


def on(engine: type[IOModel], main: Coroutine[Any, Any, T]) -> T:
    with asyncio.Runner(loop_factory=lambda: fivefold.event_loop(engine.engine)) as runner:
        return runner.run(main)


def sockets() -> tuple[socket.socket, socket.socket]:
    ours, peer = socket.socketpair()
    ours.setblocking(False)
    peer.setblocking(False)
    return ours, peer


def took_some(peer: socket.socket) -> bool:
    try:
        return bool(peer.recv(1 << 20))
    except BlockingIOError:
        return False


def held() -> tuple[set[str], int]:
    return set(os.listdir("/proc/self/fd")), threading.active_count()


def test_timers_fire_in_their_order(engine: type[IOModel]) -> None:
    async def main() -> list[int]:
        loop, fired, done = asyncio.get_running_loop(), list[int](), asyncio.Event()
        now = loop.time()  # one for all: between two calls a busy machine may do something else
        for milliseconds in (9, 3, 6, 1):
            loop.call_at(now + milliseconds / 1000, fired.append, milliseconds)
        loop.call_at(now + 0.01, done.set)
        await done.wait()
        return fired

    assert on(engine, main()) == [1, 3, 6, 9]


def test_a_thread_wakes_a_sleeping_loop(engine: type[IOModel]) -> None:
    async def main() -> None:
        loop, woken = asyncio.get_running_loop(), asyncio.Event()
        thread = threading.Thread(target=loop.call_soon_threadsafe, args=(woken.set,))
        loop.call_soon(thread.start)
        await woken.wait()
        thread.join()

    on(engine, main())


def test_results_come_back_from_threads(engine: type[IOModel]) -> None:
    async def main() -> list[int]:
        return await asyncio.gather(*(asyncio.to_thread(abs, -n) for n in range(20)))

    assert on(engine, main()) == list(range(20))


def test_sockets_by_the_methods_of_the_loop(engine: type[IOModel]) -> None:
    async def main() -> int:
        loop = asyncio.get_running_loop()
        ours, peer = sockets()
        with ours, peer:
            sending = loop.create_task(loop.sock_sendall(peer, bytes(LARGE)))
            got = 0
            while got < LARGE:
                got += len(await loop.sock_recv(ours, 65536))
            await sending
        return got

    assert on(engine, main()) == LARGE


def test_a_server_of_streams_with_many_clients(engine: type[IOModel]) -> None:
    async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while line := await reader.readline():
            writer.write(line.upper())
        writer.close()
        await writer.wait_closed()

    async def client(address: tuple[str, int], number: int) -> None:
        reader, writer = await asyncio.open_connection(*address)
        for _ in range(3):
            writer.write(b"hello %d\n" % number)
            assert await reader.readline() == b"HELLO %d\n" % number
        writer.write_eof()
        assert await reader.read() == b""
        writer.close()
        await writer.wait_closed()

    async def main() -> None:
        server = await asyncio.start_server(echo, "127.0.0.1", 0)
        async with server:
            address = server.sockets[0].getsockname()
            await asyncio.gather(*(client(address, number) for number in range(CLIENTS)))

    on(engine, main())


def test_a_subprocess_with_pipes(engine: type[IOModel]) -> None:
    program = "import sys; print(len(sys.stdin.read())); sys.exit(7)"

    async def main() -> tuple[bytes, int | None]:
        pipe = asyncio.subprocess.PIPE
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-c", program, stdin=pipe, stdout=pipe
        )
        output, _ = await process.communicate(b"x" * LARGE)
        return output, process.returncode

    assert on(engine, main()) == (b"%d\n" % LARGE, 7)


def test_unread_data_are_reported_again(engine: type[IOModel]) -> None:
    async def main() -> list[bytes]:
        loop, parts, done = asyncio.get_running_loop(), list[bytes](), asyncio.Event()
        ours, peer = sockets()

        def read_a_byte() -> None:
            parts.append(ours.recv(1))
            if len(parts) == 3:
                done.set()

        with ours, peer:
            loop.add_reader(ours, read_a_byte)
            peer.send(b"abc")
            await done.wait()
            loop.remove_reader(ours)
        return parts

    assert on(engine, main()) == [b"a", b"b", b"c"]


def test_a_writable_descriptor_is_reported_until_it_is_full(engine: type[IOModel]) -> None:
    async def main() -> None:
        loop, full, again = asyncio.get_running_loop(), asyncio.Event(), asyncio.Event()
        ours, peer = sockets()

        def fill() -> None:
            try:
                while True:
                    ours.send(bytes(4096))
            except BlockingIOError:
                full.set()
                loop.add_writer(ours, again.set)

        with ours, peer:
            loop.add_writer(ours, fill)
            await full.wait()
            for _ in range(3):
                await asyncio.sleep(0)
            assert not again.is_set()
            while took_some(peer):
                pass
            await again.wait()
            loop.remove_writer(ours)

    on(engine, main())


def test_pipes_and_what_raises_no_signals(engine: type[IOModel]) -> None:
    async def main() -> None:
        loop, seen = asyncio.get_running_loop(), asyncio.Event()
        event = os.eventfd(0, os.EFD_NONBLOCK)
        loop.add_reader(event, seen.set)
        await asyncio.sleep(0.002)
        assert not seen.is_set()
        os.eventfd_write(event, 1)
        await seen.wait()
        loop.remove_reader(event)
        os.close(event)

    on(engine, main())


def test_signal_handlers(engine: type[IOModel]) -> None:
    async def main() -> None:
        loop, got = asyncio.get_running_loop(), asyncio.Event()
        loop.add_signal_handler(signal.SIGUSR1, got.set)
        loop.call_soon(os.kill, os.getpid(), signal.SIGUSR1)
        await got.wait()
        loop.remove_signal_handler(signal.SIGUSR1)

    on(engine, main())


def test_an_interruption_cancels_the_main_task(engine: type[IOModel]) -> None:
    cancelled = []

    async def main() -> None:
        asyncio.get_running_loop().call_later(0.002, os.kill, os.getpid(), signal.SIGINT)
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            cancelled.append(True)
            raise

    with pytest.raises(KeyboardInterrupt):
        on(engine, main())
    assert cancelled


def test_a_number_that_is_used_again_is_another_descriptor(engine: type[IOModel]) -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        for _ in range(20):
            ours, peer = sockets()
            stale, seen = list[int](), asyncio.Event()
            loop.add_reader(ours, stale.append, 1)
            await asyncio.sleep(0)
            peer.send(b"late")
            loop.remove_reader(ours)
            number = ours.fileno()
            ours.close()
            peer.close()
            ours, peer = sockets()
            assert ours.fileno() == number
            with ours, peer:
                loop.add_reader(ours, seen.set)
                for _ in range(3):
                    await asyncio.sleep(0)
                assert not stale
                assert not seen.is_set()
                peer.send(b"x")
                await seen.wait()
                loop.remove_reader(ours)

    on(engine, main())


def test_a_closed_descriptor_ends_its_connection_at_once(engine: type[IOModel]) -> None:
    """io_uring holds on to the open file of a pending poll."""

    async def main() -> bytes:
        loop = asyncio.get_running_loop()
        ours, peer = sockets()
        with peer:
            loop.add_reader(ours, print)
            for _ in range(3):
                await asyncio.sleep(0)
            loop.remove_reader(ours)
            ours.close()
            return peer.recv(1)

    assert on(engine, main()) == b""


def test_a_regular_file_is_refused_or_ready(engine: type[IOModel]) -> None:
    """As with the selectors of the standard library: epoll refuses, poll says ready."""

    async def main() -> None:
        loop, seen = asyncio.get_running_loop(), asyncio.Event()
        with Path(__file__).open() as file:  # noqa: ASYNC230 - nothing is read
            try:
                loop.add_reader(file, seen.set)
            except PermissionError:
                return
            await seen.wait()
            loop.remove_reader(file)

    on(engine, main())


def test_closing_leaves_no_descriptor_and_no_thread(engine: type[IOModel]) -> None:
    async def main() -> None:
        event = os.eventfd(0, os.EFD_NONBLOCK)
        asyncio.get_running_loop().add_reader(event, print)
        await asyncio.to_thread(int)
        asyncio.get_running_loop().remove_reader(event)
        os.close(event)

    on(engine, main())  # whatever is made once per process
    before = held()
    on(engine, main())
    assert held() == before


def test_a_descriptor_beyond_select_is_a_clear_error() -> None:
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft <= 1100:
        pytest.skip(f"only {soft} descriptors may be open (RLIMIT_NOFILE)")

    async def main() -> None:
        ours, peer = sockets()
        high = os.dup2(ours.fileno(), 1099)
        try:
            asyncio.get_running_loop().add_reader(high, print)
        finally:
            os.close(high)
            ours.close()
            peer.close()

    with pytest.raises(fivefold.FivefoldError, match="FD_SETSIZE"):
        on(Select, main())


def test_an_unknown_model_is_refused() -> None:
    with pytest.raises(SettingsError, match="unknown I/O model"):
        fivefold.event_loop("nonsense")
