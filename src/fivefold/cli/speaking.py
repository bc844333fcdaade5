"""What the server says on standard error, where the command line started it.

Facts.        The first to configure the root logger has it: `logging.basicConfig` of an
              application does nothing once it has a handler.
Choice.       The handler belongs to the logger "fivefold", and what it has said goes no
              further, so that an application that logs to standard error as well does not say
              it twice.  The root logger is the application's.
              `serve` adds time, level and process to each line (`ServerLines`), or makes an
              object of JSON of it; the other commands speak to whom has just typed them.
              What no handler takes, of an application that configures no logging or of asyncio,
              Python writes there by itself (`logging.lastResort`): in the same form; so are
              its warnings and what it cannot raise (`isolation.python_reports`).
              A line begins at its beginning, and only there (`reporting.one_entry`), so nothing
              that a client sends, a path or the text of an exception, can look like a line of ours
              or speak to a terminal.
"""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import click

from ..content.request_ids import NAMELESS, RequestId
from ..isolation.python_reports import enter_in_log, own_hooks
from ..isolation.reporting import logger, moment, one_entry, write
from ..server.settings import Settings
from .log_config import configure


class Lines(logging.Formatter):
    """A line for a record, and indented ones for what of it does not fit into one."""

    def format(self, record: logging.LogRecord) -> str:
        return one_entry(super().format(record))


class ServerLines(Lines):
    """With the time (RFC 3339, milliseconds), the level and the process that says it, and the
    request that it is about, if that has a name."""

    def __init__(self) -> None:
        super().__init__("%(asctime)s %(levelname)s [%(process)d] %(name)s%(about)s: %(message)s")

    def format(self, record: logging.LogRecord) -> str:
        name = name_in(record)
        record.about = f" (request {name})" if name else ""
        record.process = os.getpid()  # an application may have set logging.logProcesses to False
        return super().format(record)

    def formatTime(self, record: logging.LogRecord, datefmt: str | None = None) -> str:  # noqa: N802 - logging's own
        return moment(record)


class JsonLines(logging.Formatter):
    """A line is an object of JSON; a traceback is a text in it."""

    def format(self, record: logging.LogRecord) -> str:
        said = {
            "time": moment(record),
            "level": record.levelname,
            "process": os.getpid(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        name = name_in(record)
        if name:
            said["request_id"] = name
        if record.exc_info:
            said["traceback"] = self.formatException(record.exc_info)
        return json.dumps(said)


def name_in(record: logging.LogRecord) -> str:
    """The name of the request that it is about; "" if there is none (`RequestId`)."""
    name: str = getattr(record, "request_id", NAMELESS)
    return "" if name == NAMELESS else name


FORMATTERS: dict[str, type[logging.Formatter]] = {"text": ServerLines, "json": JsonLines}
"""By the words of `--log-format`."""


class StandardError(logging.Handler):
    """Writes to descriptor 2, whatever has become of `sys.stderr`."""

    def __init__(self) -> None:
        super().__init__()
        self.setFormatter(Lines("%(name)s: %(message)s"))

    def emit(self, record: logging.LogRecord) -> None:
        write(self.format(record))


@contextmanager
def speaking(level: int = logging.INFO) -> Iterator[None]:
    """Everything from `level` on is said on standard error, until the end of the block."""
    log, handler = logger("fivefold"), StandardError()
    before = log.level, log.propagate
    log.setLevel(level)
    log.propagate = False
    log.addHandler(handler)
    handlers = log.handlers[:-1]
    try:
        with own_hooks():
            yield
    finally:
        log.handlers = handlers
        log.level, log.propagate = before


def speak_of_warnings() -> None:
    """From now on: for a command whose server is a means, and comes and goes unmentioned."""
    logger("fivefold").setLevel(logging.WARNING)


def speak_as(settings: Settings) -> None:
    """From now on as `--log-level`, `--log-format` and `--log-config` say. Raises
    `SettingsError`."""
    log = logger("fivefold")
    others = [] if logging.lastResort is None else [logging.lastResort]
    for handler in (*log.handlers, *others):
        handler.setFormatter(FORMATTERS[settings.log.log_format]())
    log.setLevel(settings.log.log_level.upper())
    if settings.log.log_config is not None:
        configure(log, Path(settings.chdir or "", settings.log.log_config))
    for handler in (*log.handlers, *others) if settings.request_id else ():
        handler.addFilter(RequestId())
    enter_in_log()


def say(text: str) -> None:
    """A line of the command line itself, which must not fail where no terminal shows it: on a
    full disk, on a terminal that is gone, or where standard error is closed."""
    try:
        click.echo(text, err=True)
    except (OSError, ValueError):
        pass
