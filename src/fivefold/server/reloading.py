"""`--reload`: the application is loaded again when its files change.

A watcher asks the supervisor for new workers by SIGHUP, the signal that a person would
send.  So the listening sockets stay, an old worker leaves only when its successor
accepts, and no connection is refused.  The watcher is a process (a companion, started again
when it dies), because the library that watches runs a thread, and there must be none where
workers are forked.  It speaks only when a change has settled: an editor or a checkout writes
many files.
"""

from __future__ import annotations

import logging
import os
import signal
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from fnmatch import fnmatch
from importlib.util import cache_from_source, find_spec
from pathlib import Path
from typing import Any, Protocol

from ..content.application.loading import names_application
from ..content.kinds import KINDS, Kind
from ..errors import SettingsError, WorkerFailed
from ..isolation.reporting import logger
from ..processes.forking import pass_over
from ..processes.ready_pipe import announce_ready
from ..processes.supervision.companion import Companion
from .probing import enter, loaded
from .settings import Settings

log = logger("fivefold.reload")

NAME = "fivefold-watch"
"""As which it is seen in the list of processes."""

ALWAYS = ("*.py",)
"""What an application is made of; templates and the like are its own affair, or
`--reload-include`'s."""

FIRST_LOOK_MS = 100
"""After this time without a change we know that the watch is in place."""


def check(settings: Settings) -> None:
    """Whether there is something to load again, and to notice it with. Raises `SettingsError`."""
    if not isinstance(settings.target, str) or not names_application(settings.target):
        raise SettingsError(
            "reload: only an application given as module:attribute can be loaded again"
            " (the files of a folder are always served as they are)"
        )
    if settings.identity.user is not None or settings.identity.group is not None:
        raise SettingsError(
            "reload: it is for development: a watcher of another user may not ask root for new"
            " workers; leave --user and --group out"
        )
    if find_spec("watchfiles") is None:
        raise SettingsError(
            "reload: the library watchfiles is not installed: pip install watchfiles"
        )
    for folder in folders(settings):
        if not folder.is_dir():
            raise SettingsError(f"reload_dir: there is no folder {os.fspath(folder)!r}")


def folders(settings: Settings) -> list[Path]:
    """What is watched: the application's folder, unless told."""
    home = Path(settings.chdir or "")
    return [Path(home, name).resolve() for name in settings.reload_dir or (".",)]


def load_again(settings: Settings) -> tuple[Kind, Any]:
    """The application as it is now; its interface may have changed, too.

    Raises `ApplicationError`, `SettingsError`.
    """
    enter(settings)
    application, interface = loaded(settings)
    return KINDS[interface], application


class ReloadedServer(Protocol):
    """The server whose application is watched, as its watcher needs it."""

    settings: Settings
    companions: list[Companion]

    def close_sockets(self) -> None: ...


@contextmanager
def watching(server: ReloadedServer) -> Iterator[None]:
    """A watcher for this process, which takes SIGHUP; once it is begun, no change is missed.

    Raises `WorkerFailed`.
    """
    # Its default action would end us before and after a thread waits for it, in whichever thread.
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGHUP})
    before = signal.signal(signal.SIGHUP, pass_over)
    try:
        watcher = ReloadWatcher(server)
        with Companion("reload watcher", NAME, watcher.life).among(server.companions):
            watcher.wait_until_ready()
            yield
        signal.sigtimedwait({signal.SIGHUP}, 0)
    finally:
        signal.signal(signal.SIGHUP, signal.SIG_DFL if before is None else before)
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)


class ReloadWatcher:
    """The companion that watches; one that follows a killed one asks for new workers as soon as it
    watches, since nobody knows what has changed meanwhile."""

    def __init__(self, server: ReloadedServer) -> None:
        self._server = server
        self._supervisor = os.getpid()
        self._ready, self._announce = os.pipe2(os.O_CLOEXEC)

    def wait_until_ready(self) -> None:
        """The first one. Raises `WorkerFailed`."""
        os.close(self._announce)
        self._announce = -1
        with os.fdopen(self._ready, "rb") as pipe:
            if not pipe.read(1):
                raise WorkerFailed("reload: the files cannot be watched")

    def life(self) -> None:
        """Raises `SettingsError`."""
        self._server.close_sockets()
        if self._announce < 0:
            watch(self._server.settings, self._supervisor, self._catch_up)
        else:
            os.close(self._ready)
            watch(self._server.settings, self._supervisor, lambda: announce_ready(self._announce))

    def _catch_up(self) -> None:
        log.info("what has changed meanwhile is not known; loading the application again")
        os.kill(self._supervisor, signal.SIGHUP)


# runs in: the watcher


def watch(settings: Settings, supervisor: int, on_ready: Callable[[], None]) -> None:
    """Until killed. Raises `SettingsError` if the kernel refuses."""
    import watchfiles  # noqa: PLC0415 - an extra, with a thread

    logger("watchfiles").setLevel(logging.WARNING)  # we say it ourselves
    usual = watchfiles.DefaultFilter()
    wanted = wanted_by(settings)
    batches = watchfiles.watch(
        *folders(settings),
        watch_filter=lambda change, path: usual(change, path) and wanted(path),
        rust_timeout=FIRST_LOOK_MS,
        yield_on_timeout=True,
        ignore_permission_denied=True,
    )
    announced = False
    try:
        for batch in batches:
            if not announced:
                on_ready()
                announced = True
            if batch and os.getppid() == supervisor:
                ask_for_new_workers(supervisor, sorted(path for _, path in batch))
    except OSError as error:
        raise SettingsError(f"reload: cannot watch the files: {error}") from None


def wanted_by(settings: Settings) -> Callable[[str], bool]:
    """Whether a changed file matters."""
    include = [*ALWAYS, *settings.reload_include]
    if settings.env_file is not None:
        include.append(Path(settings.env_file).name)
    exclude = settings.reload_exclude

    def wanted(path: str) -> bool:
        return matches(path, include) and not matches(path, exclude)

    return wanted


def matches(path: str, globs: Iterable[str]) -> bool:
    """Whether the file's name, or its path from any folder on, is like one of the globs."""
    return any(fnmatch(path, f"*/{glob.removeprefix('./')}") for glob in globs)


def ask_for_new_workers(supervisor: int, paths: list[str]) -> None:
    for path in paths:
        if path.endswith(".py"):
            # Python takes bytecode for fresh if size and second of the source are the same:
            # not enough for two changes in a row.
            Path(cache_from_source(path)).unlink(missing_ok=True)
    more = f" and {len(paths) - 1} more" if len(paths) > 1 else ""
    log.info("%s%s changed; loading the application again", paths[0], more)
    os.kill(supervisor, signal.SIGHUP)
