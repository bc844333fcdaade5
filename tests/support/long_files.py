"""Which files are begun first where files are run side by side: those that take longest.

A long file that is begun last keeps one worker busy when the others have nothing left to do.  xdist
knows how many tests a file has, and not how long they take: so the files that take long with few
tests are named here, and the others follow by their number of tests.
"""

from __future__ import annotations

from collections import Counter

import pytest

LONG = (
    "compare/test_command.py",
    "compare/plan/test_scenarios.py",
    "status/test_metrics.py",
    "status/test_engine_counters.py",
    "lab/test_experiments.py",
    "bench/test_bench.py",
    "compare/plan/test_peers.py",
    "compare/measure/test_long_enough.py",
    "status/test_health.py",
    "processes/test_upgrades.py",
    "serving/test_draining.py",
    "processes/test_process_ends.py",
    "processes/test_deployments.py",
    "isolation/test_descendants.py",
    "isolation/test_held.py",
    "content/asgi/test_leavers.py",
    "content/asgi/test_stops.py",
    "content/static/files/test_kept.py",
    "content/asgi/websocket/test_ends.py",
    "content/static/test_smooth.py",
    "content/routing/test_password_queue.py",
)
"""20 s and more of one worker, or the longest of their part of `make test`."""


def begin_first(items: list[pytest.Item]) -> None:
    tests = Counter(item.path for item in items)
    items.sort(key=lambda item: (not item.path.as_posix().endswith(LONG), -tests[item.path]))
