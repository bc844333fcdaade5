"""The tree is the diagram: folders instead of prefixes, few files in each, one name once."""

from __future__ import annotations

import ast
import re
from collections import defaultdict
from pathlib import Path

import pytest

import fivefold

SOURCE = Path(fivefold.__file__).parent

FOLDERS = sorted({module.parent for module in SOURCE.rglob("*.py")})
MODULES = sorted(m for m in SOURCE.rglob("*.py") if m.name != "__init__.py")

MOST_FILES = 16

ROOT = {"__init__.py", "__main__.py", "errors.py", "py.typed", "testing.py"}

OF_BOTH = "the same thing of HTTP/1.1 and of HTTP/2"

TWICE = {
    "__main__": "Python's own name for what `python -m` runs",
    "body": OF_BOTH,
    "exchange": OF_BOTH,
    "request": OF_BOTH,
    "stream": "what HTTP/1.1 needs of a connection, and one of the many of HTTP/2",
    "base": "the interface of serving models, and that of content",
    "connection": "HTTP's, and those that an engine or a layer has of its own",
    "files": "how an engine reads regular files",
    "listener": "how an engine accepts",
    "page": "the report of a command as one page",
    "session": "one run of a command, from its wishes to its document",
}
"""Module names that stand in more than one folder, and why each is the best name there."""

TESTS = Path(__file__).parents[1]

CROSSING = {
    "applications": "what the servers of many tests serve",
    "architecture": "the tree, the documents and the imports themselves",
    "bench": "of `bench`, which is no part of the package",
    "reliability": "of `reliability`, which is no part of the package",
    "contract": "one interface, over every engine",
    "databases": "foreign clients of databases, in every loop",
    "deploy": "of `deploy`, which is no part of the package",
    "documents": "what documents claim, of whatever part",
    "pairs": "one suite over every serving model and every engine",
    "release": "of the distributions that `make dist` builds",
    "soak": "a program of its own: `make soak`",
    "support": "what tests share",
}
"""Folders of tests that are no folder of the source, and why."""

WITHOUT_TESTS = {"applications", "soak", "support"}


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda f: f.relative_to(SOURCE).as_posix())
def test_a_folder_can_be_read_at_a_glance(folder: Path) -> None:
    assert len(list(folder.glob("*.py"))) <= MOST_FILES


@pytest.mark.parametrize("module", MODULES, ids=lambda m: m.relative_to(SOURCE).as_posix())
def test_no_file_repeats_the_name_of_its_folder(module: Path) -> None:
    assert module.parent == SOURCE or module.parent.name not in module.stem
    folders = [f.name for f in module.parent.iterdir() if f.is_dir()]
    assert not [name for name in folders if module.stem.startswith(f"{name}_")]


def test_the_root_holds_folders() -> None:
    assert {entry.name for entry in SOURCE.iterdir() if entry.is_file()} == ROOT


def test_a_module_name_stands_once() -> None:
    places = defaultdict(list)
    for module in MODULES:
        places[module.stem].append(module)
    assert {name for name, found in places.items() if len(found) > 1} == set(TWICE)


def test_every_folder_says_what_it_is() -> None:
    assert not [f for f in FOLDERS if not (f / "__init__.py").read_text().startswith('"""')]


def folders_of_tests() -> set[str]:
    found = {module.parent.relative_to(TESTS).as_posix() for module in TESTS.rglob("*.py")}
    return {folder for folder in found if folder != "."}


def test_tests_mirror_the_source() -> None:
    apart = {f for f in folders_of_tests() if not (SOURCE / f).is_dir()}
    assert {folder.partition("/")[0] for folder in apart} == set(CROSSING)


def test_what_tests_share_is_one_package() -> None:
    modules = [module.relative_to(TESTS) for module in TESTS.rglob("*.py")]
    helpers = [m for m in modules if m.parts[0] not in WITHOUT_TESTS and m.name[:5] != "test_"]
    assert [helper.as_posix() for helper in helpers] == ["conftest.py"]


def test_no_test_imports_a_test() -> None:
    imports = re.compile(r"^\s*(from|import) test_", re.MULTILINE)
    assert [test for test in TESTS.rglob("test_*.py") if imports.search(test.read_text())] == []


def test_a_class_name_stands_once() -> None:
    places = defaultdict(list)
    for module in SOURCE.rglob("*.py"):
        for node in ast.walk(ast.parse(module.read_text())):
            if isinstance(node, ast.ClassDef):
                places[node.name].append(module)
    assert [name for name, found in places.items() if len(found) > 1] == []
