"""A server that is observed by several: what is attached to it, and `--status`."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager

from ..content.base import Content
from ..content.kinds import BROKEN, KINDS
from ..iomodels.interface import IOModel
from ..iomodels.overlay import Overlay
from ..server.choice import Choice
from ..server.parent import Observer, SupervisedServer
from ..server.service import Service
from ..server.worker.observing import Spoken
from ..serving.base import ServingModel
from .counted import count
from .engine_counters import EngineCounters
from .health import live, readiness
from .own_process import status_process
from .routes import Route, StatusContent
from .rows import LOST, REFUSED, Rows, beat

OTHER_THREADS = 8
"""Of a worker, besides those that have a connection: its main thread, spares."""

GENERATIONS = 2
"""Workers that leave and their successors are there at once."""

MORE_ROWS = 1024
"""For workers that SIGTTIN adds, and connections that SIGHUP allows; threads beyond share the last
row, and may lose counts.  A row that no thread has ever had takes no memory."""


class Observers:
    """All of them, one after the other."""

    def __init__(self, *observers: Observer) -> None:
        self._observers = observers

    @contextmanager
    def running(self, server: SupervisedServer) -> Iterator[None]:
        with ExitStack() as stack:
            for observer in self._observers:
                stack.enter_context(observer.running(server))
            yield

    def install(self, content: Content, spoken: Sequence[Spoken], choice: Choice) -> None:
        for observer in self._observers:
            observer.install(content, spoken, choice)

    def serves(self, model: ServingModel) -> None:
        for observer in self._observers:
            observer.serves(model)

    def waits(self, io: IOModel) -> None:
        for observer in self._observers:
            observer.waits(io)

    def ticks(self, tick_s: float) -> Sequence[Callable[[], None]]:
        return [call for observer in self._observers for call in observer.ticks(tick_s)]


class StatusObserver:
    """`--status`, from within."""

    def __init__(self, version: str) -> None:
        self._version = version
        self._due_s: float | None = None
        """How often an event loop of this worker ticks; None if it has none."""

    # runs in: the supervisor

    @contextmanager
    def running(self, server: SupervisedServer) -> Iterator[None]:
        most = most_rows(server)
        self._rows = {name: Rows(most) for name in (*KINDS, BROKEN.name)}
        with status_process(server, lambda: StatusContent(self._routes(server))):
            yield

    # runs in: the status process

    def _routes(self, server: SupervisedServer) -> dict[bytes, Route]:
        # Here, because it takes 30 ms to import, and no other process needs it.
        from .live.looking import LivePage  # noqa: PLC0415
        from .metrics import MetricsRoute, ServerFacts  # noqa: PLC0415

        services = [
            {
                "version": self._version,
                "serving": service.model.name,
                "io": service.engine.engine,
                "address": service.addresses[0],
            }
            for service in server.services
        ]
        facts = ServerFacts(services, server.queues)
        title = ", ".join("{address}: {serving} + {io}".format_map(one) for one in services)
        live_page = LivePage(title, self._rows, server.census, facts.queues, os.getppid())
        return {
            b"/": live_page.page,
            b"/events": live_page.events,
            b"/metrics": MetricsRoute(self._rows, server.census, facts),
            b"/health/live": live,
            b"/health/ready": readiness(server.census),
        }

    # runs in: a worker

    def install(self, content: Content, spoken: Sequence[Spoken], choice: Choice) -> None:
        self._here = self._rows[choice.kind.name]
        self._is_loop = choice.model.traits.one_thread
        for version in spoken:
            count(version, self._here)

    def serves(self, model: ServingModel) -> None:
        rows = self._here
        Overlay(
            model,
            has_refused=lambda do: also(rows, REFUSED, do),
            has_lost=lambda do: also(rows, LOST, do),
        )

    def waits(self, io: IOModel) -> None:
        self._here.own().engine = EngineCounters(io)
        self._tick()

    def ticks(self, tick_s: float) -> Sequence[Callable[[], None]]:
        self._due_s = tick_s if self._is_loop else None
        return [self._tick]

    def _tick(self) -> None:
        beat(self._here.own(), self._due_s)


def also(rows: Rows, word: int, do: Callable[[], None]) -> Callable[[], None]:
    """The same, counted."""

    def counted() -> None:
        rows.own().words[word] += 1
        do()

    return counted


def most_rows(server: SupervisedServer) -> int:
    """Threads that may serve at once."""
    return GENERATIONS * sum(map(threads_of_service, server.services)) + MORE_ROWS


def threads_of_service(service: Service) -> int:
    settings, traits = service.settings, service.model.traits
    each = OTHER_THREADS
    if not traits.one_thread or settings.reload:
        each += settings.max_connections or traits.default_connections
    return int(settings.workers) * each
