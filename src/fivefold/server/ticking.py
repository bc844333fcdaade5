"""What a worker does at intervals, and that a failure of it ends nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from ..isolation.reporting import logger, report

log = logger("fivefold.server")


def ticking(calls: Iterable[Callable[[], None]]) -> Callable[[], None]:
    """All of `calls` as one that raises nothing: an I/O model has no edge around its tick, and
    what fails there would take the worker along.  A failure is said once, until it is over."""
    failing = dict.fromkeys(calls, False)

    def ticked() -> None:
        for call, failed in failing.items():
            try:
                call()
            except BaseException as error:  # noqa: BLE001 - an edge: the next tick tries again
                if not failed:
                    report(
                        log, "a periodic task of the server failed; it is tried again", error=error
                    )
                failing[call] = True
            else:
                failing[call] = False

    return ticked
