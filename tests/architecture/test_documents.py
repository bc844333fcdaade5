"""HACKING.md's tree is the tree; README.md shows the two commands."""

from __future__ import annotations

from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SOURCE = ROOT / "src" / "fivefold"

MODULES = [m for m in SOURCE.rglob("*.py") if m.stat().st_size and m.name != "__init__.py"]


@pytest.mark.parametrize("module", MODULES, ids=lambda m: str(m.relative_to(SOURCE)))
def test_hacking_names_every_module(module: Path) -> None:
    assert module.name in (ROOT / "HACKING.md").read_text()


@pytest.mark.parametrize("command", ["make serve", "make test"])
def test_the_readme_shows_the_two_commands(command: str) -> None:
    assert command in (ROOT / "README.md").read_text()
