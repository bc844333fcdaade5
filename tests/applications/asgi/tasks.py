"""An ASGI application that keeps what belongs to a request by the task it runs in."""

from __future__ import annotations

import asyncio
import json
import weakref
from collections.abc import Callable
from contextvars import ContextVar
from typing import Any

from applications.notes_and_gates import Receive, Scope, Send, note

by_task: dict[Any, str] = {}
by_name: dict[str, str] = {}
by_weak: weakref.WeakKeyDictionary[Any, str] = weakref.WeakKeyDictionary()
references: list[Any] = []
by_coroutine: dict[Any, str] = {}
user: ContextVar[str | None] = ContextVar("user", default=None)

Task = asyncio.Task[Any]


def strongly(task: Task) -> Any:
    """As SQLAlchemy's `async_scoped_session(scopefunc=asyncio.current_task)`."""
    seen, by_task[task] = by_task.get(task), "somebody"
    return seen


def weakly(task: Task) -> Any:
    """As anyio's states of tasks."""
    seen, by_weak[task] = by_weak.get(task), "somebody"
    return seen


def by_reference(task: Task) -> Any:
    seen = [reference for reference in references if reference() is task]
    references.append(weakref.ref(task))
    return seen or None


def by_attribute(task: Task) -> Any:
    """As asgiref's Local, version 3.6: see `LocalOfOldAsgiref`."""
    seen = getattr(task, "user", None)
    task.user = "somebody"  # type: ignore[attr-defined]
    return seen


def named(task: Task) -> Any:
    seen = task.get_name() if task.get_name() == "somebody's" else None
    task.set_name("somebody's")
    return seen


def by_its_name(task: Task) -> Any:
    """What is kept is a text that nobody can follow to the task."""
    seen, by_name["of " + task.get_name()] = by_name.get("of " + task.get_name()), "somebody"
    return seen


def by_its_coroutine(task: Task) -> Any:
    coroutine = task.get_coro()
    seen, by_coroutine[coroutine] = by_coroutine.get(coroutine), "somebody"
    return seen


def in_context(task: Task) -> Any:
    seen = user.get()
    user.set("somebody")
    return seen


def in_a_context_that_keeps_it(task: Task) -> Any:
    """The context, and with it the task, outlives the call in a timer."""
    holder.set(task)
    asyncio.get_running_loop().call_later(3600, int)
    return strongly(task)


holder: ContextVar[Any] = ContextVar("holder", default=None)


def cancelled(task: Task) -> Any:
    """As a scope that cancels its host and counts on uncancelling it."""
    seen = task.cancelling() or None
    task.cancel()
    return seen


def called_back(task: Task) -> Any:
    task.add_done_callback(lambda task: note(f"done {task.done()}"))
    return None


class LocalOfOldAsgiref:
    """The mechanism of asgiref 3.6's `Local`: attributes on the task object, and a WeakSet of
    the tasks that have them.  (Django 5 needs a later one, so it cannot be installed here.)"""

    def __init__(self) -> None:
        self.contexts: weakref.WeakSet[Any] = weakref.WeakSet()
        self.attribute = f"_asgiref_local_impl_{id(self)}"

    def storage(self) -> dict[str, Any]:
        task = asyncio.current_task()
        storage: dict[str, Any] | None = getattr(task, self.attribute, None)
        if storage is None:
            storage = {}
            setattr(task, self.attribute, storage)
            self.contexts.add(task)
        return storage


active = LocalOfOldAsgiref()


def translated(task: Task) -> Any:
    """As Django 4.2's `translation.activate` on it."""
    storage = active.storage()
    seen = storage.get("language")
    storage["language"] = "de"
    return seen


WAYS: dict[str, Callable[[Task], Any]] = {
    function.__name__: function
    for function in (
        *(strongly, weakly, by_reference, by_attribute, named, by_its_name, by_its_coroutine),
        *(in_context, in_a_context_that_keeps_it, cancelled, called_back, translated),
    )
}


awaited: list[asyncio.Future[None]] = []
"""The one future that requests wait for, as when only the first of them asks a database."""
arrived: list[str] = []


async def share(needed: int) -> str | None:
    """Wait for what others wait for as well; the last of them lets all go. What went wrong."""
    if not awaited:
        awaited.append(asyncio.get_running_loop().create_future())
    (future,) = awaited
    arrived.append("one")
    if len(arrived) == needed:
        future.get_loop().call_later(0.01, future.set_result, None)
        awaited.clear()
        arrived.clear()
    try:
        await future
    except RuntimeError as error:
        return str(error)
    return None


async def app(scope: Scope, receive: Receive, send: Send) -> None:
    if scope["type"] != "http":
        raise NotImplementedError
    if scope["path"] == "/shared":
        wrong = await share(int(scope["query_string"]))
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": json.dumps(wrong).encode()})
        return
    way, moment = scope["query_string"].decode().split("&")
    if moment == "later":
        await asyncio.sleep(0)
    task = asyncio.current_task()
    assert task is not None
    seen = WAYS[way](task)
    if way == "cancelled" and moment == "later":
        try:
            await asyncio.sleep(0)
        except asyncio.CancelledError:
            pass
    assert asyncio.current_task() is task
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": json.dumps(seen and str(seen)).encode()})
