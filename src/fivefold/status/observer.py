"""A server that is observed by several: what is attached to it, and `--status`."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from ..content.base import Content
from ..http1.connection import Http1
from ..iomodels.interface import IOModel
from ..server.choice import Choice
from ..server.parent import Observer, SupervisedServer
from ..serving.base import ServingModel
from .health import live, readiness
from .own_process import status_process
from .routes import StatusContent


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

    def install(self, content: Content, http1: Http1, choice: Choice) -> None:
        for observer in self._observers:
            observer.install(content, http1, choice)

    def serves(self, model: ServingModel) -> None:
        for observer in self._observers:
            observer.serves(model)

    def waits(self, io: IOModel) -> None:
        for observer in self._observers:
            observer.waits(io)


class StatusObserver:
    """`--status`, from within."""

    @contextmanager
    def running(self, server: SupervisedServer) -> Iterator[None]:
        routes = {b"/health/live": live, b"/health/ready": readiness(server.census)}
        with status_process(server, StatusContent(routes)):
            yield

    # runs in: a worker

    def install(self, content: Content, http1: Http1, choice: Choice) -> None:
        """Nothing yet."""

    def serves(self, model: ServingModel) -> None:
        """Nothing yet."""

    def waits(self, io: IOModel) -> None:
        """Nothing yet."""
