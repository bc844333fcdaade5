"""Saying what failed, also where logging itself does.

An edge that catches whatever foreign code raises then wants to log it, and logging calls
foreign code again: handlers and filters of the application, a `sys.stderr` that it has
closed or replaced.  What these raise must not undo the catching.

Assumption.  Descriptor 2 can be written to, or nobody reads what is said there: the words
             are then lost, and nothing else is.
"""

from __future__ import annotations

import os
import traceback
from logging import Logger

STDERR = 2


def report(log: Logger, message: str, *values: object, error: BaseException | None = None) -> None:
    """Log an error, with the traceback of `error`; never raises.

    If logging raises, the same is written to standard error instead.
    """
    try:
        log.error(message, *values, exc_info=error)
    except BaseException as trouble:  # noqa: BLE001 - a handler is foreign code, too
        _last_resort(f"{log.name}: {message}", values, error, trouble)


def _last_resort(
    message: str, values: tuple[object, ...], error: BaseException | None, trouble: BaseException
) -> None:
    try:
        lines = [message % values, "\n"]
        if error is not None:
            lines += traceback.format_exception(error)
        lines += ["(logging it failed: ", *traceback.format_exception_only(trouble), ")\n"]
        os.write(STDERR, "".join(lines).encode(errors="backslashreplace"))
    except BaseException:  # noqa: BLE001, S110 - nothing is left to say it with
        pass
