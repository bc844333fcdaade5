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
              call that ended in its first step the task is lent again, provided that nobody
              can tell: nobody has kept it, refers to it weakly, has marked it (an attribute,
              a callback, a name, `cancel`) or has asked for its name, coroutine or context.
Assumption.   There is no other way to find a task again.  A number such as `id(task)` comes
              again for any task of asyncio that was freed, too.
Cost.         Looking takes 0.2 us of each call.  Where a task is current already (a loop in a
              loop: nest_asyncio), or the loop makes tasks of its own kind, a call is a task
              as anybody else would make it.
"""

from __future__ import annotations

import asyncio
import functools
import types
from _weakref import getweakrefcount
from asyncio import _enter_task, _leave_task
from collections.abc import Awaitable, Callable, Coroutine
from contextvars import Context, copy_context
from sys import getrefcount
from typing import Any

from ...iomodels.asyncio_loop.bridge import Bridge

Call = Coroutine[Any, Any, Any]

Ended = Callable[[BaseException | None], None]
"""Called when a call has ended, with what it raised; in the loop, and must not raise."""

NATIVE_TASK = asyncio.Task
"""asyncio's own, as it was before anybody replaced it."""


class Task(asyncio.Task[None]):
    """A task that notices what others do with it: then it is not lent again."""

    __slots__ = ("marked",)

    marked: bool
    """Whether it has an attribute, a callback, a name that somebody knows, was cancelled, or
    has given its coroutine or context away."""

    def __setattr__(self, name: str, value: Any) -> None:
        super().__setattr__("marked", True)
        super().__setattr__(name, value)


mark: Callable[[Task, bool], None] = vars(Task)["marked"].__set__
"""Without going through `__setattr__`, at a fifth of the price."""


def marking(name: str) -> Any:
    """A method of a task that leaves a mark, or tells what could be found again."""
    original = getattr(asyncio.Task, name)

    @functools.wraps(original)
    def marked(self: Task, *arguments: Any, **options: Any) -> Any:
        mark(self, True)
        return original(self, *arguments, **options)

    return marked


for _name in (
    *("add_done_callback", "remove_done_callback", "cancel", "uncancel"),
    *("get_name", "set_name", "get_coro", "get_context"),
):
    if hasattr(asyncio.Task, _name):  # get_context came with Python 3.12
        setattr(Task, _name, marking(_name))


class Arrival(Bridge):
    """What the coroutine of an idle task waits for."""

    __slots__ = ("task",)

    task: Task

    def cancel(self, msg: Any = None) -> bool:
        """A task that is lent does not wait: asyncio shall keep the wish for its next step."""
        if asyncio.current_task(self._loop) is self.task:
            return False
        return super().cancel(msg)


class LentTask(Coroutine[Any, Any, None]):
    """The coroutine of one task: idle while that is lent, then the rest of a call that waits.

    asyncio never sees what a call raises: `SystemExit` or `KeyboardInterrupt` out of a task
    would come out of the loop and end its thread.
    """

    __slots__ = (
        "_arrival",
        "_awaits",
        "_call",
        "_ended",
        "_has_begun",
        "_idle",
        "_loop",
        "_over",
        "_parked",
        "_run",
        "_running",
        "shown",
        "task",
        "weak_references",
    )

    def __init__(self, loop: asyncio.AbstractEventLoop, running: dict[object, Any]) -> None:
        self._loop = loop
        self._running = running
        self._call: Call | None = None
        self._run: Callable[..., Any] | None = None
        self._ended: Ended | None = None
        self._parked: Any = None
        self._awaits = False
        """Whether what is parked was awaited, and not only yielded."""
        self._has_begun = self._idle = self._over = False
        self.shown: Call = _nobody
        """The call that runs in the task, for those who look."""
        self.task = Task(self, loop=loop, context=Context())
        mark(self.task, False)
        self._arrival: Arrival | None = None
        """Made when it first idles: a call that waits at once needs none."""
        self.weak_references = getweakrefcount(self.task)

    def carry(self, call: Call, context: Context, parked: Any, ended: Ended) -> None:
        """The call waits for `parked`: from now on it goes on in the task, and ends with it.

        The task may take its first step later.  Until then others must be able to wait for the
        same future, and its mark, "somebody is just about to", would tell them that they do
        not use it as a future (asyncio: "await wasn't used with future").
        """
        self._call, self._run, self._ended = call, context.run, ended
        self._parked = parked
        self._awaits = bool(getattr(parked, "_asyncio_future_blocking", False))
        if self._awaits:
            parked._asyncio_future_blocking = False  # noqa: SLF001 - asyncio's own protocol
        if self._over:  # a loop in a loop has ended the task meanwhile
            self._end_call(asyncio.CancelledError())
        self._go_on()

    def end(self) -> None:
        """The task ends: its callbacks are called, and it is never lent again."""
        self._over = True
        self._go_on()

    def _go_on(self) -> None:
        if self._idle:
            self._idle = False
            assert self._arrival is not None
            self._arrival.send(None)
        # Otherwise its first step stands in the queue of the loop.

    # As the task sees it

    def send(self, value: Any) -> Any:
        call = self._call
        if call is None:
            return self._wait_for_call()
        if not self._has_begun:
            self._has_begun = True
            self._release()
            return self._handed_on()
        return self._step(call.send, value)

    def throw(self, error: Any, *_: Any) -> Any:
        call = self._call
        if call is None:  # cancelled before any call; or after one, which it was meant for
            self._over = True
            return self._wait_for_call()
        if not self._has_begun:
            self._has_begun = True
            self._release()
            # What it waits for is cancelled first, as a task would do.
            parked = self._handed_on()
            cancel = getattr(parked, "cancel", None)
            if isinstance(error, asyncio.CancelledError) and cancel is not None and cancel():
                return parked
            if self._awaits:
                parked._asyncio_future_blocking = False  # noqa: SLF001 - as above
        return self._step(call.throw, error)

    def _handed_on(self) -> Any:
        """What the call waits for, as its coroutine gave it to us."""
        parked, self._parked = self._parked, None
        if self._awaits:
            parked._asyncio_future_blocking = True  # noqa: SLF001 - as above
        return parked

    def close(self) -> None:
        if self._call is not None:
            self._call.close()

    def __await__(self) -> Any:
        raise RuntimeError("the coroutine of a lent task belongs to that task alone")

    def _wait_for_call(self) -> Arrival:
        if self._over:
            self._release()
            raise StopIteration
        self._idle = True
        arrival = self._arrival
        if arrival is None:
            arrival = self._arrival = Arrival(self._loop)
            arrival.task = self.task
        arrival._asyncio_future_blocking = True  # noqa: SLF001 - asyncio's own protocol
        return arrival

    def _release(self) -> None:
        """No call will arrive any more: let go of the task, which refers to us."""
        if self._arrival is not None:
            self._arrival.release()
            del self._arrival.task
        del self.task

    def _step(self, step: Callable[..., Any], argument: Any) -> Any:
        assert self._run is not None
        try:
            return self._run(step, argument)
        except StopIteration:
            self._end_call(None)
        except BaseException as error:  # noqa: BLE001 - the edge of an application
            self._end_call(error)
        raise StopIteration

    def _end_call(self, error: BaseException | None) -> None:
        ended, self._call, self._run, self._ended = self._ended, None, None, None
        self._over, self.shown = True, _nobody
        self._running.pop(self, None)
        assert ended is not None
        try:
            ended(error)
        finally:
            error = None  # it knows this frame, which shall not know it in turn

    # As those see it who look at the coroutine of a task: asyncio's stacks, anyio's scopes

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_") and name not in ("__name__", "__qualname__"):
            raise AttributeError(name)
        return getattr(self.shown, name)


class LentTasks:
    """The calls of one loop, and the tasks that are free to be lent again."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._factory = loop.get_task_factory
        self._free: list[LentTask] = []
        self._running: dict[object, asyncio.Task[None]] = {}
        """The tasks of calls that wait; asyncio itself keeps weak references only."""

    @property
    def running(self) -> set[asyncio.Task[None]]:
        return set(self._running.values())

    def begin(self, call: Awaitable[Any], ended: Ended) -> bool:
        """Take the first step of `call`, in a context of its own; whether it was the last.

        Raises what that step raises.  Otherwise the call goes on by itself, and `ended` is
        called at its end.
        """
        steps = call if type(call) is types.CoroutineType else _awaited(call)
        loop = self._loop
        lent = self._free.pop() if self._free else LentTask(loop, self._running)
        task = lent.task
        references = getrefcount(task)
        if task.marked or asyncio.Task is not NATIVE_TASK or self._factory() is not None:
            return self._begin_apart(lent, steps, ended)
        try:
            _enter_task(loop, task)
        except RuntimeError:  # a loop in a loop: the task around it is current already
            return self._begin_apart(lent, steps, ended)
        lent.shown = steps
        context = copy_context()
        try:
            parked = context.run(steps.send, None)
        except StopIteration:
            _leave_task(loop, task)
        except BaseException:
            _leave_task(loop, task)
            lent.end()  # rare: whatever it was, it must not be another's
            raise
        else:
            _leave_task(loop, task)
            self._running[lent] = task
            lent.carry(steps, context, parked, ended)
            return False
        lent.shown = _nobody
        del context, call, steps  # what they keep is nobody's any more
        if (
            getrefcount(task) == references
            and not task.marked
            and getweakrefcount(task) == lent.weak_references
        ):
            self._free.append(lent)
        else:
            lent.end()
        return True

    def _begin_apart(self, lent: LentTask, call: Call, ended: Ended) -> bool:
        """In a task as anybody makes it: that of `lent` cannot be lent, or not now."""
        if lent.task.marked:  # cancelled with all tasks of the loop
            lent.end()
        else:
            self._free.append(lent)
        task = self._running[call] = self._loop.create_task(_edged(call, ended))
        task.add_done_callback(lambda _: self._running.pop(call, None))
        return False


async def _edged(call: Call, ended: Ended) -> None:
    """A call whose task is as anybody makes it."""
    error: BaseException | None = None
    try:
        await call
    except BaseException as raised:  # noqa: BLE001 - the edge of an application
        error = raised
    try:
        ended(error)
    finally:
        error = None


async def _awaited(call: Awaitable[Any]) -> None:
    """Whatever can be awaited, as a coroutine."""
    await call


async def _nothing() -> None:
    """The coroutine of an idle task, as others see it."""


_nobody = _nothing()
_nobody.close()
