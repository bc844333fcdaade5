"""docs/security.md claims nothing that is not there: each test and file that it names exists."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
TEXT = (ROOT / "docs" / "security.md").read_text()

NAMED = re.findall(r"`([^`]*)`", TEXT)


def named_tests() -> list[tuple[str, str]]:
    """File and test; a test without a file is in that of the one before."""
    found, file = [], ""
    for name in NAMED:
        path, _, test = name.partition("::")
        file = path if path.endswith(".py") else file
        if test:
            found.append((file, test.partition("[")[0]))
    return found


def test_the_tests_are_there() -> None:
    missing = [
        f"{file}::{test}"
        for file, test in named_tests()
        if not (ROOT / "tests" / file).exists()
        or f"def {test}(" not in (ROOT / "tests" / file).read_text()
    ]
    assert not missing


def test_the_files_are_there() -> None:
    files = [name for name in NAMED if re.fullmatch(r"[\w/]+\.(py|md)", name)]
    places = (ROOT, ROOT / "tests", ROOT / "src" / "fivefold")
    assert not [name for name in files if not any((place / name).exists() for place in places)]
