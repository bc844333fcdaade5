"""Methods of living objects are replaced by `Overlay`, and by nothing else."""

from __future__ import annotations

import ast
import inspect
from collections.abc import Iterator
from pathlib import Path
from typing import TypeGuard

import pytest

import fivefold
from fivefold.content.base import Content
from fivefold.content.static.files.file_cache import FileCache
from fivefold.http1.connection import Http1
from fivefold.http1.stream import HttpConnection
from fivefold.iomodels.interface import Connection, IOModel, Listener
from fivefold.iomodels.readiness.connection import ReadyConnection
from fivefold.serving.base import ServingModel

SOURCE = Path(fivefold.__file__).parent
SEAM = SOURCE / "iomodels/overlay.py"
MODULES = sorted(set(SOURCE.rglob("*.py")) - {SEAM})

CONTRACTS = (
    *(Connection, ReadyConnection, Listener, IOModel, HttpConnection),
    *(Content, FileCache, Http1, ServingModel),
)
FUNCTIONS = ast.FunctionDef | ast.AsyncFunctionDef

NAMES = {contract.__name__ for contract in CONTRACTS}
METHODS = {
    name
    for contract in CONTRACTS
    for base in inspect.getmro(contract)
    for name, member in vars(base).items()
    if inspect.isfunction(member) and not name.startswith("_")
} - {"io", "keep", "settled"}
"""What can be called on a connection, content and whatever else is watched; without names
that are attributes elsewhere: of a connection, an exchange, an entry."""

STATE = {
    "content/asgi/noticing_task.py": "a class of our own is made, from what asyncio's class has",
    "http1/exchange.py": "an exchange takes over the state of one that has begun",
    "iomodels/interface/lazy_attribute.py": "an attribute, by the name that it has",
    "isolation/starting_threads.py": "a flag of threading's that it lets nobody set",
    "load/tally.py": "counters are added up",
    "processes/ending.py": "a set of multiprocessing's that the child has inherited",
}
"""Where attributes are set by a computed name all the same, and why that replaces no method."""


def replaced(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """The line and the way of each replacement that is made by hand."""
    of_self = {
        store
        for node in ast.walk(tree)
        if isinstance(node, ast.ClassDef)
        for store in ast.walk(node)
        if is_store(store) and is_self(store.value) and store.attr not in methods_of(node)
    }
    for node in ast.walk(tree):
        line = getattr(node, "lineno", 0)
        if is_store(node):
            if node.attr in METHODS and node not in of_self:
                yield line, f".{node.attr} ="
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            if node.func.id in {"setattr", "delattr"}:
                yield line, f"{node.func.id}()"
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            if node.func.attr in {"update", "pop", "setdefault"} and is_dictionary(node.func.value):
                yield line, f"__dict__.{node.func.attr}()"
        elif isinstance(node, ast.Subscript) and not isinstance(node.ctx, ast.Load):
            yield from [(line, "__dict__[...] =")] if is_dictionary(node.value) else []


def is_store(node: ast.AST) -> TypeGuard[ast.Attribute]:
    return isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store | ast.Del)


def is_self(node: ast.AST) -> bool:
    return isinstance(node, ast.Name) and node.id == "self"


def methods_of(node: ast.ClassDef) -> set[str]:
    """What the class defines; all names of the contracts, if it derives from one of them."""
    bases = {base.id for base in node.bases if isinstance(base, ast.Name)}
    own = {
        part.name for part in node.body if isinstance(part, ast.FunctionDef | ast.AsyncFunctionDef)
    }
    return own | (METHODS if bases & NAMES else set())


def is_dictionary(node: ast.AST) -> bool:
    """Whether it is what an object has of its own."""
    if isinstance(node, ast.Call):
        return isinstance(node.func, ast.Name) and node.func.id == "vars"
    return isinstance(node, ast.Attribute) and node.attr == "__dict__"


@pytest.mark.parametrize("module", MODULES, ids=lambda m: m.relative_to(SOURCE).as_posix())
def test_no_method_is_replaced_by_hand(module: Path) -> None:
    found = list(replaced(ast.parse(module.read_text())))
    if module.relative_to(SOURCE).as_posix() in STATE:
        assert found, "it needs no exception any more"
        assert not [way for _, way in found if way.startswith(".")]
    else:
        assert found == []


@pytest.mark.parametrize(
    "code",
    [
        "conn.recv = first",
        "conn.recv: Any = first",
        "conn.send, conn.close = sending, closing",
        "del conn.recv",
        "self._content.answer_at_once = answer_at_once",
        "setattr(conn, name, ours)",
        "delattr(conn, name)",
        "conn.__dict__['peer'] = client",
        "vars(content)['answer_at_once'] = counting",
        "del vars(content)['answer_at_once']",
        "vars(content).update(before)",
        "vars(content).pop('answer_at_once')",
        "class Known(Connection):\n    def observe(self):\n        self.recv = other",
        "class Odd:\n    def close(self): ...\n    def install(self):\n        self.close = other",
    ],
)
def test_the_ways_of_old_are_found(code: str) -> None:
    assert list(replaced(ast.parse(code)))
