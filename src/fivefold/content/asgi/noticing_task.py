"""A task of asyncio that notices what others do with it: only then may it be lent (`tasks`)."""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Callable
from typing import Any


class Task(asyncio.Task[None]):
    """A task that notices what others do with it: then it is not lent again."""

    __slots__ = ("marked",)

    marked: bool
    """Whether it has an attribute, a callback, a name that other code knows, was cancelled, or
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
