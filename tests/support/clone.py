"""A copy of the project, as it lies here, and a shell in it: where a reader types our commands."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.document_shell import Shell
from support.project_files import project_files

ROOT = Path(__file__).resolve().parents[2]


def copied(folder: Path) -> Path:
    """`folder`, which has then what a clone of the present state would have."""
    for name in project_files(ROOT):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(ROOT / name, folder / name)
    return folder


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    return copied(tmp_path / "clone")


@pytest.fixture
def shell(clone: Path) -> Iterator[Shell]:
    """In the clone, with the environment that the tests run in."""
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    shell = Shell(clone, {**os.environ, "PATH": path, "PYTHONWARNINGS": "default"})
    yield shell
    shell.close()
