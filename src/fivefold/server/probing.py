"""Looking at an application before any worker exists.

An application is foreign code: importing it may start threads or open connections, which
must not cross a fork.  So the supervisor never imports it; a child does, says which
interface it has or why it cannot be loaded, and ends.  The price is one more import at
the start; the gain is one clear line instead of workers that die one after the other.
"""

from __future__ import annotations

import math
import os
import select
import signal
from collections.abc import Callable
from pathlib import Path
from time import monotonic
from typing import Any

from ..configuration.setting import AUTO
from ..content.application.loading import (
    interface_of,
    load,
    names_application,
    policy_of_loops,
    refuse_patches,
)
from ..content.application.naming import refuse_source
from ..errors import ApplicationError, SettingsError
from ..isolation.descendants import descendants
from ..isolation.foreign_documents import why_unread
from ..isolation.reporting import logger
from ..processes import stack
from ..processes.forking import describe, forked
from .settings import Settings

log = logger("fivefold.application")

REPORT_BYTES = 65536
"""More than any message."""

END = b"\0"
"""Of a report, and before it: no text has it, and what the application has written into our pipe,
which it cannot know for ours, is no part of it."""

PATIENCE_S = 10
"""How often a user who waits for a slow import is told why."""


def interface(settings: Settings, give_up: Callable[[], object] = int) -> str:
    """`static`, `wsgi` or `asgi`; `give_up` is called in a process where an application is
    imported, which may fork others that stay. Raises `ApplicationError`, `SettingsError`."""
    check_home(settings)
    target = settings.target
    if not isinstance(target, str):
        return examined(target, settings)
    if not names_application(target):
        if settings.interface in ("wsgi", "asgi"):
            raise SettingsError(f"target: {target!r} is not module:attribute or module:factory()")
        if settings.interface == AUTO:
            refuse_source(target, settings.chdir or "")
        return "static"
    with stack.stacks.collected():
        return probed(settings, give_up)


def probed(settings: Settings, give_up: Callable[[], object]) -> str:
    """What a child finds out by importing the application."""
    answer, say = os.pipe2(os.O_CLOEXEC)

    def life() -> None:
        give_up()
        descendants.give_up(int)  # nothing; but what the application forks is known for a copy
        try:
            enter(settings)
            report = "interface " + loaded(settings)[1]
        except (ApplicationError, SettingsError) as error:
            report = f"error {error}"
        descendants.end_if_copy()
        os.write(say, END + report.encode(errors="backslashreplace")[:REPORT_BYTES] + END)

    pid = forked(life, f"looks at {settings.target}")
    os.close(say)
    alive = os.pidfd_open(pid)
    startup_s = settings.supervision.startup_s
    give_up_at = math.inf if startup_s is None else monotonic() + startup_s
    try:
        kind, _, text = heard(answer, alive, settings.target, give_up_at).partition(" ")
    except TimeoutError:
        log.error("importing %s takes too long", settings.target)
        stack.ask(pid)
        select.select([alive], [], [], stack.STACK_S)
        stack.stacks.say(log, pid)
        raise ApplicationError(
            f"importing {settings.target} takes longer than {startup_s:g} s: give it more"
            " time (startup_s), or find out what it waits for"
        ) from None
    finally:
        os.close(answer)
        os.close(alive)
        # It has no more to say, and what the application does at its exit is no use here.
        os.kill(pid, signal.SIGKILL)
        _, status = os.waitpid(pid, 0)
    if kind == "interface":
        return text
    raise ApplicationError(text or f"importing {settings.target} {describe(status)}")


def heard(answer: int, alive: int, target: str, give_up_at: float) -> str:
    """The child's report; "" if it ended without one. Raises `TimeoutError`.

    Neither is read to the end of the pipe: a process that the application starts while it is
    imported may hold the other end for ever, and an import may close all descriptors.
    """
    report = b""
    begun = monotonic()
    sources = [answer, alive]
    while report.count(END) < 2:  # noqa: PLR2004 - before and behind
        patience_s = min(PATIENCE_S, max(0.0, give_up_at - monotonic()))
        ready, _, _ = select.select(sources, [], [], patience_s)
        if answer in ready:
            part = os.read(answer, REPORT_BYTES)
            report += part
            if not part:
                sources.remove(answer)
        elif alive in ready:
            return ""
        elif monotonic() >= give_up_at:
            raise TimeoutError
        else:
            waited_s = monotonic() - begun
            log.warning("still importing %s, for %d seconds by now", target, waited_s)
    return report.split(END)[1].decode(errors="replace")


def loaded(settings: Settings) -> tuple[Any, str]:
    """The application and its interface, imported here. Raises `ApplicationError`."""
    application = load(settings.target)
    return application, examined(application, settings)


def examined(application: Any, settings: Settings) -> str:
    """Its interface. Raises `ApplicationError` if it cannot be served."""
    refuse_patches()
    given = settings.interface != AUTO
    interface = settings.interface if given else interface_of(application)
    policy = policy_of_loops()
    if policy is not None and interface == "asgi":
        log.warning(
            "the application has set an event loop policy (%s), which has no effect: its loop is"
            " asyncio's, on the I/O model; uvloop's keeps asyncio from starting programs, too, so"
            " remove uvloop.install() or set_event_loop_policy()",
            policy,
        )
    return interface


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

    if not Path(path).exists():
        raise SettingsError(f"env_file: there is no file {path!r}")
    if not Path(path).is_file():
        raise SettingsError(f"env_file: {path!r} is not a file")
    try:
        values = dotenv_values(path)
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"env_file: cannot read {path!r}: {why_unread(error)}") from None
    return {
        name: value
        for name, value in values.items()
        if value is not None and name not in os.environ
    }
