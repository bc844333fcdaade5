"""Telling what a connection does, for tracing: wrappers that tell and otherwise change nothing.

They are put on one connection when somebody observes it; the others keep their methods,
so nobody else pays.
"""

from __future__ import annotations

import errno
from collections.abc import Callable, Coroutine, Generator
from time import thread_time_ns
from typing import Any, Protocol

Tell = Callable[[str, dict[str, Any]], None]
"""Takes the name of an event and its details."""

OPERATIONS = ("recv", "send", "send_file", "read_file")
"""Those of a connection that move bytes."""


class Observable(Protocol):
    """What is asked of a connection."""

    file_copies: int
    processor_ns: Callable[[], int]


def observed(
    conn: Observable, name: str, tell: Tell, operation: Callable[..., Coroutine[Any, Any, Any]]
) -> Callable[..., Coroutine[Any, Any, Any]]:
    """An operation that tells when it is asked for and when it is done.

    `processor_ns` grows by what the operation needed of a processor, and by what the same
    thread did meanwhile for others; in the rest of the time it waited.
    """
    clock, copies = conn.processor_ns, conn.file_copies

    async def wrapped(*arguments: Any) -> Any:
        tell(f"{name}.begin", {"processor_ns": clock()})
        try:
            result = await operation(*arguments)
        except BaseException as error:
            tell(f"{name}.end", {"error": type(error).__name__, "processor_ns": clock()})
            raise
        parts = [result] if isinstance(result, bytes) else arguments
        moved = sum(len(part) for part in parts if isinstance(part, bytes))
        detail = {"bytes": moved, "processor_ns": clock()}
        if name == "send_file":
            detail["bytes"] += arguments[3]
            detail["copied"] = moved + arguments[3] * copies
        tell(f"{name}.end", detail)
        return result

    return wrapped


def timed(name: str, tell: Tell, call: Callable[..., Any]) -> Callable[..., Any]:
    """A system call that tells when it is entered and left."""

    def wrapped(*arguments: Any) -> Any:
        tell(f"{name}.enter", {"processor_ns": thread_time_ns()})
        try:
            result = call(*arguments)
        except OSError as error:
            reason = errno.errorcode.get(error.errno or 0, "")
            tell(f"{name}.exit", {"error": reason, "processor_ns": thread_time_ns()})
            raise
        count = result if isinstance(result, int) else len(result)
        tell(f"{name}.exit", {"bytes": count, "processor_ns": thread_time_ns()})
        return result

    return wrapped


def awaited(name: str, tell: Tell, wait: Callable[..., Generator[Any, None, None]]) -> Any:
    """A wait that tells when it begins and ends; nothing, if there was nothing to wait for."""

    def wrapped(*arguments: Any) -> Generator[Any, None, None]:
        waiting = False
        for waiter in wait(*arguments):
            if not waiting:
                tell(f"{name}.begin", {})
                waiting = True
            yield waiter
        if waiting:
            tell(f"{name}.end", {})

    return wrapped
