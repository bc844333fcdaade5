"""HACKING.md names the folders, documents name files that exist, README.md the two commands."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SOURCE = ROOT / "src" / "fivefold"

FOLDERS = [f for f in SOURCE.iterdir() if f.is_dir() and f.name != "__pycache__"]

DOCUMENTS = [ROOT / "HACKING.md", *(ROOT / "docs").glob("*.md")]

OURS = re.compile(r"`((?:src/fivefold/|tests/|bench/|docs/)?[a-z_0-9]+/[a-z_0-9/]*\.(?:py|txt))\b")
"""A file in a folder, between backticks."""

PLACES = (ROOT, SOURCE, ROOT / "tests")


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda f: f.name)
def test_hacking_names_every_folder(folder: Path) -> None:
    assert f"`{folder.name}/" in (ROOT / "HACKING.md").read_text()


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda d: d.name)
def test_a_document_names_files_that_exist(document: Path) -> None:
    named = OURS.findall(document.read_text())
    assert [path for path in named if not any((place / path).exists() for place in PLACES)] == []


@pytest.mark.parametrize("command", ["make serve", "make test"])
def test_the_readme_shows_the_two_commands(command: str) -> None:
    assert command in (ROOT / "README.md").read_text()
