"""One of the two pairs: a server of its own, as `fivefold serve` starts it, with a live page."""

from __future__ import annotations

import dataclasses
import re
import time
from contextlib import ExitStack
from pathlib import Path

from ..compare.measure.servers import POLL_S, START_S, DidNotStart, Running, launched
from ..compare.plan.contenders import Contender, pair
from ..configuration.setting import one_of
from ..errors import SettingsError, Unavailable
from ..server.settings import Settings
from ..serving import MODELS as SERVING_MODELS
from .sample_site import make_site

ANNOUNCED = re.compile(r"status on (http://127\.0\.0\.1:\d+)")
SAID = 20
"""Lines that a server may say while it starts."""


class Side:
    """Always with a server, once `take` has succeeded."""

    def __init__(self, folder: Path) -> None:
        make_site(folder)
        self.folder = folder
        self.pair = ""
        self.live_page = ""
        """The address of its server's status."""
        self._server: Running | None = None
        self._ends = ExitStack()

    @property
    def server(self) -> Running:
        assert self._server is not None
        return self._server

    def take(self, pair: str) -> None:
        """Serve with another pair; the one before ends when the new one listens.

        Raises `SettingsError` for a word that is no pair, `Unavailable` for one that is not to be
        had here, `DidNotStart`.
        """
        contender = contender_of(pair, self.folder)
        with ExitStack() as ends:
            server = ends.enter_context(launched(contender))
            assert isinstance(server, Running)
            server.wait()
            live_page = status_of(server)
            self._ends.close()
            self._ends = ends.pop_all()
        self.pair, self.live_page, self._server = pair, live_page, server

    def close(self) -> None:
        self._ends.close()


def status_of(server: Running) -> str:
    """It says so behind its first address. Raises `DidNotStart`."""
    until = time.monotonic() + START_S
    while time.monotonic() < until:
        if found := ANNOUNCED.search(server.last_words(SAID)):
            return found[1]
        server.check()
        time.sleep(POLL_S)
    raise DidNotStart(f"it did not say where its status is: {server.last_words()}")


def contender_of(name: str, folder: Path) -> Contender:
    serving, plus, io = name.partition("+")
    if not plus:
        raise SettingsError(f"pair: {name!r} is not of the form SERVING+IO, like thread+blocking")
    one_of("serving", serving, SERVING_MODELS)
    found = pair(Settings(target=str(folder)), serving, io, 1)
    if found.reason is not None:
        raise Unavailable(f"{name}: {found.reason}")
    return dataclasses.replace(found, command=(*found.command, "--status", "127.0.0.1:0"))
