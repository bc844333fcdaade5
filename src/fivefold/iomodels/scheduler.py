"""Driving many coroutines in one thread: what all overlapping I/O models share.

A model adds one method, `_wait(timeout_s)`: sleep in the kernel, then resume the
waiters that can go on.  Everything else is here: tasks that are ready, sleepers,
deadlines, wake-ups.

Deadlines are swept once a tick instead of being kept in a heap: a connection changes
its deadline several times per request, and a heap would pay for each change, while the
sweep pays once a second (0.1 us per connection).
"""

from __future__ import annotations

import heapq
import itertools
import math
from abc import abstractmethod
from collections import deque
from time import monotonic
from typing import Any

from ..errors import DeadlineExceeded
from ..isolation.descendants import end_copy
from .asyncio_loop.foreign_loop import ForeignLoopSupport
from .batching.connection import Outbox
from .interface import Connection, Task, Waiter
from .outcome import Outcome, ended_badly
from .overlay import Overlay
from .wakeup import WakePipe

ACCEPT_BATCH = 64
"""Accepts in one go: batches gain up to 70 % (Brecht 2004), but others must get a turn."""


class Scheduler(ForeignLoopSupport):
    """An I/O model whose thread serves many coroutines."""

    _pipe: WakePipe
    """Ends a wait: of the model, which watches it as its kernel lets it."""

    def __init__(self, *, tick_s: float = 1.0, connections: int = 1024) -> None:
        super().__init__(tick_s=tick_s, connections=connections)
        self.accept_batch = max(1, min(connections, ACCEPT_BATCH))
        self._tick_s = tick_s
        self._next_sweep = monotonic() + tick_s
        self._ready: deque[Task] = deque()
        self._left_alone: list[Task] = []
        """In a copy: without a reference a coroutine would be closed, which it would hear."""
        self._sleepers: list[tuple[float, int, Waiter]] = []
        self._sleeper_number = itertools.count()
        self._connections: dict[int, Connection] = {}
        self._main_done = False
        self._resumable: deque[Waiter] = deque()
        self._yielding: list[Waiter] = []
        self.outbox = Outbox()
        self.maybe_ready: set[int] = set()
        self._foreign: dict[int, int] = {}

    @abstractmethod
    def _wait(self, timeout_s: float) -> None:
        """Sleep in the kernel at most `timeout_s` and `start` whatever can go on."""

    def give_up(self) -> None:
        """The copy has the coroutines of all connections, which go on in the parent alone: none of
        them is resumed or ended, and whoever gets back here ends."""
        self._left_alone += self._ready
        self._ready.clear()
        Overlay(self, turn=lambda _: end_copy)

    def spawn(self, task: Task) -> None:
        self._ready.append(task)

    def run(self, main: Task) -> Any:
        outcome = Outcome()
        over = False

        async def wrapped() -> None:
            nonlocal over
            try:
                await outcome.of(main)
            finally:
                over = self._main_done = True

        try:
            self.start(wrapped())
            while not over:
                self._main_done = False  # or that of another run, around this one
                self.turn(None)
        finally:
            self._main_done = False  # a later turn, of a host, has nothing to do with this one
        return outcome.get()

    def turn(self, timeout_s: float | None) -> None:
        # The order is the point: what can run without the kernel, what it has made to be sent,
        # then one wait for all coroutines, then the clock, read once for all that looks at it.
        ready = self._ready
        if ready:
            self._step_ready()
            if self._main_done:
                return
            if self._foreign:
                # What was resumed may have given asyncio something to do: look, do not sleep.
                timeout_s = 0.0
        outbox = self.outbox
        if outbox.queued:
            # Nothing finished is held over a sleep of the kernel.
            outbox.flush(monotonic())
        if ready or self._yielding or self._sleepers or timeout_s is not None:
            self._wait(self._patience(timeout_s))
        else:
            self._wait(self._tick_s)  # the usual case, without asking for the time first
        now = monotonic()
        if outbox.queued:
            # The answers of this wait's events, after the last of them has run (see `batching`).
            outbox.flush(now)
        if outbox.cautious:
            outbox.step_begins(0.0)  # a wait is no step
        if self._yielding or self._sleepers:
            self._end_pauses(now)
        if now >= self._next_sweep:
            # From now, not from when it was due: after a stop (SIGSTOP, a suspended machine) the
            # missed ones are not made up for.
            self._next_sweep = now + self._tick_s
            self._sweep(now)
            self._ticked()

    def _step_ready(self) -> None:
        """Only what is ready now: a task that spawns for ever must not keep us from the kernel."""
        ready = self._ready
        for _ in range(len(ready)):
            if not ready:
                return  # a run within a step has taken them
            self.start(ready.popleft())

    def watch(self, fd: int, events: int) -> None:
        self._watch_foreign(fd, events)
        self._foreign[fd] = events
        self.maybe_ready.add(fd)

    def unwatch(self, fd: int) -> None:
        if self._foreign.pop(fd, None) is not None:
            self._unwatch_foreign(fd)

    @abstractmethod
    def _watch_foreign(self, fd: int, events: int) -> None:
        """Call `_note` whenever something happens to this foreign descriptor."""

    @abstractmethod
    def _unwatch_foreign(self, fd: int) -> None:
        """Undo `_watch_foreign`."""

    def _note(self, fd: int) -> None:
        """Something happened to a descriptor that is none of ours, or no longer."""
        if fd in self._foreign:
            self.maybe_ready.add(fd)

    def resume(self, waiter: Waiter) -> None:
        task = waiter.task
        if task is not None:
            # Taken away first: a second event must not resume a coroutine that runs.
            waiter.task = None
            self._ready.append(task)

    def resume_threadsafe(self, waiter: Waiter) -> None:
        self._resumable.append(waiter)
        self.wake()

    def wake(self) -> None:
        self._pipe.wake()

    @property
    def wake_fd(self) -> int:
        return self._pipe.write_fd

    def _on_wake(self) -> None:
        # Other threads append meanwhile; what comes too late has written to the pipe again.
        while self._resumable:
            self.resume(self._resumable.popleft())
        self.resume(self.woken)

    async def _attend(self, pipe: WakePipe) -> None:
        """The task behind `wake`, in the models that can watch a pipe."""
        while True:
            if not pipe.reader.hints:
                await pipe.reader
            pipe.reader.hints = 0
            # Before the look at what was asked for: a wake in between is a new byte, and is seen.
            pipe.drain()
            self._on_wake()

    async def sleep(self, seconds: float) -> None:
        await self.after_pause(seconds)

    def after_pause(self, seconds: float) -> Waiter:
        """To be awaited: it is resumed after so long."""
        waiter = Waiter()
        # The number decides between two of one moment: waiters cannot be compared.
        entry = (monotonic() + seconds, next(self._sleeper_number), waiter)
        heapq.heappush(self._sleepers, entry)
        return waiter

    def flush(self) -> None:
        self.outbox.flush(monotonic())

    def start(self, task: Task) -> None:
        """Run `task` until it waits, for the first time or again."""
        try:
            parked = task.send(None)
        except StopIteration:
            return
        except BaseException as error:  # noqa: BLE001 - one coroutine's trouble is not the others'
            ended_badly(error)
            return
        parked.task = task

    spawn_now = start

    def go_on(self, waiter: Waiter) -> None:
        """Resume at once, inside the model's wait."""
        task, waiter.task = waiter.task, None
        if task is not None:
            self.start(task)

    def _patience(self, timeout_s: float | None) -> float:
        """How long the kernel may keep us: until the next sweep, sleeper or the caller's limit."""
        if self._ready or self._yielding:
            return 0.0
        until = self._next_sweep
        if self._sleepers and self._sleepers[0][0] < until:
            until = self._sleepers[0][0]
        patience = max(0.0, until - monotonic())
        return patience if timeout_s is None else min(patience, timeout_s)

    def next_turn(self) -> Waiter:
        """To be awaited where a coroutine could go on, so that the others have their turn first: it
        is resumed after a wait in which the kernel was asked for all of them."""
        waiter = Waiter()
        self._yielding.append(waiter)
        return waiter

    def _end_pauses(self, now: float) -> None:
        # A task that gives up its turn again while it runs has it after the next wait.
        waiting, self._yielding = self._yielding, []
        for waiter in waiting:
            self.resume(waiter)
        while self._sleepers and self._sleepers[0][0] <= now:
            self.resume(heapq.heappop(self._sleepers)[2])

    def _sweep(self, now: float) -> None:
        """Raise `DeadlineExceeded` in every operation that is pending past its deadline."""
        # A list: a coroutine that ends takes its connection out of the table.
        late = [c for c in self._connections.values() if c.deadline <= now and c.is_late(now)]
        for connection in late:
            # Looked up first: a coroutine that goes on (to send a 408) may wait here anew.
            parked = [waiter for waiter in connection.waiters() if waiter.task]
            for waiter in parked:
                self._throw(waiter, DeadlineExceeded())

    def _throw(self, waiter: Waiter, error: Exception) -> None:
        task, waiter.task = waiter.task, None
        if task is None:
            return
        try:
            parked = task.throw(error)
        except StopIteration:
            return
        except BaseException as raised:  # noqa: BLE001
            ended_badly(raised)
            return
        parked.task = task

    def close(self) -> None:
        """Drop what is still suspended; the model releases its descriptors after this."""
        waiting = [self.woken, *self._yielding, *(entry[2] for entry in self._sleepers)]
        tasks = [*self._ready, *(waiter.task for waiter in waiting)]
        for connection in self._connections.values():
            tasks += [waiter.task for waiter in connection.waiters()]
        for task in tasks:
            if task is not None:
                end(task)
        self._ready.clear()
        self._yielding.clear()
        self._sleepers.clear()


def end(task: Task) -> None:
    """One that raises, or that waits although it shall end, keeps the others from nothing."""
    try:
        task.close()
    except BaseException as error:  # noqa: BLE001
        ended_badly(error)


def milliseconds(timeout_s: float) -> int:
    """Rounded up: poll(2) and friends must not return before the deadline and spin."""
    return math.ceil(timeout_s * 1000)
