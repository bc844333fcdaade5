"""Runs CPython's own tests of asyncio on loops that wait in an I/O model.

A script, for a process of its own: `cpython_asyncio.py ENGINE MODULE...`, where MODULE is
one of `test.test_asyncio`.  Ends with 1 if a test failed, with 2 if there are no tests.

Every loop that asyncio makes without being told of a selector takes
`selectors.DefaultSelector`, so that is the one thing to replace.
"""

from __future__ import annotations

import asyncio
import faulthandler
import selectors
import sys
import time
import unittest
from collections.abc import Iterator
from typing import Any, cast

from fivefold.iomodels import resolve
from fivefold.iomodels.host_selector import HostSelector

HANGS_AFTER_S = 50.0
"""Longer than everything takes, shorter than whoever started this waits."""

EXCLUDED = {
    "test_events.PollEventLoopTests": "brings its own selector; the same tests as EPoll...",
    "test_events.SelectEventLoopTests": "brings its own selector; the same tests as EPoll...",
    "test_sock_lowlevel.PollEventLoopTests": "brings its own selector; the same tests as EPoll...",
    "test_sock_lowlevel.SelectEventLoopTests": "brings its own selector; as EPoll...",
    "test_sendfile.PollEventLoopTests": "brings its own selector; the same tests as EPoll...",
    "test_sendfile.SelectEventLoopTests": "brings its own selector; the same tests as EPoll...",
}
"""Tests, or whole classes, that are left out, each with the reason."""


def tests_of(suite: unittest.TestSuite) -> Iterator[unittest.TestCase]:
    for entry in suite:
        if isinstance(entry, unittest.TestSuite):
            yield from tests_of(entry)
        elif not is_excluded(entry):
            yield entry


def is_excluded(test: unittest.TestCase) -> bool:
    name = test.id().removeprefix("test.test_asyncio.")
    return name in EXCLUDED or name.rpartition(".")[0] in EXCLUDED


def made_by_asyncio(_: object) -> asyncio.AbstractEventLoop:
    return asyncio.new_event_loop()


def use_ours(test: unittest.TestCase) -> None:
    """Let the classes that name a selector take the default one."""
    if type(test).__name__ == "EPollEventLoopTests":
        cast("Any", type(test)).create_event_loop = made_by_asyncio


class Timed(unittest.TextTestResult):
    """Names the slow ones."""

    def startTest(self, test: unittest.TestCase) -> None:  # noqa: N802 - unittest's name
        super().startTest(test)
        self._started = time.monotonic()

    def stopTest(self, test: unittest.TestCase) -> None:  # noqa: N802 - unittest's name
        super().stopTest(test)
        taken = time.monotonic() - self._started
        if taken > 1:
            self.stream.writeln(f"{test.id()}: {taken:.1f} s")


def main(choice: str, modules: list[str]) -> int:
    faulthandler.dump_traceback_later(HANGS_AFTER_S, exit=True)
    engine, _ = resolve(choice)
    selectors.DefaultSelector = lambda: HostSelector(engine.hosting()())  # type: ignore[assignment,misc]
    loader = unittest.TestLoader()
    tests = list(tests_of(loader.loadTestsFromNames([f"test.test_asyncio.{m}" for m in modules])))
    for test in tests:
        use_ours(test)
    result = unittest.TextTestRunner(resultclass=Timed).run(unittest.TestSuite(tests))
    return 0 if result.wasSuccessful() else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2:]))
