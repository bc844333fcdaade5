"""How many workers `auto` means, where a container or `taskset` leaves fewer processors."""

from __future__ import annotations

import os
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from fivefold.server.processors import usable


@pytest.fixture
def processors(monkeypatch: pytest.MonkeyPatch) -> int:
    """As many as the limits below are about."""
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(8)))
    return 8


@pytest.mark.parametrize(
    ("own", "above", "workers"),
    [
        ("max 100000", "max 100000", 8),
        ("150000 100000", "max 100000", 2),
        ("max 100000", "300000 100000", 3),
        ("50000 100000", "300000 100000", 1),
        ("10000000 100000", "max 100000", 8),
        ("damaged", None, 8),
        (None, None, 8),
    ],
)
def test_the_share_of_a_control_group_is_a_limit(
    own: str | None, above: str | None, workers: int, tmp_path: Path, processors: int
) -> None:
    assert processors
    (tmp_path / "cgroup").write_text("4:memory:/elsewhere\n0::/pods/shop\n")
    (tmp_path / "fs/pods/shop").mkdir(parents=True)
    for folder, text in (("fs/pods/shop", own), ("fs/pods", above)):
        if text is not None:
            (tmp_path / folder / "cpu.max").write_text(text + "\n")
    assert usable(tmp_path / "fs", tmp_path / "cgroup") == workers


def test_no_control_groups_are_no_limit(tmp_path: Path, processors: int) -> None:
    assert usable(tmp_path, tmp_path / "none") == processors


def test_processors_that_taskset_takes_away_are_not_counted() -> None:
    core = str(min(os.sched_getaffinity(0)))
    serve = [sys.executable, "-m", "fivefold", "serve", "-w", "auto", "--print-config"]
    done = subprocess.run(["taskset", "-c", core, *serve], capture_output=True, check=True)
    assert tomllib.loads(done.stdout.decode())["workers"] == 1
