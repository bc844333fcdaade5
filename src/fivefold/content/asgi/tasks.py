"""Running an application's call in a task of asyncio, mostly without making one.

Facts.        A connection's coroutine is resumed by its I/O model, inside the wait of the
              loop, where no task is current.  An application wants to be in a task:
              `asyncio.current_task`, timeouts and cancel scopes rest on it, and libraries
              keep what belongs to a request by its task.  Making a task takes 3 us and a
              pass of the loop; most calls of an application need one step and never wait.
Consequence.  A task per request would cost as much as the rest of the server; one that is
              used twice would show one client what belongs to another.
Choice.       The first step of a call is taken at once, with a task entered as the current
              one (asyncio.tasks._enter_task, documented for this under "Extending
              asyncio").  A call that waits then owns this task, which ends with it.  After a
              call that ended in its first step the task is lent again, provided that no code
              can tell: no code has kept it, refers to it weakly, has marked it (an attribute,
              a callback, a name, `cancel`) or has asked for its name, coroutine or context.
Assumption.   There is no other way to find a task again.  A number such as `id(task)` comes
              again for any task of asyncio that was freed, too.
Cost.         Looking takes 0.2 us of each call.  Where a task is current already (a loop in a
              loop: nest_asyncio), or the loop makes tasks of its own kind, a call is a task
              as any program would make it.
"""

from __future__ import annotations

import asyncio
import types
from _weakref import getweakrefcount
from asyncio import _enter_task, _leave_task
from collections.abc import Awaitable, Callable
from contextvars import copy_context
from sys import getrefcount
from typing import Any

from .lent_task import NOBODY, Call, Caller, LentTask
from .noticing_task import Task

NATIVE_TASK = asyncio.Task
"""asyncio's own, as it was before any library replaced it."""


OVER = object()
"""In place of what a call waits for: nothing, it has ended."""

Free = tuple[LentTask, Task, int]
"""A task that is free, its coroutine, and how many weak references it has by itself. In one, since
to ask the coroutine for its attributes takes four times as long (`LentTask.__getattr__`)."""


class LentTasks:
    """The calls of one loop, and the tasks that are free to be lent again."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._free: list[Free] = []
        self._running: dict[Any, asyncio.Task[None]] = {}
        """The tasks of calls that wait; asyncio itself keeps weak references only."""

    @property
    def running(self) -> set[asyncio.Task[None]]:
        return set(self._running.values())

    def cancel(self, serves: object, heard: Callable[[], None]) -> None:
        """Cancel the call of whose end this object hears, if it waits; `heard` is called then."""
        heard()
        for key, task in list(self._running.items()):
            heard_by = key.serves if isinstance(key, LentTask) else key[1]
            if heard_by is serves:
                task.cancel()

    def begin(self, call: Awaitable[Any], caller: Caller) -> bool:
        """Take the first step of `call`, in a context of its own; whether it was the last.

        Raises what that step raises.  Otherwise the call goes on by itself, and `caller`
        hears of its end.
        """
        steps = call if type(call) is types.CoroutineType else _awaited(call)
        loop = self._loop
        free = self._free.pop() if self._free else self._made()
        lent, task, weak_references = free
        references = getrefcount(task)
        if task.marked or asyncio.Task is not NATIVE_TASK or loop.get_task_factory() is not None:
            return self._begin_apart(free, steps, caller)
        try:
            _enter_task(loop, task)
        except RuntimeError:  # a loop in a loop: the task around it is current already
            return self._begin_apart(free, steps, caller)
        lent.shown = steps
        context = copy_context()
        try:
            # As `send(None)`, whose StopIteration at the end takes as long as the step (0.3 us).
            parked = context.run(next, steps.__await__(), OVER)
        except BaseException:
            _leave_task(loop, task)
            lent.end()  # rare: whatever it was, it must not be another's
            raise
        _leave_task(loop, task)
        if parked is not OVER:
            self._running[lent] = task
            lent.carry(steps, context, parked, caller)
            return False
        lent.shown = NOBODY
        del context, call, steps  # what they keep may go
        if (
            getrefcount(task) == references
            and not task.marked
            and getweakrefcount(task) == weak_references
        ):
            self._free.append(free)
        else:
            lent.end()
        return True

    def _made(self) -> Free:
        lent = LentTask(self._loop, self._running)
        return lent, lent.task, getweakrefcount(lent.task)

    def _begin_apart(self, free: Free, call: Call, caller: Caller) -> bool:
        """In a task as asyncio makes it: that one cannot be lent, or not now."""
        lent, task, _ = free
        if task.marked:  # cancelled with all tasks of the loop
            lent.end()
        else:
            self._free.append(free)
        apart = self._running[call, caller] = self._loop.create_task(_edged(call, caller))
        apart.add_done_callback(lambda _: self._running.pop((call, caller), None))
        return False


async def _edged(call: Call, caller: Caller) -> None:
    """A call whose task is as asyncio makes it."""
    error: BaseException | None = None
    try:
        await call
    except BaseException as raised:  # noqa: BLE001 - the edge of an application
        error = raised
    try:
        caller.ended(error)
    finally:
        error = None


async def _awaited(call: Awaitable[Any]) -> None:
    """Whatever can be awaited, as a coroutine."""
    await call
