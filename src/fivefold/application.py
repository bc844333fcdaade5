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
    check_home(settings)
    target = settings.target
    if not isinstance(target, str):
        return interface_of(target) if settings.interface == AUTO else settings.interface
    if not names_application(target):
        if settings.interface in ("wsgi", "asgi"):
            raise SettingsError(f"target: {target!r} is not module:attribute or module:factory()")
        return "static"
    return probed(settings)


def probed(settings: Settings) -> str:
    """What a child finds out by importing the application."""
    answer, say = os.pipe2(os.O_CLOEXEC)

    def life() -> None:
        try:
            enter(settings)
            report = "interface " + loaded(settings)[1]
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


def loaded(settings: Settings) -> tuple[Any, str]:
    """The application and its interface, imported here. Raises `ApplicationError`."""
    application = load(settings.target)
    told = settings.interface != AUTO
    return application, settings.interface if told else interface_of(application)


def check_home(settings: Settings) -> None:
    """Whether `enter` will succeed in the workers. Raises `SettingsError`."""
    if settings.env_file is not None:
        variables(settings.env_file)
    if settings.chdir is None:
        return
    if not Path(settings.chdir).is_dir():
        raise SettingsError(f"chdir: there is no folder {settings.chdir!r}")
    if not os.access(settings.chdir, os.X_OK):
        raise SettingsError(f"chdir: no permission to enter {settings.chdir!r}")


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
    """The variables that a `.env` file sets; those that are set already stay. As uvicorn has it.

    Raises `SettingsError`.
    """
    from dotenv import dotenv_values  # noqa: PLC0415 - few need it

    if not Path(path).is_file():
        raise SettingsError(f"env_file: there is no file {path!r}")
    try:
        values = dotenv_values(path)
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"env_file: cannot read {path!r}: {error}") from None
    return {
        name: value
        for name, value in values.items()
        if value is not None and name not in os.environ
    }
