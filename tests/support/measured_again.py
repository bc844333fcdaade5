"""For tests that measure: other work on the machine spoils a round, not every round."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import ParamSpec

P = ParamSpec("P")

TRIES = 3


def measured_again(test: Callable[P, None]) -> Callable[P, None]:
    """What must hold is unchanged; it may fail to show, but not three times in a row."""

    @functools.wraps(test)
    def tried(*args: P.args, **kwargs: P.kwargs) -> None:
        for _ in range(TRIES - 1):
            try:
                return test(*args, **kwargs)
            except AssertionError:
                pass
        return test(*args, **kwargs)

    return tried
