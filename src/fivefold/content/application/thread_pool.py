"""A bounded pool of threads for what blocks, beside an event loop.

Only where one thread serves all connections: there a call that blocks would stop
all others.  Where a connection has its own thread or process, the application is called
in place and nothing of this exists.

Facts.        What an application keeps by thread (`threading.local`, a connection of sqlite,
              a lock) is wrong or lost if its next line runs in another one.
Consequence.  A call that pauses, for its client to take what there is, keeps its thread.
Choice.       A `Lease` has one thread from its first piece to its last.  `size` bounds what
              runs at the same time; a thread that pauses does not count, so a slow client
              holds a thread, and never one that another client needs.
Cost.         There are `size` threads, and one more for each lease that pauses: as many as
              there are connections at worst.  Where the system has no more, a call is
              refused (`LimitReached`).

Not a ThreadPoolExecutor: it lends a thread for one piece only, its end of the interpreter
waits for a call that never returns, and an empty call, there and back, takes it 45 us
against 20.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from typing import Any, TypeVar

from ...errors import LimitReached
from ...iomodels.interface import Waiter
from ...iomodels.interface.task_runner import TaskRunner
from ...isolation.descendants import descendants, end_copy
from ...isolation.mailbox import Mailbox
from ...isolation.starting_threads import start_thread

R = TypeVar("R")


class Threads:
    """At most `size` pieces at once; the others wait in the order they came."""

    def __init__(self, size: int) -> None:
        self._size = self._room = size
        self._lock = threading.Lock()
        self._waiting: deque[Lease] = deque()
        self._idle: list[Work] = []

    async def call(self, io: TaskRunner, function: Callable[[], R]) -> R:
        """The result of `function`, called in one of the threads; its exception is raised here."""
        result: R = await Lease(self, io).call(function)
        return result

    def submit(self, lease: Lease) -> None:
        """Let the next piece of `lease` run when there is room for it."""
        with self._lock:
            self._waiting.append(lease)
            chosen = self._choose()
        self._start(chosen)

    def paused(self, mailbox: Work, *, kept: bool) -> None:
        """A piece is over; `kept`: its thread stays with its lease. Called in that thread."""
        with self._lock:
            self._room += 1
            if kept:
                pass
            elif len(self._idle) < self._size:
                self._idle.append(mailbox)
            else:
                mailbox.put(None)  # one of those that were started while others paused
            chosen = self._choose()
        self._start(chosen)

    def _choose(self) -> tuple[Lease, Work | None] | None:
        """The next call, and its thread; None for a new one. Called with the lock."""
        if not self._room or not self._waiting:
            return None
        self._room -= 1
        lease = self._waiting.popleft()
        if lease.mailbox is not None:
            return lease, lease.mailbox
        return lease, self._idle.pop() if self._idle else None

    def _start(self, chosen: tuple[Lease, Work | None] | None) -> None:
        while chosen is not None:
            lease, mailbox = chosen
            try:
                (mailbox or new_thread()).put(lease)
                return
            except RuntimeError as error:
                lease.refuse(LimitReached(f"no thread could be started: {error}"))
            with self._lock:
                self._room += 1
                chosen = self._choose()

    def close(self) -> None:
        """Wait for no call: one that never returns must not keep the worker alive."""
        with self._lock:
            self._size = 0
            self._waiting.clear()
            idle, self._idle = self._idle, []
        for mailbox in idle:
            mailbox.put(None)


async def called(threads: Threads | None, io: TaskRunner, function: Callable[[], R]) -> R:
    """The result of `function`, called in one of the threads; here, where none are needed."""
    return function() if threads is None else await threads.call(io, function)


class Lease:
    """One thread for several pieces of work, one after the other."""

    keep = False
    """Whether the thread stays when a piece is over; set by the piece itself."""
    mailbox: Work | None = None
    """Of the thread, once it has one."""
    _function: Callable[[], Any] | None = None
    _value: Any = None
    _error: BaseException | None = None
    _answer: Any = None
    _done = False
    _thread = 0

    def __init__(self, threads: Threads, io: TaskRunner) -> None:
        self._threads = threads
        self._io = io
        self._waiter = Waiter()

    # runs in: the thread of the loop

    async def call(self, function: Callable[[], Any]) -> Any:
        """What `function` returns, or raises, in the thread; or a question that it `ask`s, to
        be answered by `answer`. Raises `LimitReached` if there is no thread."""
        self._function = function
        return await self._outcome()

    async def answer(self, answer: object) -> Any:
        """Let the thread go on after its question."""
        self._answer = answer
        return await self._outcome()

    async def _outcome(self) -> Any:
        self._done = False
        self._threads.submit(self)
        while not self._done:
            await self._waiter
        value, error = self._value, self._error
        self._value = self._error = None
        if error is not None:
            try:
                raise error
            finally:
                error = None  # it knows this frame, which shall not know it in turn
        return value

    def refuse(self, error: LimitReached) -> None:
        self._error = error
        self._deliver()

    def leave(self, function: Callable[[], Any]) -> None:
        """A last piece, when the model closes: it is not waited for any more."""
        if self.mailbox is not None:
            self._function = function
            self._answer = InterruptedError("the server stops")  # if it has just asked
            self.mailbox.put(self)

    # runs in: the thread that is leased

    def run(self, mailbox: Work) -> None:
        """One piece."""
        self.mailbox, self._thread = mailbox, threading.get_ident()
        while self._function is not None:
            function, self._function = self._function, None
            try:
                self._value = function()
            except BaseException as error:  # noqa: BLE001 - raised again by `call`
                self._error = error
            if descendants.is_copy:
                end_copy()
            del function  # with all that it refers to, before this thread rests
        if not self.keep:
            self.mailbox = None
        self._threads.paused(mailbox, kept=self.keep)
        self._deliver()

    def ask(self, question: object) -> Any:
        """Hand `question` to the coroutine that awaits this piece; the answer, waited for.

        Raises RuntimeError in any thread but this, and when the lease is over.
        """
        mailbox = self.mailbox
        if mailbox is None or threading.get_ident() != self._thread:
            raise RuntimeError("asked from a thread that is not lent, or not any more")
        if descendants.is_copy:
            end_copy()  # no loop would answer: it is the parent's
        self._value = question
        self._threads.paused(mailbox, kept=True)
        self._deliver()
        mailbox.get_within()
        answer, self._answer = self._answer, None
        return answer

    def _deliver(self) -> None:
        self._done = True
        try:
            self._io.resume_threadsafe(self._waiter)
        except OSError:
            pass  # the model is closed: no coroutine waits


Work = Mailbox[Lease | None]
"""What a thread is to do next; None to end."""


def new_thread() -> Work:
    """Raises RuntimeError if the system has no more."""
    mailbox: Work = Mailbox()
    start_thread("fivefold-application", life, mailbox)
    return mailbox


def life(mailbox: Work) -> None:
    """Of a thread of the pool."""
    while (lease := mailbox.get()) is not None:
        lease.run(mailbox)
        del lease
