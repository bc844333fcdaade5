"""A test that is skipped where everything must run has failed, unless `.ci/skips` lists it.

A skip is silent: a program that is missing, a kernel that refuses, a pair that no longer starts,
and a suite is green that has tested nothing.  So with FIVEFOLD_CI set, as `.ci/run` sets it,
each skip must match a line of that file, by its test and by its reason.
"""

from __future__ import annotations

import os
from collections.abc import Generator
from fnmatch import fnmatchcase
from pathlib import Path
from typing import NamedTuple

import pytest

VARIABLE = "FIVEFOLD_CI"

DEMANDED = bool(os.environ.get(VARIABLE))
"""Read once: servers are not to see it, who warn of variables of their prefix."""

LIST = Path(__file__).parents[2] / ".ci" / "skips"

PREFIX = "Skipped: "
"""Before the reason, in what pytest reports."""


class Line(NamedTuple):
    """Both may have `*` for any characters; brackets are those of a test's parameters."""

    test: str
    reason: str

    def matches(self, test: str, reason: str) -> bool:
        return like(self.test, test) and like(self.reason, reason)


def like(pattern: str, text: str) -> bool:
    return fnmatchcase(text, pattern.replace("[", "[[]").replace("?", "[?]"))


def listed(path: Path = LIST) -> list[Line]:
    """Its lines, `TEST | REASON`, without the empty ones and those of comments."""
    lines = (line.strip() for line in path.read_text().splitlines())
    rows = [line.partition("|") for line in lines if line and not line.startswith("#")]
    return [Line(test.strip(), reason.strip()) for test, _, reason in rows]


def judge(report: pytest.TestReport | pytest.CollectReport) -> None:
    """Make a failure of a skip that no line matches."""
    if not report.skipped or hasattr(report, "wasxfail") or not DEMANDED:
        return
    assert isinstance(report.longrepr, tuple)
    reason = report.longrepr[2].removeprefix(PREFIX)
    if not any(line.matches(report.nodeid, reason) for line in listed()):
        report.outcome = "failed"
        report.longrepr = f"{report.nodeid} is skipped, and .ci/skips does not list it: {reason}"


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    judge(report)
    return report


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report() -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    report = yield
    judge(report)
    return report
