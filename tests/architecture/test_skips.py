"""A skip that `.ci/skips` does not list is a failure where FIVEFOLD_CI is set."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from support import TESTS
from support.listed_skips import LIST, Line, listed

SKIPPING = """
import pytest

def test_in_the_middle():
    pytest.skip("no kernel like this")

@pytest.mark.skip(reason="not today")
def test_at_once():
    raise AssertionError

@pytest.mark.xfail
def test_expected():
    raise AssertionError

def test_passes():
    pass
"""

SKIPPED_WHOLE = """
import pytest

pytest.importorskip("a_library_that_is_nowhere")
"""


def run(folder: Path, **environment: str) -> str:
    """What pytest says at its end of a folder with a file of each kind."""
    (folder / "test_skipping.py").write_text(SKIPPING)
    (folder / "test_whole.py").write_text(SKIPPED_WHOLE)
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-p",
        "support.listed_skips",
        "-p",
        "no:cacheprovider",
        "-q",
    ]
    command += ["--continue-on-collection-errors"]
    inherited = {name: text for name, text in os.environ.items() if name != "FIVEFOLD_CI"}
    return subprocess.run(
        command,
        cwd=folder,
        env=inherited | {"PYTHONPATH": TESTS} | environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    ).stdout


def test_what_is_not_listed_fails(tmp_path: Path) -> None:
    said = run(tmp_path, FIVEFOLD_CI="1")
    assert ".ci/skips does not list it: no kernel like this" in said
    assert ".ci/skips does not list it: not today" in said
    assert "test_whole.py is skipped, and .ci/skips does not list it: could not import" in said
    assert said.splitlines()[-1].startswith("1 failed, 1 passed, 1 xfailed, 2 errors")


def test_elsewhere_a_skip_is_one(tmp_path: Path) -> None:
    assert run(tmp_path).splitlines()[-1].startswith("1 passed, 3 skipped, 1 xfailed")


def test_both_the_test_and_its_reason_must_match() -> None:
    line = Line("tests/a.py::test[*-uring]", "needs root: *")
    assert line.matches("tests/a.py::test[async-uring]", "needs root: be it")
    assert not line.matches("tests/a.py::test[async-uring]", "needs wrk")
    assert not line.matches("tests/a.py::test[async-epoll]", "needs root: be it")


@pytest.mark.parametrize("line", listed(), ids=lambda line: line.test)
def test_every_line_is_about_a_test_that_is_there(line: Line) -> None:
    assert line.reason
    assert list(LIST.parents[1].glob(line.test.partition("::")[0]))
