"""Probes on a connection, for tracing: wrappers that emit events and change nothing else.

They are put on one connection when a tracer observes it; the others keep their methods,
so they pay nothing.
"""

from __future__ import annotations

import errno
from collections.abc import Callable, Coroutine, Generator
from time import thread_time_ns
from typing import Any, Protocol

Probe = Callable[[str, dict[str, Any]], None]
"""Takes the name of an event and its details."""

OPERATIONS = ("recv", "send", "send_file", "read_file")
"""Those of a connection that move bytes."""


class Observable(Protocol):
    """What is asked of a connection."""

    file_copies: int
    processor_ns: Callable[[], int]


def probed_operation(
    conn: Observable, name: str, emit: Probe, operation: Callable[..., Coroutine[Any, Any, Any]]
) -> Callable[..., Coroutine[Any, Any, Any]]:
    """An operation that emits when it is asked for and when it is done.

    `processor_ns` grows by what the operation needed of a processor, and by what the same
    thread did meanwhile for others; in the rest of the time it waited.
    """
    clock, copies = conn.processor_ns, conn.file_copies

    async def wrapped(*arguments: Any) -> Any:
        emit(f"{name}.begin", {"processor_ns": clock()})
        try:
            result = await operation(*arguments)
        except BaseException as error:
            emit(f"{name}.end", {"error": type(error).__name__, "processor_ns": clock()})
            raise
        parts = [result] if isinstance(result, bytes) else arguments
        moved = sum(len(part) for part in parts if isinstance(part, bytes))
        detail = {"bytes": moved, "processor_ns": clock()}
        if name == "send_file":
            detail["bytes"] += arguments[3]
            detail["copied"] = moved + arguments[3] * copies
        emit(f"{name}.end", detail)
        return result

    return wrapped


def probed_call(name: str, emit: Probe, call: Callable[..., Any]) -> Callable[..., Any]:
    """A system call that emits when it is entered and left."""

    def wrapped(*arguments: Any) -> Any:
        emit(f"{name}.enter", {"processor_ns": thread_time_ns()})
        try:
            result = call(*arguments)
        except OSError as error:
            reason = errno.errorcode.get(error.errno or 0, "")
            emit(f"{name}.exit", {"error": reason, "processor_ns": thread_time_ns()})
            raise
        if result is None:  # as `ReadyConnection._recv` says it
            emit(f"{name}.exit", {"error": "EAGAIN", "processor_ns": thread_time_ns()})
            return None
        count = result if isinstance(result, int) else len(result)
        emit(f"{name}.exit", {"bytes": count, "processor_ns": thread_time_ns()})
        return result

    return wrapped


def probed_wait(name: str, emit: Probe, wait: Callable[..., Generator[Any, None, None]]) -> Any:
    """A wait that emits when it begins and ends; nothing, if there was nothing to wait for."""

    def wrapped(*arguments: Any) -> Generator[Any, None, None]:
        waiting = False
        for waiter in wait(*arguments):
            if not waiting:
                emit(f"{name}.begin", {})
                waiting = True
            yield waiter
        if waiting:
            emit(f"{name}.end", {})

    return wrapped
