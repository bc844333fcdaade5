"""Telling what a connection does, for tracing: wrappers that tell and otherwise change nothing.

They are put on one connection when somebody observes it; the others keep their methods,
so nobody else pays.
"""

from __future__ import annotations

import errno
from collections.abc import Callable, Coroutine
from typing import Any

Tell = Callable[[str, dict[str, Any]], None]
"""Takes the name of an event and its details."""

OPERATIONS = ("recv", "send", "send_file", "read_file")
"""Those of a connection that move bytes."""


def observed(
    operation: Callable[..., Any], name: str, tell: Tell
) -> Callable[..., Coroutine[Any, Any, Any]]:
    """An operation that tells when it is asked for and when it is done."""

    async def wrapped(*arguments: Any) -> Any:
        tell(f"{name}.begin", {})
        try:
            result = await operation(*arguments)
        except BaseException as error:
            tell(f"{name}.end", {"error": type(error).__name__})
            raise
        moved = len(result) if isinstance(result, bytes) else len(arguments[0])
        if name == "send_file":
            moved += arguments[3]
        tell(f"{name}.end", {"bytes": moved})
        return result

    return wrapped


def timed(call: Callable[..., Any], name: str, tell: Tell) -> Callable[..., Any]:
    """A system call that tells when it is entered and left."""

    def wrapped(*arguments: Any) -> Any:
        tell(f"{name}.enter", {})
        try:
            result = call(*arguments)
        except OSError as error:
            tell(f"{name}.exit", {"error": errno.errorcode.get(error.errno or 0, "")})
            raise
        tell(f"{name}.exit", {"bytes": result if isinstance(result, int) else len(result)})
        return result

    return wrapped
