"""No coroutine waits inside of an `except` block: the exception, its traceback and the frames in
it, with all that they hold, would live as long as the wait."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import fivefold

SOURCE = Path(fivefold.__file__).parent

WAITS = (ast.Await, ast.Yield, ast.YieldFrom, ast.AsyncFor, ast.AsyncWith)
FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)

ALLOWED = {
    "content/static/responses.py": "for the disk: the answer is sent by the caller, behind it",
    "listening/unix_socket.py": "for the block of a context manager, while a socket is bound",
    "serving/base.py": "an accept that is out of descriptors: one for each listener",
    "serving/open_connections.py": "a fault of the server, until its connection is closed",
    "serving/process/acceptor.py": "the last connection of a worker that has lost its forker",
    "transport/tls/connection.py": "a flight of the handshake, which an empty buffer takes",
    "transport/tls/renewals.py": "for the block of a context manager, which does not wait",
}
"""Where it is done all the same, for how long, and for whom."""


def own(node: ast.AST) -> Iterator[ast.AST]:
    """What is below, but for the bodies of functions that are only made there."""
    for child in ast.iter_child_nodes(node):
        if not isinstance(child, FUNCTIONS):
            yield child
            yield from own(child)


def waits(source: str) -> list[int]:
    """The lines of waits in handlers."""
    handlers = (n for n in ast.walk(ast.parse(source)) if isinstance(n, ast.ExceptHandler))
    return [n.lineno for handler in handlers for n in own(handler) if isinstance(n, WAITS)]


def test_only_these_wait_in_handlers() -> None:
    found = {
        module.relative_to(SOURCE).as_posix(): lines
        for module in sorted(SOURCE.rglob("*.py"))
        if (lines := waits(module.read_text()))
    }
    assert found.keys() == ALLOWED.keys(), found


def test_a_wait_in_a_handler_is_found() -> None:
    handler = "async def f():\n try:\n  pass\n except OSError:\n  if x:\n   await g()\n await h()"
    assert waits(handler) == [6]
