"""State is born in `__init__`: no attribute of an object first appears in another method."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import fivefold

SOURCE = Path(fivefold.__file__).parent

MODULES = sorted(SOURCE.rglob("*.py"))

BORN_IN = ("__init__", "__post_init__", "__enter__")
"""And what `__init__` calls to set or reset some: as pylint's W0201 has it.  What lives as long
as a `with` block is born when it is entered."""

LATER: dict[str, tuple[str, str]] = {
    "Connection": ("io", "said by the serving model right after it is made (`belong_to`)"),
    "Frames": ("current_size", "born in the class of the library"),
    "LiveObserver": (
        "_choice _content _generation _spoken _server inspection pipe switch",
        "of the run of a server, or of one trace, which begin after it",
    ),
    "Locust": ("_common _port _seconds", "of the run that `prepare` begins"),
    "Operation": ("buffer count fd", "fields of a C structure, zero at its birth"),
    "Reader": ("_ask", "there is no answer before its question"),
    "Sampler": ("_respond", "of the content that it is put in front of"),
    "Scheduled": ("schedule", "its clock begins with the run, and not with its clients"),
    "StatusObserver": ("_here _is_loop _rows", "of the run of a server, and of a worker"),
    "Wrk": ("_seconds _words", "of the run that `prepare` begins"),
}
"""By class: which attributes are born later, and why."""


def assigned(method: ast.AST) -> Iterator[str]:
    """Attributes of `self` that are set there, those of functions within included."""
    for node in ast.walk(method):
        if (
            isinstance(node, ast.Attribute)
            and isinstance(node.ctx, ast.Store)
            and isinstance(node.value, ast.Name)
            and node.value.id == "self"
        ):
            yield node.attr


def classes() -> dict[str, ast.ClassDef]:
    """By name, of which there is one each."""
    nodes = (node for module in MODULES for node in ast.walk(ast.parse(module.read_text())))
    return {node.name: node for node in nodes if isinstance(node, ast.ClassDef)}


def methods(cls: ast.ClassDef) -> list[ast.FunctionDef | ast.AsyncFunctionDef]:
    return [node for node in cls.body if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]


def giving_birth(cls: ast.ClassDef) -> set[str]:
    """`__init__`, and the methods of the class that it calls."""
    found = set(BORN_IN)
    for method in methods(cls):
        if method.name in BORN_IN:
            calls = (node.func for node in ast.walk(method) if isinstance(node, ast.Call))
            found |= {
                call.attr
                for call in calls
                if isinstance(call, ast.Attribute) and ast.unparse(call.value) == "self"
            }
    return found


def declared(name: str, known: dict[str, ast.ClassDef]) -> set[str]:
    """What objects of the class have from their birth: its own and its bases'; properties."""
    cls = known[name]
    found = {method.name for method in methods(cls)}
    is_dataclass = any("dataclass" in ast.unparse(decorator) for decorator in cls.decorator_list)
    for node in cls.body:
        if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            if node.value is not None or is_dataclass:
                found.add(node.target.id)
        elif isinstance(node, ast.Assign):
            found |= {target.id for target in node.targets if isinstance(target, ast.Name)}
    for method in methods(cls):
        if method.name in giving_birth(cls):
            found |= set(assigned(method))
    for base in cls.bases:
        origin = base.value if isinstance(base, ast.Subscript) else base
        base_name = origin.id if isinstance(origin, ast.Name) else ""
        if base_name in known and base_name != name:
            found |= declared(base_name, known)
    return found


def late(name: str, known: dict[str, ast.ClassDef]) -> set[str]:
    born = declared(name, known)
    return {each for method in methods(known[name]) for each in assigned(method)} - born


def all_late() -> set[str]:
    known = classes()
    return {f"{name}.{attribute}" for name in known for attribute in late(name, known)}


def test_every_attribute_is_born_in_init() -> None:
    allowed = {f"{name}.{each}" for name, (some, _) in LATER.items() for each in some.split()}
    assert all_late() == allowed


@pytest.mark.parametrize("module", MODULES, ids=lambda m: m.relative_to(SOURCE).as_posix())
def test_no_object_is_asked_whether_it_has_an_attribute_of_its_own(module: Path) -> None:
    asked = [
        node.lineno
        for node in ast.walk(ast.parse(module.read_text()))
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Name)
        and node.func.id in ("hasattr", "getattr")
        and node.args
        and isinstance(node.args[0], ast.Name)
        and node.args[0].id == "self"
        and (node.func.id == "hasattr" or len(node.args) > 2)
    ]
    assert asked == []
