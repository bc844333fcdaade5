"""The tree is the diagram: folders instead of prefixes, few files in each, one name once."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path

import pytest

import fivefold

SOURCE = Path(fivefold.__file__).parent

FOLDERS = sorted({module.parent for module in SOURCE.rglob("*.py")})
MODULES = sorted(m for m in SOURCE.rglob("*.py") if m.name != "__init__.py")

MOST_FILES = 16

ROOT = {"__init__.py", "__main__.py", "errors.py", "py.typed", "testing.py"}

TWICE = {
    "__main__": "Python's own name for what `python -m` runs",
    "base": "the interface of serving models, and that of I/O models",
    "connection": "HTTP's, and those that an engine or a layer has of its own",
    "files": "how an engine reads regular files",
    "listener": "how an engine accepts",
    "page": "the report of a command as one page",
    "session": "one run of a command, from its wishes to its document",
    "tables": "the tables of such a page",
}
"""Module names that stand in more than one folder, and why each is the best name there."""


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
