"""Long files are begun first where files are run side by side."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import cast

import pytest

from support import TESTS
from support.long_files import LONG, begin_first


@dataclass
class FakeItem:
    path: Path
    name: str


@pytest.mark.parametrize("file", LONG)
def test_each_is_there(file: str) -> None:
    assert (Path(TESTS) / file).is_file()


def test_then_come_those_with_the_most_tests() -> None:
    files = {"a.py": 1, "b.py": 3, "c.py": 1, LONG[0]: 1}
    items = [
        FakeItem(Path("tests") / f, str(n)) for f, count in files.items() for n in range(count)
    ]
    begin_first(cast("list[pytest.Item]", items))
    found = [(item.path.relative_to("tests").as_posix(), item.name) for item in items]
    assert found == [
        (LONG[0], "0"),
        ("b.py", "0"),
        ("b.py", "1"),
        ("b.py", "2"),
        ("a.py", "0"),
        ("c.py", "0"),
    ]
