"""One traced request: a server of our own, a client of our own, and what watches both."""

from __future__ import annotations

import contextlib
import dataclasses
import mmap
import os
import select
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Self
from urllib.parse import unquote, urlsplit

from ...errors import TraceFailed
from ...linux.tracepoints import tracefs
from ...server.parent import SupervisedServer
from ...server.settings import Settings
from ..attach.exchanges import Exchanges, Recorded, shared_notes
from ..attach.recorder import pair_of
from ..control.pipe import READ_BYTES, EventPipe
from ..kernel.belonging import of_exchange
from ..kernel.capture import KernelTrace
from ..model import Lane, Mark, Observation, Trace
from ..steps.assembling import assembled, is_from_memory
from ..steps.io_lane import io_lane
from ..steps.summary import summed
from ..steps.thread_lanes import ThreadLanes, ThreadsSpan
from ..steps.timeline import Timeline
from .cold import evict
from .own_client import AT_ONCE, Manner, OwnClient
from .recorded_server import OwnObserver
from .sealing import trusting_context

ARRIVED = "the connection comes to this thread (whose hands it went through: kernel's events)"

GRACE_S = 1.0
"""How long our server waits for its connections when it stops: the only client is ours, and has
gone."""

SETTLE_S = 5.0
"""How long the server may take to report what it did: it writes at once, but may be slow."""


WARM_UP = 16
"""Requests before the one that is traced: CPython adapts a function to its arguments once it has
been called eight times (PEP 659), and its files and names are in memory then."""

FAILED = 500
"""Statuses from here on."""

WARM_UP_S = 1.0
"""An application that takes its time is warm after fewer."""


class Session:
    """A server under observation; `request` traces one request to it."""

    def __init__(
        self,
        settings: Settings,
        *,
        privileged: bool = True,
        http2: bool = False,
        manner: Manner = AT_ONCE,
        step: Callable[[str], None] = lambda _: None,
    ) -> None:
        """`privileged`: use the kernel's trace events where that is allowed; `http2`: ask by
        HTTP/2, without TLS by prior knowledge; `manner`: how our client behaves; `step` is called
        with what is waited for next."""
        versions = dataclasses.replace(settings.http2, http="1.1,2", h2c=http2)
        self._settings = dataclasses.replace(
            settings,
            bind=("127.0.0.1:0",),
            http2=versions,
            supervision=dataclasses.replace(settings.supervision, grace_s=GRACE_S),
        )
        self._step = step
        self._http2, self._manner = http2, manner
        self._alpn = "h2" if http2 else "http/1.1"
        self._resources = contextlib.ExitStack()
        self._kernel: KernelTrace | None = None
        self.unprivileged = tracefs.available() if privileged else "--unprivileged asks for none"
        """Why the kernel's trace events cannot be used; None if they are."""
        self._exchanges = Exchanges()
        self._accepted: dict[int, Any] = {}
        self._over: dict[int, Recorded] = {}
        """By the port of their client."""
        self._arrived_ns = 0
        """When the last connection came to the thread that serves it."""
        self._served: Counter[int] = Counter()
        """How many requests each process has served."""
        self._orders = mmap.mmap(-1, mmap.PAGESIZE)
        """Shared with the workers: its first byte says whether a process that waits for a request
        shall forget the files that it knows."""

        observer = OwnObserver(lambda: self._pipe, lambda: bool(self._orders[0]))
        self._server = SupervisedServer(self._settings, observer)

    def __enter__(self) -> Self:
        with contextlib.ExitStack() as resources:
            self._step(f"the server to start ({self._settings.serving}, {self._settings.io})")
            self._pipe = EventPipe(waits=True)
            try:
                resources.enter_context(self._server)
            finally:
                self._pipe.close()
                # Left before the server is: a worker may wait for room in the pipe.
                resources.callback(self._pipe.close_reading_end)
            scheme, _, address = self._server.addresses[0].partition("://")
            host, _, port = address.rpartition(":")
            self._address = host, int(port)
            self._tls = trusting_context([self._alpn]) if scheme == "https" else None
            if self.unprivileged is None:
                kernel = KernelTrace(
                    server_port=int(port),
                    processes=[self._server.pid],
                    threads=[threading.get_native_id()],
                )
                self._kernel = resources.enter_context(kernel)
            self._resources = resources.pop_all()
        return self

    def __exit__(self, *error: Any) -> None:  # noqa: PYI036 - handed on as they are
        self._resources.__exit__(*error)

    def request(
        self,
        target: str,
        *,
        method: str = "GET",
        cold: bool = False,
        before: int = 0,
        hand_over: bool = False,
    ) -> Trace:
        """Trace one request; `before`: so many are sent first on its connection; `hand_over`: then
        another connection is made for it, to show how that comes to the thread that serves it.

        Raises `TraceFailed`.
        """
        self._orders[0] = cold
        file = self._file_of(target) if cold else None  # before an application is asked in vain
        client = self._warmed((method, target), before)
        try:
            cooled = None if file is None else evict(file)
            if self._kernel is not None:
                self._kernel.resume()
            connecting_ns = time.monotonic_ns()
            if hand_over:
                client.close()
                client = self._connected()
            self._step(f"the answer to {method} {target}")
            started = time.time()
            answer = client.ask(method, target, in_its_manner=True)
        finally:
            client.close()
        served = self._served.copy()
        over = self._exchange(client)
        events = self._events(client)
        kernel = of_exchange(events, over.seen, over.done["fd"], client=client.thread)
        timeline = Timeline([*answer.observations, *over.seen, *kernel])
        steps = assembled(timeline)
        pair = pair_of(self._server.services[0].composition.choice)
        serving = io_lane(timeline, pair["engine"], over.done["descriptors"])
        return Trace(
            request={
                "method": method,
                "target": target,
                "status": answer.status,
                "bytes": answer.total_bytes,
                "started": started,
                "before": served[over.done["pid"]],
                "from_memory": is_from_memory(timeline),
                "http": over.done["http"],
                "tls": over.done["tls"],
            },
            pair=pair,
            privileged=self._kernel is not None,
            steps=steps,
            summary=summed(timeline, steps),
            lanes=self._handed_over(serving, events, timeline, connecting_ns, client)
            if hand_over
            else (serving,),
            notes=(*self._notes(client, cooled), *shared_notes(over.done)),
        )

    def _events(self, client: OwnClient) -> list[Observation]:
        if self._kernel is None:
            return []
        self._kernel.client_port = client.port
        return self._kernel.observations()

    def _handed_over(
        self,
        serving: Lane,
        events: list[Observation],
        timeline: Timeline,
        connecting_ns: int,
        client: OwnClient,
    ) -> tuple[Lane, ...]:
        """The serving thread, and those that handed the connection over to it."""
        if self._kernel is None:
            arrived = Mark(timeline.us(self._arrived_ns), ARRIVED)
            return (dataclasses.replace(serving, marks=(arrived,)),)
        threads = self._kernel.tids - {client.thread}
        span = ThreadsSpan(connecting_ns, timeline.end_ns, timeline.start_ns)
        lanes = ThreadLanes(serving, events, threads, span)
        return lanes.completed(), *lanes.others()

    def _warmed(self, asked: tuple[str, str], count: int) -> OwnClient:
        """A client that has sent the request so often on its connection, or for as long as
        `WARM_UP_S`: so the process that serves it is warm, whichever it is. What fails is not asked
        again: an application that raises says so each time.

        Raises `TraceFailed`.
        """
        client = self._connected()
        until = time.monotonic() + WARM_UP_S
        try:
            for number in range(1, count + 1):
                self._step(f"the answer to {' '.join(asked)} (warm-up, {number} of {count})")
                answer = client.ask(*asked)
                self._exchange(client)
                if answer.closes:
                    client.close()
                    client = self._connected()
                if time.monotonic() > until or answer.status >= FAILED:
                    break
        except BaseException:
            client.close()
            raise
        return client

    def _connected(self) -> OwnClient:
        """A client whose connection a worker has already. Raises `TraceFailed`."""
        client = OwnClient(*self._address, tls=self._tls, http2=self._http2, manner=self._manner)
        try:
            arrived = self._reported(client.port, self._accepted, "the connection")
        except TraceFailed:
            client.close()
            raise
        self._arrived_ns = arrived["at_ns"]
        return client

    def _exchange(self, client: OwnClient) -> Recorded:
        """What the server reports of the client's request. Raises `TraceFailed`."""
        over: Recorded = self._reported(client.port, self._over, "the exchange")
        self._served[over.done["pid"]] += 1
        return over

    def _notes(self, client: OwnClient, cooled: str | None) -> Iterator[str]:
        if self.unprivileged is not None:
            yield f"without the kernel's trace events: {self.unprivileged}"
        if self._kernel is not None:
            yield from self._kernel.notes()
        if cooled is not None:
            yield cooled
        if client.refused:
            yield f"no time stamps of the network: {client.refused}"

    def _file_of(self, target: str) -> Path:
        """Which the request asks for, to be made cold. Raises `TraceFailed`: none, or it cannot."""
        if self._server.interface != "static":
            raise TraceFailed(
                "--cold: an application has no file to drop from memory: name a folder"
            )
        path = Path(self._settings.target) / unquote(urlsplit(target).path).lstrip("/")
        if path.is_dir():
            path /= "index.html"
        evict(path)
        return path

    def _reported(self, port: int, what: dict[int, Any], name: str) -> Any:
        """What the workers report of the client with that port. Raises `TraceFailed`."""
        until = time.monotonic() + SETTLE_S
        end = self._pipe.reading_end
        while port not in what:
            ready, _, _ = select.select([end], [], [], max(0.0, until - time.monotonic()))
            data = os.read(end, READ_BYTES) if ready else b""
            if not data:
                raise TraceFailed(f"the server did not report {name} in {SETTLE_S} s")
            over, others = self._exchanges.take(data)
            self._over |= {one.done["peer"]: one for one in over}
            self._accepted |= {message["accepted"]: message for message in others}
        return what.pop(port)
