"""Imports go one way: the contracts of pyproject.toml hold, as drawn, and without circles."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from graphlib import TopologicalSorter
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
SOURCE = ROOT / "src"


def test_import_contracts_hold() -> None:
    done = subprocess.run(
        [Path(sys.executable).with_name("lint-imports"), "--no-cache"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_design_shows_the_layers_that_are_checked() -> None:
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]
    (layers,) = [c["layers"] for c in contracts["contracts"] if c["type"] == "layers"]
    shape = (ROOT / "docs" / "design.md").read_text().partition("## The shape")[2]
    table = shape.partition("| layer |")[2].partition("\n\n")[0]
    drawn = [re.findall(r"`(\w+)`", line.split("|")[1]) for line in table.splitlines()[2:]]
    assert drawn == [layer.replace("fivefold.", "").split(" | ") for layer in layers]


def name_of(module: Path) -> str:
    parts = module.relative_to(SOURCE).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {name_of(module): module for module in SOURCE.rglob("*.py")}


def imported(name: str, module: Path) -> Iterator[str]:
    """All of it: what is only for the types, or within a function, is a circle as well."""
    package = name if module.name == "__init__.py" else name.rpartition(".")[0]
    for node in ast.walk(ast.parse(module.read_text())):
        if isinstance(node, ast.ImportFrom) and node.level:
            parts = package.split(".")[: len(package.split(".")) - node.level + 1]
            origin = ".".join([*parts, *([node.module] if node.module else [])])
            for alias in node.names:
                inner = f"{origin}.{alias.name}"
                yield inner if inner in MODULES else origin


def test_no_modules_import_each_other_in_a_circle() -> None:
    graph = {name: {*imported(name, module)} - {name} for name, module in MODULES.items()}
    assert sum(map(len, graph.values())) > len(MODULES)
    TopologicalSorter(graph).prepare()  # raises CycleError, with the circle
