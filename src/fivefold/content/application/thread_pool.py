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

from ...errors import LimitReached, RequestTimedOut
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
            lease.rests = False
            self._waiting.append(lease)
            chosen = self._choose()
        self._start(chosen)

    def paused(self, lease: Lease, mailbox: Work, *, kept: bool) -> bool:
        """A piece is over; `kept`: its thread stays with its lease. Called in that thread; False if
        the lease has got another piece meanwhile (`leave`)."""
        with self._lock:
            if lease.has_more:
                return False
            lease.rests = True
            if not kept:
                lease.mailbox = None
            self._room += 1
            if kept:
                pass
            elif len(self._idle) < self._size:
                self._idle.append(mailbox)
            else:
                mailbox.put(None)  # one of those that were started while others paused
            chosen = self._choose()
        self._start(chosen)
        return True

    def leave(self, lease: Lease, function: Callable[[], Any]) -> bool:
        """A last piece, for a lease that is waited for no more; False if it had none before."""
        with self._lock:
            if lease in self._waiting and lease.mailbox is None:
                self._waiting.remove(lease)
                return False
            has_room_to_get = lease.rests
            lease.give_last(function)
        if has_room_to_get:
            self.submit(lease)
        return True

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
    rests = True
    """Whether its thread runs nothing, and has nothing to run: for `Threads`, under its lock."""
    pieces = 0
    """How many have begun."""
    _timed_out = 0
    """The piece that has had its time."""
    left = False
    """Whether no coroutine waits for it any more."""
    waits_for_client = False
    has_heard = True
    """Whether what runs the call knows that; a thread never does."""

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
        self.pieces += 1
        self._threads.submit(self)
        while not self._done:
            await self._waiter
            if self._timed_out == self.pieces and not self._done:
                raise RequestTimedOut
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

    def leave(self, function: Callable[[], Any]) -> bool:
        """A last piece, behind the one that has had its time; False if none had begun."""
        self.left = self._threads.leave(self, function)
        return self.left

    def give_last(self, function: Callable[[], Any]) -> None:
        self._function = function
        self._answer = InterruptedError("the client is not there any more")  # if it has just asked

    def end(self, function: Callable[[], Any]) -> None:
        """A last piece, when the model closes: it is not waited for any more."""
        if self.mailbox is not None:
            self.give_last(function)
            self.mailbox.put(self)

    # runs in: any thread

    @property
    def mark(self) -> int:
        """Of what is waited for now."""
        return self.pieces

    def time_out(self, mark: float) -> None:
        """Let the coroutine that waits go on without it (`RequestTimedOut`), if it still waits for
        what had this mark."""
        self._timed_out = int(mark)
        self._ring()

    # runs in: the thread that is leased

    def run(self, mailbox: Work) -> None:
        """One piece."""
        self.mailbox, self._thread = mailbox, threading.get_ident()
        is_over = False
        while not is_over:
            while self._function is not None:
                function, self._function = self._function, None
                try:
                    self._value = function()
                except BaseException as error:  # noqa: BLE001 - raised again by `call`
                    self._error = error
                descendants.end_if_copy(self._error)
                del function  # with all that it refers to, before this thread rests
            is_over = self._threads.paused(self, mailbox, kept=self.keep)
        self._deliver()

    @property
    def has_more(self) -> bool:
        return self._function is not None

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
        if self._threads.paused(self, mailbox, kept=True):
            self._deliver()
            mailbox.get_within()
        answer, self._answer = self._answer, None
        return answer

    def _deliver(self) -> None:
        self._done = True
        self._ring()

    def _ring(self) -> None:
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
