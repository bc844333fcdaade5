"""Whose exchange it is that a thread works for at this moment.

What an observed folder opens it tells without a connection, and one thread serves many, in
turns.  So the coroutine that answers is driven step by step: while it runs, its thread works
for its exchange; while it waits, for none.

Assumption.   A file is opened in the thread of its connection. What a pool's thread opens (to
              compress it) belongs to no request, and is not in the trace.
"""

from __future__ import annotations

import types
from collections.abc import Callable, Coroutine, Generator
from typing import Any

from .recording import Recording
from .working import working


@types.coroutine
def attributed(
    answering: Coroutine[Any, Any, None], recording: Recording
) -> Generator[Any, Any, None]:
    """Await `answering`, for the exchange that is recorded."""
    step: Callable[[Any], Any] = answering.send
    value: Any = None
    while True:
        working.recording = recording
        try:
            waiter = step(value)
        except StopIteration:
            return
        finally:
            working.recording = None
        try:
            value, step = (yield waiter), answering.send
        except GeneratorExit:
            answering.close()
            raise
        except BaseException as error:  # noqa: BLE001 - thrown in from outside: it is for them
            value, step = error, answering.throw


def emit_for_working(event: str, detail: dict[str, Any]) -> None:
    """Let the exchange know for which this thread works, if it does for one."""
    if working.recording is not None:
        working.recording.emit(event, detail)
