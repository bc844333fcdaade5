"""Loggers of ours: they are heard whatever an application does to logging, and raise nothing.

Facts.        `logging.config.dictConfig` and `fileConfig` disable, unless told otherwise, all
              loggers that exist: ours as well, and with them the traceback of a handler that
              fails.  Handlers and filters are foreign code: those of an application may
              raise, `sys.stderr` may be closed or on a full disk, and what logging itself
              does about that (`Handler.handleError`) may raise again.
Choice.       A class of loggers that cannot be disabled; levels, handlers and `propagate` of
              "fivefold" are the user's, as with every logger.  Whatever is raised while a
              record is handled ends there (a filter may call `sys.exit`, or be cut off by
              gevent.Timeout), and the record goes to descriptor 2.  What a signal raises
              passes: `Interruption`, and KeyboardInterrupt where Ctrl-C raises it.  `report`
              lets nothing pass, for edges.
              What an application raises is an object of its own, too: it may be false, have a
              `__str__` that raises, or lie about its class.  So edges ask it nothing: not
              whether it is true, but whether it is None; `is_a` instead of isinstance.
Assumption.   Descriptor 2 can be written to, or no process reads what is written there: the words
              are then lost, and nothing else is.
              A handler for a signal of an embedding program that raises, other than Python's
              own for SIGINT, and meets a record being handled, is taken for a logging handler
              that failed, and said.
Cost.         `logging.getLogger("fivefold").disabled = True` has no effect, nor has
              `logging.disable`; a level has.
"""

from __future__ import annotations

import logging
import os
import re
import select
import signal
import stat
import traceback
from collections.abc import Callable
from datetime import UTC, datetime
from types import TracebackType
from typing import Any, TypeGuard, TypeVar

from ..errors import Interruption
from ..linux.standard_descriptors import STDERR

PATIENCE_S = 1.0
"""How long standard error may take a line, before lines are dropped until it takes some."""

PIPE_BYTES = 4096
"""PIPE_BUF: what is written whole, whatever others write (pipe(7))."""


CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029]")
"""C0 but for tab and line feed, DEL, C1, and what some programs take for the end of a line."""

INDENT = "\n    "

Kind = TypeVar("Kind", bound=BaseException)


class Log(logging.Logger):
    """A logger that an application cannot silence by accident, and that never raises."""

    @property
    def disabled(self) -> bool:
        return False

    @disabled.setter
    def disabled(self, value: bool) -> None:
        """Without effect."""

    def isEnabledFor(self, level: int) -> bool:  # noqa: N802 - logging's own name
        """By its level alone: `logging.disable` is meant for what the application says."""
        return level >= self.getEffectiveLevel()

    def handle(self, record: logging.LogRecord) -> None:
        try:
            super().handle(record)
        except Interruption:
            raise
        except BaseException as trouble:
            if is_a(trouble, KeyboardInterrupt) and ctrl_c_raises():
                raise
            _last_resort(record, trouble)


def logger(name: str) -> Log:
    """The logger of this name, which is "fivefold" or below."""
    found = logging.getLogger(name)
    # Not by `setLoggerClass`, which would be for others' loggers as well.
    found.__class__ = Log
    assert isinstance(found, Log)
    return found


def report(log: Log, message: str, *values: object, error: BaseException | None = None) -> None:
    """Log an error, with the traceback of `error`; for edges, which must raise nothing."""
    about = None if error is None else (type(error), error, traceback_of(error))
    try:
        log.error(message, *values, exc_info=about)
    except BaseException as trouble:  # noqa: BLE001 - no Exception, or there is no memory
        record = logging.LogRecord(log.name, logging.ERROR, "", 0, message, values, about)
        _last_resort(record, trouble)


traceback_of: Callable[[BaseException], TracebackType | None] = vars(BaseException)[
    "__traceback__"
].__get__
"""The traceback of an exception, whatever its class has made of the attribute."""


def ctrl_c_raises() -> bool:
    """In workers it does not, and a KeyboardInterrupt there is the application's own."""
    return signal.getsignal(signal.SIGINT) is signal.default_int_handler


def is_a(error: BaseException, *kinds: type[Kind]) -> TypeGuard[Kind]:
    """As `except` has it: by its type, and not by what it says of its class."""
    return issubclass(type(error), kinds)


def text_of(error: BaseException) -> str:
    """What a foreign exception says."""
    try:
        return str(error)
    except BaseException:  # noqa: BLE001 - it is what failed
        return "(its text cannot be had)"


def moment(record: logging.LogRecord) -> str:
    """When it was made, in local time with its offset (RFC 3339)."""
    made = datetime.fromtimestamp(record.created, UTC).astimezone()
    return made.isoformat(timespec="milliseconds")


def one_entry(text: str) -> str:
    """As it may stand in a log that a person reads in a terminal: control characters are escaped,
    and what follows a line feed is indented."""
    text = text.rstrip("\n").replace("\r\n", "\n")
    return CONTROL.sub(_escaped, text).replace("\n", INDENT)


def _escaped(match: re.Match[str]) -> str:
    return match[0].encode("unicode_escape").decode("ascii")


def write(text: str) -> None:
    """A line or several on standard error; never raises for want of a reader, and
    does not wait for that for long.

    By descriptor, because `sys.stderr` is the application's to replace and to close, and
    keeps what it could not write for the next write.
    """
    standard_error.write(f"{text}\n".encode(errors="backslashreplace"))


class StandardErrorFile:
    """Descriptor 2 of this process: what no reader takes is dropped.

    Assumption.  Of a pipe or a socket that poll(2) calls writable 4096 bytes can be written
    (pipe(7)); another process may be quicker, and then its reader is waited for after all.
    A regular file is always "writable", and one whose disk hangs is waited for.
    """

    def __init__(self) -> None:
        self._patience_s = PATIENCE_S

    def write(self, data: bytes) -> None:
        try:
            kind = stat.S_IFMT(os.fstat(STDERR).st_mode)
            at_once = PIPE_BYTES if kind in (stat.S_IFIFO, stat.S_IFSOCK) else len(data)
            while data and self._can_be_written():
                data = data[os.write(STDERR, data[:at_once]) :]
        except OSError:
            pass  # closed, full, or a pipe that has no reader any more

    def _can_be_written(self) -> bool:
        """Waits for it, but not again and again."""
        ready = select.poll()
        ready.register(STDERR, select.POLLOUT)
        can_be = bool(ready.poll(self._patience_s * 1000))
        self._patience_s = PATIENCE_S if can_be else 0.0
        return can_be


standard_error = StandardErrorFile()


def _last_resort(record: logging.LogRecord, trouble: BaseException) -> None:
    try:
        where = f"{moment(record)} {record.levelname} [{os.getpid()}] {record.name}"
        lines = [f"{where}: {_message(record)}\n"]
        if record.exc_info:
            lines += _formatted(record.exc_info)
        lines += [f"(logging it failed: {type(trouble).__name__}: {text_of(trouble)})"]
        write(one_entry("".join(lines)))
    except BaseException:  # noqa: BLE001, S110 - nothing is left to say it with
        pass


def _formatted(about: tuple[Any, ...]) -> list[str]:
    try:
        return traceback.format_exception(*about)
    except BaseException:  # noqa: BLE001 - its cause or its notes are foreign, too
        kind, _, trace = about
        return [
            "Traceback (most recent call last):\n",
            *traceback.format_tb(trace),
            f"{kind.__name__}\n",
        ]


def _message(record: logging.LogRecord) -> str:
    try:
        return record.getMessage()
    except BaseException:  # noqa: BLE001 - what is to be said is foreign, too
        return record.msg
