"""The turn of a ring: operations are handed over, submitted in one call, and completed.

Whatever has operations in the ring is a `Target` and knows this class; this class knows
targets by their numbers only.  `Uring` adds what connections, listeners and foreign
descriptors are.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from errno import EEXIST
from itertools import chain
from time import monotonic
from typing import Any

from ....linux.io_uring import abi
from ...interface import Task
from ...outcome import ended_badly
from ...scheduler import Scheduler
from . import setup
from .operations import OTHER, RECEIVE, Target, abandon
from .setup import Features
from .silent_sends import SilentSends

SHIFT = setup.BUFFER_BYTES.bit_length() - 1

GOOD = abi.CQE_BUFFER | abi.CQE_MORE
"""A multishot receive that brought data and goes on."""

FOREIGN = (
    "this io_uring belongs to the thread that made it;"
    " make one I/O model per thread, in that thread and after any fork"
)

CLOSE_ROUNDS, CLOSE_ROUND_S = 50, 0.1
"""So often, and so long, `close` waits for the kernel to end what was cancelled."""

Batch = Iterator[tuple[int, int, int]]


class RingScheduler(Scheduler):
    """One ring, its targets, and the coroutines that wait for them; of the thread that makes it."""

    def __init__(self, *, tick_s: float, connections: int, features: Features | None) -> None:
        super().__init__(tick_s=tick_s, connections=connections)
        # Per ring.
        self.features = features if features is not None else setup.detected()
        self.ring, self.buffers = setup.make(self.features, connections)
        self.expected = connections
        self.targets: dict[int, Target] = {}
        self.sends = SilentSends()
        self.ending = False
        self.counts = {"rearmed": 0, "ran out of buffers": 0, "paused receives": 0}
        self._owner = os.getpid(), threading.get_ident()
        self._number = 0
        # Per turn: completions that are being dealt with, put off, and the buffers they used.
        self._batch: Batch | None = None
        self._postponed: list[tuple[int, int, int]] = []
        self._used: list[int] = []

    def register(self, target: Target) -> int:
        """A number for the user data of `target`, never used before."""
        self._number += 1
        self.targets[self._number] = target
        return self._number

    def forget(self, number: int) -> None:
        self._connections.pop(number, None)

    def _wait(self, timeout_s: float) -> None:
        sends = self.sends
        earlier = self._batch is not None or self._postponed
        if sends.queued:
            if not sends.cautious:
                sends.released(monotonic())
            sends.push(self.ring)
        # One system call: it submits what the last turn has made, and waits for this one.
        if earlier or sends.unsettled:
            timeout_s = 0.0  # there is something; silent sends have no completion to wake us
        self.enter(1 if timeout_s > 0 else 0, timeout_s)
        batch = self.ring.completions()
        self._dispatch(chain(self._earlier(), batch) if earlier else batch)

    def _earlier(self) -> list[tuple[int, int, int]]:
        """The completions that were collected before and put off."""
        earlier, self._postponed = [*(self._batch or ()), *self._postponed], []
        self.sends.expect(earlier)
        return earlier

    def submit(self) -> None:
        """Submit whatever has been handed over, in the middle of a turn, without resuming a task.

        What has completed is kept for the next turn.
        """
        sends, ring = self.sends, self.ring
        if sends.queued:
            if sends.flying:
                sends.expect(ring.latest())
                sends.land(ring)
            if not sends.cautious:
                sends.released(monotonic())
            sends.push(ring)
        self.enter(0, 0.0)
        fresh = list(ring.completions())
        self._postponed += fresh
        sends.expect(fresh)
        sends.land(ring)

    def _one_by_one(self, batch: Batch) -> Batch:
        """`batch`; between two of it everything is submitted that a coroutine has handed over."""
        sends, ring = self.sends, self.ring
        for completion in batch:
            sends.step_begins(monotonic())
            yield completion
            sends.step_ends(monotonic())
            if (sends.queued or ring.tail != ring.submitted) and not self.ending:
                self.submit()

    def enter(self, at_least: int, timeout_s: float) -> None:
        try:
            self.ring.enter(at_least, timeout_s)
        except OSError as error:
            if error.errno == EEXIST:
                raise RuntimeError(FOREIGN) from error
            raise

    def _dispatch(self, batch: Batch) -> None:
        """Resume the coroutines that waited for these completions."""
        # Local names and two levels of branches: this runs once per request and more.
        targets = self.targets
        used = self._used
        memory = self.buffers.memory if self.buffers else b""
        self._batch = batch
        if self.sends.cautious:
            batch = self._one_by_one(batch)
        for user_data, result, flags in batch:
            # By number, never by descriptor: a number is not used twice, so what completes late
            # finds no owner instead of the next connection of that descriptor.
            target = targets.get(user_data >> 2)
            if target is None:
                continue  # of a cancellation, mostly
            if user_data & 3 == RECEIVE and result > 0 and flags & GOOD == GOOD:
                # `received`, written out: this is what every small request passes.
                number = flags >> abi.CQE_BUFFER_SHIFT
                start = number << SHIFT
                # Copied, because the buffer goes back to the kernel before the data are used up.
                data = memory[start : start + result]
                used.append(number)
                reader = target.reader
                task = reader.task
                if task is None:
                    target.keep(data)
                else:
                    reader.task = None
                    try:
                        task.send(data).task = task  # type: ignore[arg-type]
                    except StopIteration:
                        continue
                    except BaseException as error:  # noqa: BLE001 - as in `start`
                        ended_badly(error)
                        continue
            else:
                target.completed(user_data & 3, result, flags)
        self._batch = None
        if used:
            # All at once: the kernel sees the ring's tail move one time.
            assert self.buffers is not None
            self.buffers.give_back(used)
            used.clear()
        self.sends.settle(self.ring, self._postponed)

    def take(self, result: int, flags: int) -> bytes:
        """The data in the buffer that a completion names."""
        assert self.buffers is not None
        number = flags >> abi.CQE_BUFFER_SHIFT
        self._used.append(number)
        start = number << SHIFT
        return self.buffers.memory[start : start + max(result, 0)]

    def cancel(self, user_data: int) -> None:
        """End the operation with this user data; it completes with ECANCELED."""
        self.ring.push(abi.sqe_word(abi.OP_ASYNC_CANCEL, -1), OTHER, address=user_data)

    def collect(self, listener: Target) -> None:
        """Wait until the one operation of `listener` is over, without resuming a task.

        The completions of others are kept for later, those of the batch that is just
        being dispatched included.  Its own may have come before: in that batch, or among
        those that were put off.
        """
        (wanted,) = listener.pending()
        # The batch under dispatch first, in its order, then what was put off, then the ring's.
        postponed, self._postponed = self._postponed, []
        fresh: Batch = chain(self._batch or (), postponed)
        while True:
            for completion in fresh:
                if completion[0] == wanted:
                    listener.completed(*completion)
                else:
                    self._postponed.append(completion)
            if not listener.pending():
                self.sends.expect(self._postponed)
                return
            self.enter(1, self._tick_s)
            fresh = self.ring.completions()

    def run(self, main: Task) -> Any:
        if self._owner != (os.getpid(), threading.get_ident()):
            main.close()
            raise RuntimeError(FOREIGN)
        try:
            return super().run(main)
        finally:
            self.flush()

    def flush(self) -> None:
        """Do not leave sends behind that no turn may ever submit."""
        if self.sends.queued and self.ring.fd >= 0:
            self.submit()
        if self.sends.unsettled:  # a shutdown that was put off until all was sent
            self._dispatch(iter(self._earlier()))

    def _end_operations(self) -> None:
        """Cancel what is pending, and collect it: until then our memory is not our own."""
        abandon(list(self.targets.values()))
        for target in self.targets.values():
            for user_data in target.pending():
                self.cancel(user_data)
        # Bounded: a disk that does not answer must not keep a process that ends.
        for _ in range(CLOSE_ROUNDS):
            self._dispatch(chain(self._earlier(), self.ring.completions()))
            if not any(target.pending() for target in self.targets.values()):
                return
            self.enter(1, CLOSE_ROUND_S)

    def statistics(self) -> dict[str, int]:
        ring = self.ring
        return {
            "enters": ring.enters,
            "submissions": ring.submitted,
            "completions": ring.completed,
            **self.counts,
        }
