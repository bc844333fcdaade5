"""The end of a process in which an application has lived: as an interpreter ends.

Facts.        Sentry, OpenTelemetry and many others send their last words from `atexit`; an
              executor finishes its work when the interpreter waits for its threads; what was
              printed or written may still be in a buffer.  `os._exit` drops all of that.  And
              a fork inherits the handlers that its parent has registered, which are not its
              own: temporary files, the multiprocessing children of the parent.
Choice.       A worker forgets what it has inherited, before it loads the application; at its
              end it does what Py_FinalizeEx does first: waits for threads that are no daemons,
              runs the handlers, flushes.  Then it ends by os._exit all the same.
              Under `process` the application is imported in the forker.  What it registers
              there runs in the forker and in each connection process: those have the events
              that are to be sent.  Not so finalizers (`weakref.finalize`, `tempfile`, those of
              multiprocessing): what the forker has made is removed by the forker alone.
Assumption.   A handler may run in several processes.  One that must run once compares
              `os.getpid()`.  An application that hangs here is cut off when its time is over:
              SIGALRM raises in whatever the main thread does, the supervisor kills what does
              not even hear that.
"""

from __future__ import annotations

import atexit
import contextlib
import signal
import sys
import threading
import weakref
from collections.abc import Callable, Iterator
from typing import Any

from ..errors import Interruption
from ..isolation.descendants import descendants
from ..isolation.reporting import logger, report
from .flushing import Flushing, begin_anew

log = logger("fivefold.serving")

LEAST_S = 1.0
"""What an application gets for its end even where its requests have used up the grace time;
the supervisor leaves a second more (`KILL_MARGIN_S`)."""

AGAIN_S = 0.1
"""After its time each further thing that takes longer than this is cut off as well."""

OURS = "fivefold-"
"""How the names of our threads begin."""


class TimeIsOver(Interruption):
    """Raised in the main thread, wherever it is."""


def disown() -> None:
    """After any fork of ours: what was made in the parent is removed by the parent."""
    finalizers: Any = weakref.finalize
    for finalizer in list(getattr(finalizers, "_registry", ())):
        finalizer.atexit = False
    if process := sys.modules.get("multiprocessing.process"):
        vars(process)["_children"] = set()
    if util := sys.modules.get("multiprocessing.util"):
        getattr(util, "_finalizer_registry", {}).clear()


def begin() -> None:
    """In a new worker: handlers that were registered until now are its parent's."""
    begin_anew()
    atexit._clear()  # noqa: SLF001 - there is no other way; multiprocessing ends by os._exit
    vars_of_finalize: Any = weakref.finalize
    vars_of_finalize._registered_with_atexit = False  # noqa: SLF001 - it shall register anew
    # Those of the standard library that registered themselves when they were imported.
    atexit.register(Flushing().handlers)  # in place of `logging.shutdown`
    if util := sys.modules.get("multiprocessing.util"):
        atexit.register(vars(util)["_exit_function"])


def end(most_s: float) -> None:
    """What the interpreter would do at its end, within so many seconds. Raises nothing."""
    if descendants.is_copy:
        return  # the application has forked this process: all that is its parent's
    written = Flushing()
    steps: list[tuple[str, Callable[[], None]]] = [
        ("writing files", written.files),
        ("waiting for threads", wait_for_threads),
        ("atexit", run_handlers),
        ("writing files", written.files),
    ]
    try:
        with limited(most_s):
            for what, step in steps:
                attempt(what, step)
    except TimeIsOver:
        pass  # between two steps


def attempt(what: str, step: Callable[[], None]) -> None:
    try:
        step()
    except TimeIsOver:
        log.warning("the end of the application takes too long: %s is cut off", pending(what))
    except BaseException as error:  # noqa: BLE001 - the edge of foreign code
        report(log, "the end of the application failed", error=error)


def pending(what: str) -> str:
    """What it was about, and the threads that are waited for."""
    threads = [t for t in threading.enumerate() if not t.daemon and not t.name.startswith(OURS)]
    names = ", ".join(t.name for t in threads if t is not threading.main_thread())
    return f"{what} ({names})" if names else what


@contextlib.contextmanager
def limited(most_s: float) -> Iterator[None]:
    """`TimeIsOver` is raised after this time, and again and again."""

    def over(*_: object) -> None:
        raise TimeIsOver

    signal.signal(signal.SIGALRM, over)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGALRM})
    signal.setitimer(signal.ITIMER_REAL, max(most_s, LEAST_S), AGAIN_S)
    try:
        yield
    finally:
        signal.signal(signal.SIGALRM, signal.SIG_IGN)
        signal.setitimer(signal.ITIMER_REAL, 0.0)


def wait_for_threads() -> None:
    """Those that are no daemons, and the executors of concurrent.futures with their work."""
    threading._shutdown()  # type: ignore[attr-defined]  # noqa: SLF001 - as multiprocessing does


def run_handlers() -> None:
    atexit._run_exitfuncs()  # noqa: SLF001 - documented nowhere, and the same since Python 3.0
