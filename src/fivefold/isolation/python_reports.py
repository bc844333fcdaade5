"""What Python itself has to say, past `logging`: warnings, and exceptions that nothing catches.

Facts.        Python writes them on standard error as they are, in several lines: a warning by
              `warnings.showwarning`, an exception that ends a thread by `threading.excepthook`,
              one that it cannot raise (of a destructor, of a callback) by `sys.unraisablehook`.
              An application may put its own hooks there, and `logging.captureWarnings` one that
              hands warnings to the logger "py.warnings".
Choice.       They are entries of the server's log, of the logger "fivefold.python", with time,
              level and process as all others.  The hooks are there before the application is
              loaded, so one that has its own still has them, and may call ours.
Assumption.   What writes to descriptor 2 by itself (`print`, C code, `faulthandler` at a crash)
              is no entry of the log.
Cost.         Nothing where nothing is said.
"""

from __future__ import annotations

import sys
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, TextIO

from .reporting import logger, report

log = logger("fivefold.python")


@contextmanager
def own_hooks() -> Iterator[None]:
    """At the end of the block the hooks are again what they were before."""
    before = warnings.showwarning, threading.excepthook, sys.unraisablehook
    try:
        yield
    finally:
        warnings.showwarning, threading.excepthook, sys.unraisablehook = before


def enter_in_log() -> None:
    """From now on, in this process and in those that it forks."""
    warnings.showwarning = warned
    threading.excepthook = thread_failed
    sys.unraisablehook = could_not_raise


def warned(  # noqa: PLR0917 - the signature of `warnings.showwarning`
    message: Warning | str,
    category: type[Warning],
    filename: str,
    lineno: int,
    file: TextIO | None = None,
    line: str | None = None,
) -> None:
    text = warnings.formatwarning(message, category, filename, lineno, line)
    if file is None:
        log.warning("%s", text.rstrip("\n"))
    else:
        file.write(text)


def thread_failed(args: Any) -> None:
    """`threading.ExceptHookArgs`."""
    if args.exc_type is SystemExit:  # as Python has it
        return
    name = threading.get_ident() if args.thread is None else args.thread.name
    report(log, "exception in thread %s", name, error=args.exc_value)


def could_not_raise(unraisable: Any) -> None:
    """`sys.UnraisableHookArgs`."""
    what = unraisable.err_msg or "exception ignored in"
    report(log, "%s %s", what, described(unraisable.object), error=unraisable.exc_value)


def described(thing: object) -> str:
    """It is half destroyed, maybe, and foreign."""
    try:
        return repr(thing)
    except BaseException:  # noqa: BLE001 - whatever it raises, it has no name
        return f"an object of {type(thing).__name__}"
