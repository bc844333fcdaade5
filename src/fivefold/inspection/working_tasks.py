"""The tasks of the event loops of this process, and which call of an application each carries."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from types import FrameType
from typing import Any

from ..content.asgi.lent_task import LentTask
from ..content.asgi.tasks import _edged as edged
from .coroutines import RunningThreads, located

WorkingTask = tuple[asyncio.Task[Any], Any, list[FrameType]]
"""A task, which call of an application it carries, and where that is."""


def tasks_of(loops: set[asyncio.AbstractEventLoop], threads: RunningThreads) -> list[WorkingTask]:
    return [(task, *examined(task, threads)) for loop in loops for task in asyncio.all_tasks(loop)]


def examined(task: asyncio.Task[Any], threads: RunningThreads) -> tuple[Any, list[FrameType]]:
    """Which call of an application a task carries, and where that is."""
    coroutine: Any = task.get_coro()
    serves: Any = None
    if isinstance(coroutine, LentTask):
        serves, coroutine = coroutine.serves, coroutine.shown
    frames = located(coroutine, threads)[0]
    if frames and frames[0].f_code is edged.__code__:
        serves = frames[0].f_locals["caller"]
    while hasattr(serves, "serves"):  # from the application's loop to that of its connection
        serves = serves.serves
    return serves, frames


def loops_of(ios: Iterable[Any]) -> set[asyncio.AbstractEventLoop]:
    """The event loops of these I/O models, and of those that they hand calls to."""
    hosts = [host for io in ios for host in (io, getattr(io, "there", None)) if host is not None]
    return {host.loop for host in hosts if hasattr(host, "loop")}
