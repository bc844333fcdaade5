"""Running an application's coroutine beside a connection that is no task of asyncio.

Facts.        A connection's coroutine is resumed by its I/O model, inside the wait of the
              loop, where no task is current.  An application wants to be in a task:
              `asyncio.current_task`, timeouts and cancel scopes rest on it.  Making a task
              takes 3 us and a pass of the loop; most calls of an application need one
              step and never wait.
Consequence.  A task per request would cost more than the application.
Choice.       A `Carrier` owns a task that is made once and lent to one call after the
              other.  The first step is taken at once, with the carrier's task entered as
              the current one (asyncio.tasks._enter_task, documented for this under
              "Extending asyncio").  A call that waits then is carried on by that task.
Cost.         An application that compares tasks of different requests may see the same one
              twice.  A task that was asked to cancel is not lent again.
"""

from __future__ import annotations

import asyncio
import types
from asyncio import _enter_task, _leave_task
from collections.abc import Awaitable, Coroutine, Generator
from contextvars import Context, copy_context
from typing import Any

from ..iomodels.asyncio_bridge import Bridge
from ..iomodels.base import IOModel, Waiter

Call = Coroutine[Any, Any, Any]


class Carrier:
    """A task of asyncio for one call at a time."""

    def __init__(self, loop: asyncio.AbstractEventLoop, io: IOModel) -> None:
        self._io = io
        self._job: Awaitable[None] | None = None
        self._arrival = Bridge(loop)
        self._parked = False
        self._done: Waiter | None = None
        self._error: BaseException | None = None
        self.task = loop.create_task(self._carry())
        self.task.add_done_callback(self._ended)

    @property
    def spent(self) -> bool:
        """Whether its task is not to be lent again."""
        return self.task.done() or bool(self.task.cancelling())

    async def carry_on(self, job: Awaitable[None]) -> bool:
        """Let the task await `job`; False if it was cancelled before it took it.

        Raises what `job` raises.  To be awaited by a coroutine of the I/O model, not in a
        task of asyncio.
        """
        self._job = job
        self._done = waiter = Waiter()
        if self._parked:
            self._parked = False
            self._arrival.send(None)
        while self._done is not None:
            await waiter
        if self._job is not None:
            self._job = None
            return False
        error, self._error = self._error, None
        if error is not None:
            try:
                raise error
            finally:
                error = None  # it knows this frame, which shall not know it in turn
        return True

    def _ended(self, _: object) -> None:
        """Whoever still waits for the task to take a job is told."""
        done, self._done = self._done, None
        if done is not None:
            self._io.resume(done)

    async def _carry(self) -> None:
        while True:
            await self._next_job()
            job, self._job = self._job, None
            assert job is not None
            try:
                await job
            except GeneratorExit:
                raise  # the loop was closed with us in it
            except BaseException as error:  # noqa: BLE001 - raised again in `carry_on`
                self._error = error
            job = None  # what it held, an async generator perhaps, ends now
            done, self._done = self._done, None
            assert done is not None
            self._io.resume(done)
            if self.task.cancelling():
                return  # it was meant for the call that is over, or for all tasks

    @types.coroutine
    def _next_job(self) -> Generator[Bridge, None, None]:
        """Wait for a job; the task goes on with it at once, inside `carry_on`."""
        while self._job is None:
            self._parked = True
            self._arrival._asyncio_future_blocking = True  # noqa: SLF001 - asyncio's own protocol
            yield self._arrival


class Carriers:
    """The carriers of one loop; those that are free are used again."""

    def __init__(self, loop: asyncio.AbstractEventLoop, io: IOModel) -> None:
        self._loop = loop
        self._io = io
        self._free: list[Carrier] = []

    def begin(self, call: Call) -> Coroutine[Any, Any, None] | None:
        """Take the first step of `call`, in a context of its own; None if it was the last.

        Otherwise what remains is to be awaited, by a coroutine of the I/O model.  Both
        raise what the call raises.
        """
        carrier = self._take()
        context = copy_context()
        _enter_task(self._loop, carrier.task)
        try:
            parked = context.run(call.send, None)
        except StopIteration:
            self._free.append(carrier)
            return None
        except BaseException:
            self._free.append(carrier)
            raise
        finally:
            _leave_task(self._loop, carrier.task)
        return self._rest(carrier, context, call, parked)

    async def _rest(self, carrier: Carrier, context: Context, call: Call, parked: Any) -> None:
        try:
            # A task that has not begun would end without a word.
            if carrier.task.cancelling() or not await carrier.carry_on(
                continued(context, call, parked)
            ):
                await self._cancelled(context, call, parked)
        finally:
            self._free.append(carrier)

    async def _cancelled(self, context: Context, call: Call, parked: Any) -> None:
        """By the call itself, or by a timeout that was over at once."""
        carrier = Carrier(self._loop, self._io)  # for this call only
        try:
            await carrier.carry_on(continued(context, call, parked, asyncio.CancelledError()))
        finally:
            carrier.task.cancel()

    def _take(self) -> Carrier:
        while self._free:
            carrier = self._free.pop()
            if not carrier.spent:
                return carrier
        return Carrier(self._loop, self._io)


@types.coroutine
def continued(
    context: Context, call: Call, parked: Any, error: BaseException | None = None
) -> Generator[Any, Any, None]:
    """The rest of a call that has taken its first step, each step in `context`.

    `error` is thrown into it first, instead of waiting for `parked`.
    """
    run = context.run
    step: Any
    argument: Any
    try:
        # What it waits for is cancelled first, as a task would do.
        if error is not None and not (isinstance(parked, asyncio.Future) and parked.cancel()):
            parked = run(call.throw, error)
        while True:
            try:
                argument = yield parked
                step = call.send
            except GeneratorExit:
                run(call.close)
                raise
            except BaseException as thrown:  # noqa: BLE001 - passed on
                step, argument = call.throw, thrown
            parked = run(step, argument)
    except StopIteration:
        return
