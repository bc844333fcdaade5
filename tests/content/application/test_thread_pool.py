"""The pool of threads: leases keep theirs, and one that pauses takes no room."""

from __future__ import annotations

import concurrent.futures
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from fivefold.content.application.thread_pool import Lease, Threads
from fivefold.errors import LimitReached, RequestTimedOut
from fivefold.iomodels.multiplexing import Epoll


@pytest.fixture
def io() -> Iterator[Epoll]:
    io = Epoll()
    yield io
    io.close()


@pytest.fixture
def threads() -> Iterator[Threads]:
    threads = Threads(2)
    yield threads
    threads.close()


class Timeout(BaseException):
    """Not an Exception."""


@pytest.mark.parametrize(
    "kind",
    [ValueError, KeyboardInterrupt, GeneratorExit, concurrent.futures.CancelledError, Timeout],
)
def test_what_is_raised_comes_back(io: Epoll, threads: Threads, kind: type[BaseException]) -> None:
    error = kind("of the function")

    def raising() -> None:
        raise error

    async def main() -> None:
        for _ in range(5):  # more often than there are threads
            with pytest.raises(kind) as caught:
                await threads.call(io, raising)
            assert caught.value is error
        assert await threads.call(io, lambda: 1) == 1

    io.run(main())


def kept(lease: Lease, *, keep: bool = True) -> Callable[[], int]:
    def piece() -> int:
        lease.keep = keep
        return threading.get_ident()

    return piece


def test_a_lease_keeps_its_thread(io: Epoll, threads: Threads) -> None:
    async def main() -> None:
        leases = [Lease(threads, io) for _ in range(5)]
        first = [await lease.call(kept(lease)) for lease in leases]
        assert len(set(first)) == 5  # each has one, though two may run at a time
        assert await threads.call(io, threading.get_ident) not in first
        assert [await lease.call(kept(lease)) for lease in leases] == first
        assert [await lease.call(kept(lease, keep=False)) for lease in leases] == first
        assert [lease.mailbox for lease in leases] == [None] * 5

    io.run(main())


def test_no_more_run_at_a_time_than_there_is_room_for(io: Epoll, threads: Threads) -> None:
    """Neither new ones nor those that pause."""
    running = most = 0
    lock = threading.Lock()

    def piece(lease: Lease) -> None:
        nonlocal running, most
        with lock:
            running += 1
            most = max(most, running)
        lease.keep = True
        threading.Event().wait(0.001)
        with lock:
            running -= 1

    done = 0

    async def many() -> None:
        nonlocal done
        lease = Lease(threads, io)
        for _ in range(5):
            await lease.call(lambda: piece(lease))
        await lease.call(kept(lease, keep=False))
        done += 1

    async def main() -> None:
        for _ in range(10):
            io.spawn(many())
        while done < 10:
            await io.sleep(0.001)

    io.run(main())
    assert most == 2


def test_threads_that_were_started_for_others_end(io: Epoll, threads: Threads) -> None:
    before = set(threading.enumerate())  # some may be about to end

    def ours() -> int:
        new = set(threading.enumerate()) - before
        return sum(thread.name == "fivefold-application" for thread in new)

    async def main() -> None:
        leases = [Lease(threads, io) for _ in range(10)]
        for lease in leases:
            await lease.call(kept(lease))
        assert ours() == 10
        for lease in leases:
            await lease.call(kept(lease, keep=False))
        while ours() > 2:
            await io.sleep(0.001)

    io.run(main())


def test_a_question_is_answered_in_the_middle(io: Epoll, threads: Threads) -> None:
    async def main() -> None:
        lease = Lease(threads, io)

        def piece() -> list[Any]:
            return [
                threading.get_ident(),
                lease.ask("one"),
                lease.ask("two"),
                threading.get_ident(),
            ]

        assert await lease.call(piece) == "one"
        assert await lease.answer(1) == "two"
        first, one, two, last = await lease.answer(2)
        assert (one, two, first) == (1, 2, last)
        with pytest.raises(RuntimeError, match="not lent"):
            lease.ask("after the end")

    io.run(main())


def test_a_system_without_threads(
    io: Epoll, threads: Threads, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who needs a new one is refused; who has one, or finds one idle, goes on."""

    def refused(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    async def main() -> None:
        lease = Lease(threads, io)
        await lease.call(kept(lease))
        monkeypatch.setattr(threading.Thread, "start", refused)
        for _ in range(5):
            with pytest.raises(LimitReached, match="can't start new thread"):
                await threads.call(io, lambda: 1)
        await lease.call(kept(lease, keep=False))
        for _ in range(5):
            assert await threads.call(io, lambda: 1) == 1

    io.run(main())


def test_a_piece_that_has_had_its_time_is_left_to_its_thread(io: Epoll, threads: Threads) -> None:
    entered, free = threading.Event(), threading.Event()
    seen: list[Any] = []

    def hangs() -> None:
        entered.set()
        free.wait(30)
        seen.append(threading.get_ident())

    async def main() -> None:
        lease, early = Lease(threads, io), Lease(threads, io)
        early.time_out(early.mark)  # of another wait than the next
        assert await early.call(lambda: 1) == 1

        def time_out() -> None:
            entered.wait(30)
            lease.time_out(lease.mark)

        threading.Thread(target=time_out).start()
        with pytest.raises(RequestTimedOut):
            await lease.call(hangs)
        assert lease.leave(lambda: seen.append(threading.get_ident()))
        assert await threads.call(io, lambda: 2) == 2
        free.set()
        while len(seen) < 2:
            await io.sleep(0.001)
        assert seen[0] == seen[1]
        for _ in range(5):
            assert len({await threads.call(io, threading.get_ident) for _ in range(3)}) <= 2

    io.run(main())


def test_a_piece_that_never_got_a_thread_is_forgotten(io: Epoll) -> None:
    threads, free = Threads(1), threading.Event()
    waiting = Lease(threads, io)

    async def main() -> None:
        io.spawn(threads.call(io, lambda: free.wait(30)))
        await io.sleep(0.0)
        timer = threading.Timer(0.05, lambda: waiting.time_out(waiting.mark))
        timer.start()
        with pytest.raises(RequestTimedOut):
            await waiting.call(lambda: 1)
        assert not waiting.leave(lambda: 2)
        free.set()
        assert await threads.call(io, lambda: 3) == 3

    io.run(main())
    threads.close()


def test_a_question_after_its_time_is_answered_by_an_error(io: Epoll, threads: Threads) -> None:
    entered, free = threading.Event(), threading.Event()
    answers: list[Any] = []
    lease = Lease(threads, io)

    def asks() -> None:
        entered.set()
        free.wait(30)
        answers.append(lease.ask("anybody?"))

    def time_out() -> None:
        entered.wait(30)
        lease.time_out(lease.mark)

    async def main() -> None:
        threading.Thread(target=time_out).start()
        with pytest.raises(RequestTimedOut):
            await lease.call(asks)
        lease.leave(lambda: answers.append("closed"))
        free.set()
        while len(answers) < 2:
            await io.sleep(0.001)

    io.run(main())
    assert isinstance(answers[0], InterruptedError)
    assert answers[1] == "closed"
