"""The control process as the supervisor knows it: forked before the workers, ended after them."""

from __future__ import annotations

import contextlib
import logging
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ...inspection.asking import Inspection
from ...isolation.reporting import logger
from ...processes.supervision.companion import Companion
from ...server.parent import SupervisedServer
from ..sampling.sinks import Samples
from .conversation import Control
from .pipe import EventPipe
from .rendezvous import bound
from .switch import Switch

log = logger("fivefold.trace")

NAME = "fivefold-trace"
"""As which it is seen in the list of processes."""


@contextmanager
def control_process(
    server: SupervisedServer,
    switch: Switch,
    pipe: EventPipe,
    samples: Samples,
    inspection: Inspection,
) -> Iterator[None]:
    """A control process for the calling supervisor. Raises `WorkerFailed` if none can be had."""
    supervisor = os.getpid()
    sock, path = listening(supervisor)

    def life() -> None:
        server.close_sockets()
        server.rights.take()
        pipe.close()
        log_cheaply()
        Control(supervisor, sock, pipe, switch, samples, inspection=inspection).run()
        if path is not None:
            with contextlib.suppress(PermissionError):  # root's; then the supervisor does it
                path.unlink(missing_ok=True)

    kept = [samples.close, pipe.close_reading_end] + ([] if sock is None else [sock.close])
    name = "control process for trace, stacks and top"
    try:
        with Companion(name, NAME, life, kept).among(server.companions):
            yield
    finally:
        pipe.close()
        inspection.close()
        if path is not None:
            path.unlink(missing_ok=True)


def log_cheaply() -> None:
    """Without looking for the caller: it is always us. A program's format may want the rest."""
    # As the documentation of logging says, under "Optimization".
    logging._srcfile = None  # noqa: SLF001


def listening(supervisor: int) -> tuple[socket.socket | None, Path | None]:
    """The control socket and its path; neither, and a warning, if none can be had."""
    try:
        return bound(supervisor)
    except OSError as error:
        log.warning("no tracer can attach: no control socket: %s", error)
        return None, None
