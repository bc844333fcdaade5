"""Looking at an application before any worker exists.

An application is foreign code: importing it may start threads or open connections, which
must not cross a fork.  So the supervisor never imports it; a child does, says which
interface it has or why it cannot be loaded, and ends.  The price is one more import at
the start; the gain is one clear line instead of workers that die one after the other.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from .content.loading import interface_of, load, names_application
from .errors import ApplicationError, SettingsError
from .serving.forking import describe, forked
from .settings import AUTO, Settings

REPORT_BYTES = 65536
"""More than any message; a pipe holds as much without a reader."""


def interface(settings: Settings) -> str:
    """`static`, `wsgi` or `asgi`. Raises `ApplicationError`, `SettingsError`."""
    target = settings.target
    if not isinstance(target, str):
        return interface_of(target) if settings.interface == AUTO else settings.interface
    if not names_application(target):
        if settings.interface in ("wsgi", "asgi"):
            raise SettingsError(f"target: {target!r} is not module:attribute or module:factory()")
        return "static"
    found = probed(settings)
    return found if settings.interface == AUTO else settings.interface


def probed(settings: Settings) -> str:
    """What a child finds out by importing the application."""
    answer, say = os.pipe2(os.O_CLOEXEC)

    def life() -> None:
        try:
            enter(settings)
            report = "interface " + interface_of(load(settings.target))
        except (ApplicationError, SettingsError) as error:
            report = f"error {error}"
        os.write(say, report.encode()[:REPORT_BYTES])

    pid = forked(life)
    os.close(say)
    with os.fdopen(answer, "rb") as pipe:
        kind, _, text = pipe.read().decode(errors="replace").partition(" ")
    _, status = os.waitpid(pid, 0)
    if kind == "interface":
        return text
    raise ApplicationError(text or f"importing {settings.target} {describe(status)}")


def enter(settings: Settings) -> None:
    """Make this process the application's home: its folder and its environment.

    Raises `SettingsError`.
    """
    if settings.env_file is not None:
        os.environ.update(variables(settings.env_file))
    if settings.chdir is not None:
        try:
            os.chdir(settings.chdir)
        except OSError as error:
            raise SettingsError(
                f"chdir: cannot enter {settings.chdir!r}: {error.strerror}"
            ) from None


def variables(path: str) -> dict[str, str]:
    """The variables that a `.env` file sets; those that are set already stay. As uvicorn has it."""
    from dotenv import dotenv_values  # noqa: PLC0415 - few need it

    if not Path(path).is_file():
        raise SettingsError(f"env_file: there is no file {path!r}")
    values: dict[str, Any] = dotenv_values(path)
    return {name: value for name, value in values.items() if value and name not in os.environ}
