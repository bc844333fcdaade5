"""What a connection knows of itself changes through its methods: nothing sets it from outside."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import fivefold
from fivefold.iomodels.interface import Connection
from fivefold.iomodels.lifetime import Lifetime

SOURCE = Path(fivefold.__file__).parent

LIFETIME = set(Lifetime.__annotations__)

CONNECTION = set(Connection.__annotations__) - {"sock", "fd", "request_id"} | {"peer", "local"}
"""`sock`, `fd` and `request_id` are those of many things."""

OWNERS = {SOURCE / "iomodels" / "lifetime.py", SOURCE / "http2" / "stream.py"}
"""Of a connection's life, and of that of a stream, which content takes for one."""


def stored(module: Path) -> Iterator[tuple[str, str]]:
    """Each attribute that the module sets, and of what."""
    for node in ast.walk(ast.parse(module.read_text())):
        if isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store | ast.Del):
            yield ast.unparse(node.value), node.attr
        elif isinstance(node, ast.Call) and ast.unparse(node.func) in ("setattr", "delattr"):
            owner, name, *_ = node.args
            yield ast.unparse(owner), str(name.value) if isinstance(name, ast.Constant) else ""
        elif isinstance(node, ast.Subscript) and isinstance(node.ctx, ast.Store):
            table = node.value
            known = isinstance(table, ast.Attribute) and table.attr == "__dict__"
            if known and isinstance(node.slice, ast.Constant):
                yield ast.unparse(table), str(node.slice.value)


@pytest.mark.parametrize(
    "module", sorted(SOURCE.rglob("*.py")), ids=lambda m: m.relative_to(SOURCE).as_posix()
)
def test_nothing_sets_what_a_connection_owns(module: Path) -> None:
    """Not even its engine sets a deadline: these are the tables of one rule."""
    found = list(stored(module))
    assert module in OWNERS or not [(of, name) for of, name in found if name in LIFETIME]
    assert not [(of, name) for of, name in found if name in CONNECTION and of != "self"]
