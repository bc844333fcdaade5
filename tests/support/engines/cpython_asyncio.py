"""Runs CPython's own tests of asyncio on loops that wait in an I/O model.

A script, for a process of its own: `cpython_asyncio.py ENGINE MODULE...`, where MODULE is
one of `test.test_asyncio`.  Ends with 1 if a test failed.

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
from fivefold.iomodels.asyncio_loop.engines import loop_engine
from fivefold.iomodels.asyncio_loop.selector import LoopSelector

HANGS_AFTER_S = 170.0
"""Longer than everything takes, shorter than whoever started this waits."""

OWN_SELECTOR = "brings its own selector; the same tests as in EPollEventLoopTests, which is ours"
SAME_CHILDREN = "the tests of SubprocessThreadedWatcherTests with another way to reap children"
FORKED = "a child of a process that uses glibc's aio cannot use it, and says so"
NOT_AT_ONCE = "takes for granted that a connection is accepted before its client has closed it"
ROUNDS = "counts the passes of a sleeping loop; this model passes again and again"

EXCLUDED: dict[str, str] = {
    "test_events.PollEventLoopTests": OWN_SELECTOR,
    "test_events.SelectEventLoopTests": OWN_SELECTOR,
    "test_sock_lowlevel.PollEventLoopTests": OWN_SELECTOR,
    "test_sock_lowlevel.SelectEventLoopTests": OWN_SELECTOR,
    "test_sendfile.PollEventLoopTests": OWN_SELECTOR,
    "test_sendfile.SelectEventLoopTests": OWN_SELECTOR,
    "test_subprocess.SubprocessFastWatcherTests": SAME_CHILDREN,
    "test_subprocess.SubprocessSafeWatcherTests": SAME_CHILDREN,
}
"""Whole classes that are left out, each with the reason."""

EXCLUDED_ON: dict[str, dict[str, str]] = {
    "posix": {
        "test_events.TestCGetEventLoop.test_get_event_loop_new_process": FORKED,
        "test_events.TestPyGetEventLoop.test_get_event_loop_new_process": FORKED,
        "test_streams.StreamTests.test_unhandled_exceptions": NOT_AT_ONCE,
    },
    "nonblocking": {
        "test_events.EPollEventLoopTests.test_timeout_rounding": ROUNDS,
    },
}
"""Tests that one engine cannot pass, each with the reason."""


def tests_of(suite: unittest.TestSuite) -> Iterator[unittest.TestCase]:
    for entry in suite:
        if isinstance(entry, unittest.TestSuite):
            yield from tests_of(entry)
        else:
            yield entry


def is_excluded(test: unittest.TestCase, engine: str) -> bool:
    name = test.id().removeprefix("test.test_asyncio.")
    return name.rpartition(".")[0] in EXCLUDED or name in EXCLUDED_ON.get(engine, {})


def made_by_asyncio(_: object) -> asyncio.AbstractEventLoop:
    return asyncio.new_event_loop()


def use_ours(test: unittest.TestCase) -> None:
    """Let the classes that name a selector take the default one."""
    if type(test).__name__ == "EPollEventLoopTests":
        cast("Any", type(test)).create_event_loop = made_by_asyncio


def check_that_loops_are_ours() -> None:
    loop = cast("Any", asyncio.new_event_loop())
    assert isinstance(loop._selector, LoopSelector)
    loop.close()


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
    cast("Any", selectors).DefaultSelector = lambda: LoopSelector(loop_engine(engine)())
    loader = unittest.TestLoader()
    found = tests_of(loader.loadTestsFromNames([f"test.test_asyncio.{m}" for m in modules]))
    tests = [test for test in found if not is_excluded(test, engine.engine)]
    for test in tests:
        use_ours(test)
    check_that_loops_are_ours()
    result = unittest.TextTestRunner(resultclass=cast("Any", Timed)).run(unittest.TestSuite(tests))
    return 0 if result.wasSuccessful() else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2:]))
