"""HACKING.md leads to what is there: each file that it names, and each name in it."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
SOURCE = ROOT / "src" / "fivefold"
TEXT = (ROOT / "HACKING.md").read_text()

HEADING = "## Where a behaviour is decided"
PLACE = re.compile(r"`([a-z0-9_/]+\.py)`(?:, `([^`]+)`)?")
PATH = re.compile(r"`((?:[a-z0-9_]+/)+[a-z0-9_]+\.py)`")


def test_each_behaviour_is_where_the_table_says() -> None:
    table = TEXT.partition(HEADING)[2].partition("\n## ")[0]
    places = PLACE.findall(table)
    assert len(places) > 15
    for path, name in places:
        assert (SOURCE / path).is_file(), path
        assert name in (SOURCE / path).read_text(), f"{name} in {path}"


def test_each_file_that_is_named_with_its_folder_is_there() -> None:
    roots = (ROOT, SOURCE, ROOT / "tests", ROOT / "tests" / "support")
    for path in PATH.findall(TEXT):
        assert any((root / path).is_file() for root in roots), path
