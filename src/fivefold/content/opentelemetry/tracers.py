"""The tracer of each process that serves, and how its spans get to their collector.

Facts.        The SDK exports in batches, from a thread of each process.  Threads do not cross a
              fork, and under `process` the connection processes are forked after the application
              was loaded.
Choice.       A tracer is made where a process makes its I/O model, after the last fork: once in
              each worker, and once in each connection process, which serves one client after the
              other.  An application that has set a tracer provider by then keeps it, and exports
              by itself; otherwise the one that we make is everybody's.
              All settings are the SDK's own variables (OTEL_...).
Assumption.   A collector that does not answer takes no request's time: the SDK's queue is bounded
              (OTEL_BSP_MAX_QUEUE_SIZE) and drops the oldest spans.  At its end a process gives it
              `FLUSH_S`.  What is lost is counted and said.
Cost.         A thread and a connection to the collector for each of these processes; with --fresh
              for each client.
"""

from __future__ import annotations

import atexit
import logging
import os
import signal
import threading
from collections.abc import Sequence
from importlib.metadata import entry_points
from typing import Any

from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExportResult

from ...errors import SettingsError
from ...isolation.reporting import logger
from .refused_variables import refusals

log = logger("fivefold.opentelemetry")

FLUSH_S = 2.0
"""For the spans that are left at the end of a process."""

GROUP = "opentelemetry_traces_exporter"
"""Of entry points, by which the SDK's own configurator finds exporters, too."""

SAYING = ("opentelemetry.exporter", "opentelemetry.sdk._shared_internal")
"""Loggers whose lines about exports are the reasons of ours."""


class Tracers:
    """Made before the forks, of which each process begins its own."""

    tracer: Any = None

    def __init__(self) -> None:
        """Raises `SettingsError`."""
        self._exporters = exporters()
        self._lock = threading.Lock()
        self._pid = 0

    def begin(self) -> None:
        """Called in each thread that serves, before its first connection. Raises
        `ApplicationError`."""
        with self._lock, refusals():
            if self._pid == os.getpid():
                return
            provider = trace.get_tracer_provider()
            if isinstance(provider, trace.ProxyTracerProvider):
                provider = self._provider()
                trace.set_tracer_provider(provider)
            self.tracer = provider.get_tracer("fivefold")
            self._pid = os.getpid()

    def _provider(self) -> Any:
        provider = TracerProvider(shutdown_on_exit=False)
        # What interrupts our waits must not go to threads of the SDK.
        before = signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
        try:
            for kind in self._exporters:
                export = Export(kind())
                provider.add_span_processor(export)
                atexit.register(export.end)
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)
        return provider


def exporters() -> list[Any]:
    """The classes that the environment names. Raises `SettingsError`."""
    if os.environ.get("OTEL_SDK_DISABLED", "").strip().lower() == "true":
        return []
    names = os.environ.get("OTEL_TRACES_EXPORTER", "").strip() or "otlp"
    return [exporter(name.strip()) for name in names.split(",") if name.strip() != "none"]


def exporter(name: str) -> Any:
    if name == "otlp":
        name = "otlp_proto_grpc" if protocol() == "grpc" else "otlp_proto_http"
    for found in entry_points(group=GROUP, name=name):
        return found.load()
    raise SettingsError(f"otel: OTEL_TRACES_EXPORTER: there is no exporter {name!r} installed")


def protocol() -> str:
    general = os.environ.get("OTEL_EXPORTER_OTLP_PROTOCOL", "")
    return os.environ.get("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", general).strip()


class Export:
    """The SDK's batches, with what becomes of the spans: a processor of spans around an exporter,
    and the exporter that its batches are given to."""

    def __init__(self, exporter: Any) -> None:
        self._exporter = exporter
        self._ended = self._delivered = 0
        """Spans. Threads that end theirs at once may count one for two."""
        self._fails = self._over = False
        self._reasons = Reasons()
        self._batches = BatchSpanProcessor(self)

    # As a processor of spans

    def on_start(self, span: Any, parent_context: Any = None) -> None:
        """Nothing: a span that goes on is nothing to export."""

    def _on_ending(self, span: Any) -> None:
        """Nothing, as the SDK's own processors do."""

    def on_end(self, span: Any) -> None:
        if span.context.trace_flags.sampled:
            self._ended += 1
            self._batches.on_end(span)

    def force_flush(self, timeout_millis: int = 30_000) -> bool:
        return bool(self._batches.force_flush(timeout_millis))

    # As an exporter, in the thread of the batches

    def export(self, spans: Sequence[Any]) -> Any:
        result = self._exporter.export(spans)
        if result is SpanExportResult.SUCCESS:
            self._delivered += len(spans)
            if self._fails:
                log.info("spans reach their collector again")
        elif not self._fails:
            log.warning("spans do not reach their collector: %s", self._reasons.last)
        self._fails = result is not SpanExportResult.SUCCESS
        return result

    def shutdown(self) -> None:
        """Give the rest to the collector, and end."""
        self.end()

    def end(self) -> None:
        if self._over:
            return
        self._over = True
        flushing = threading.Thread(
            target=self._batches.force_flush, name="fivefold-spans", daemon=True
        )
        flushing.start()
        flushing.join(FLUSH_S)
        self._exporter.shutdown()  # it tries no more
        lost = self._ended - self._delivered
        if lost > 0:
            log.warning("%d spans have not reached their collector", lost)


class Reasons(logging.Handler):
    """Keeps what the SDK says of exports: a line of ours gives the last of it as the reason."""

    last = "no reason is known"

    def __init__(self) -> None:
        super().__init__()
        for name in SAYING:
            logging.getLogger(name).addHandler(self)

    def emit(self, record: logging.LogRecord) -> None:
        self.last = record.getMessage()
