"""`--log-config`: a file for `logging.config.dictConfig`, in TOML or JSON.

Facts.        `dictConfig` puts handlers where the file says: at the logger "fivefold" or at the
              root.  What an application configures later (`dictConfig`, `basicConfig(force=True)`)
              takes the root's handlers away, closes them, and puts its own there.
Choice.       Every handler that a line of ours would reach after the file was read is put at the
              logger "fivefold", and a line goes no further.  So an application that
              configures logging neither loses our lines nor has them twice.  A file that has no
              handler for them leaves the one that is there: standard error.
Assumption.   A handler that an application's configuration has closed opens again by itself, as
              those of the standard library do (`FileHandler` unless its mode is "w"; a
              `QueueHandler` needs its listener).
"""

from __future__ import annotations

import logging
import logging.config
from pathlib import Path
from typing import Any

from ..errors import SettingsError
from ..isolation.foreign_documents import json_of, toml_of


def configure(log: logging.Logger, path: Path) -> None:
    """Let the file configure all of logging, and `log` not less. Raises `SettingsError`."""
    before = log.handlers[:]
    for handler in before:
        log.removeHandler(handler)
    log.propagate = True
    try:
        logging.config.dictConfig({"version": 1, "disable_existing_loggers": False, **read(path)})
    except Exception as error:  # noqa: BLE001 - it makes the handlers of foreign classes
        raise SettingsError(f"log_config: {path}: {reasons(error)}") from None
    finally:
        log.handlers = reached(log) or before
        log.propagate = False


def reached(log: logging.Logger) -> list[logging.Handler]:
    """The handlers of a record of this logger, as `Logger.callHandlers` finds them."""
    found = [*log.handlers]
    while log.propagate and log.parent is not None:
        log = log.parent
        found += log.handlers
    return found


def read(path: Path) -> dict[str, Any]:
    """The table that the file holds. Raises OSError, ValueError."""
    text = path.read_text("utf-8")
    try:
        table = json_of(text) if path.suffix == ".json" else toml_of(text)
    except ValueError as error:
        if path.suffix == ".json":
            raise ValueError(f"it is not JSON: {error}") from None
        raise ValueError(f"it is not TOML ({error}); JSON belongs in a file named *.json") from None
    if not isinstance(table, dict):
        raise ValueError("it holds no table for logging.config.dictConfig")  # noqa: TRY004
    return table


def reasons(error: BaseException) -> str:
    """What failed, and why: `dictConfig` names the handler, and its cause the value."""
    if isinstance(error, OSError) and error.strerror and error.__cause__ is None:
        return f"cannot be read: {error.strerror}"
    texts = [str(error) or type(error).__name__]
    while (error := error.__cause__) is not None:  # type: ignore[assignment]
        texts.append(str(error) or type(error).__name__)
    return ": ".join(dict.fromkeys(texts))
