"""One traced request: a server of our own, a client of our own, and who watches both."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from urllib.parse import unquote, urlsplit

from ...errors import TraceFailed
from ...linux.tracepoints import tracefs
from ...server.parent import Server
from ...server.settings import Settings
from ..kernel.capture import KernelTrace
from ..model import Observation, Trace
from ..steps.assembling import assembled
from ..steps.summary import summed
from ..steps.timeline import Timeline
from .cold import evict
from .observing import ServerObserver
from .own_client import OwnClient

SETTLE_S = 5.0
"""How long the server may take to report what it did: it writes at once, but may be slow."""


class Session:
    """A server under observation; `request` traces one request to it."""

    def __init__(self, settings: Settings, *, privileged: bool = True) -> None:
        """`privileged`: use the kernel's trace events where that is allowed."""
        self._settings = dataclasses.replace(settings, bind=("127.0.0.1:0",))
        self._read, self._write = os.pipe2(os.O_CLOEXEC)
        self._server = Server(self._settings, ServerObserver(self._write))
        self._resources = contextlib.ExitStack()
        self._kernel: KernelTrace | None = None
        self.unprivileged = tracefs.available() if privileged else "not asked for"
        """Why the kernel's trace events cannot be used; None if they are."""
        self._lines: list[Observation] = []
        self._arrived = threading.Condition()

    def __enter__(self) -> Self:
        self._server.__enter__()
        os.close(self._write)
        self._reader = threading.Thread(target=self._listen, daemon=True)
        self._reader.start()
        host, _, port = self._server.addresses[0].removeprefix("http://").rpartition(":")
        self._address = host, int(port)
        if self.unprivileged is None:
            self._kernel = self._resources.enter_context(
                KernelTrace(
                    server_port=int(port),
                    processes=[self._server.pid],
                    threads=[threading.get_native_id()],
                )
            )
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        try:
            self._resources.close()
            self._server.__exit__(kind, error, trace)
        finally:
            self._reader.join(SETTLE_S)

    def request(
        self, target: str, *, method: str = "GET", cold: bool = False, hold_back_s: float = 0.0
    ) -> Trace:
        """Trace one request. Raises `TraceFailed`."""
        client = OwnClient(*self._address)
        try:
            self._wait_for("accepted", lambda o: o.detail["port"] == client.port)
            cooled = self._evict(target) if cold else None
            if self._kernel is not None:
                self._kernel.client_port = client.port
                self._kernel.resume()
            started = time.time()
            answer = client.ask(
                f"{method} {target} HTTP/1.1\r\nHost: {self._address[0]}\r\n\r\n".encode(),
                hold_back_s=hold_back_s,
            )
        finally:
            client.close()
        self._wait_for("closed", lambda o: o.detail["port"] == client.port)
        kernel = self._kernel.observations() if self._kernel is not None else []
        seen = [*answer.observations, *self._lines, *kernel]
        self._lines.clear()
        timeline = Timeline(seen)
        steps = assembled(timeline)
        engine = self._server.engine
        return Trace(
            request={
                "method": method,
                "target": target,
                "status": answer.status,
                "bytes": answer.total_bytes,
                "started": started,
            },
            pair={
                "serving": self._server.model.name,
                "io": engine.name,
                "engine": engine.engine,
            },
            privileged=self._kernel is not None,
            steps=steps,
            summary=summed(timeline, steps),
            notes=tuple(self._notes(client, cooled)),
        )

    def _notes(self, client: OwnClient, cooled: str | None) -> Iterator[str]:
        if self.unprivileged is not None:
            yield f"without the kernel's trace events: {self.unprivileged}"
        if self._kernel is not None:
            yield from self._kernel.notes()
        if cooled is not None:
            yield cooled
        if client.refused:
            yield f"no time stamps of the network: {client.refused}"

    def _evict(self, target: str) -> str | None:
        """The file that the request asks for, made cold; what must be known about that.

        Raises `TraceFailed`.
        """
        if self._server.interface != "static":
            raise TraceFailed(
                "--cold: an application has no file to drop from memory: name a folder"
            )
        path = Path(self._settings.target) / unquote(urlsplit(target).path).lstrip("/")
        if path.is_dir():
            path /= "index.html"
        return evict(path)

    def _listen(self) -> None:
        with os.fdopen(self._read, "rb") as pipe:
            for line in pipe:
                at_ns, event, detail = json.loads(line)
                source = "accounting" if event in ("accounting", "cachestat") else "clock"
                with self._arrived:
                    self._lines.append(Observation(at_ns, source, event, detail))
                    self._arrived.notify_all()

    def _wait_for(self, event: str, matches: Any) -> None:
        def came() -> bool:
            return any(o.event == event and matches(o) for o in self._lines)

        with self._arrived:
            if not self._arrived.wait_for(came, SETTLE_S):
                raise TraceFailed(f"the server did not report {event!r} in {SETTLE_S} s")
