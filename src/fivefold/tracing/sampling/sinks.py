"""What becomes of a sample in the control process: a line of the log, metrics, a span."""

from __future__ import annotations

import os
from typing import Any

from ...errors import SettingsError
from ...isolation.reporting import logger
from ...server.settings import Settings
from ...server.texts import interval
from .line import NO_QUEUE, NO_TCP
from .otlp import line_of
from .prometheus import PARTS, Metrics

log = logger("fivefold.trace")


class Samples:
    """Make it before the control process is forked, so that a wrong file is an error there."""

    def __init__(self, settings: Settings, version: str) -> None:
        """Raises `SettingsError` if the file for spans cannot be had."""
        self._version = version
        self.metrics = Metrics(interval(settings.trace_sample))
        self._spans: int | None = None
        if settings.trace_spans not in (None, "-") and settings.identity.user is not None:
            raise SettingsError(
                "trace_spans: root would write this file, with --user: take - (standard output)"
            )
        if settings.trace_spans is not None:
            how = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC
            try:
                self._spans = (
                    os.dup(1)
                    if settings.trace_spans == "-"
                    else os.open(settings.trace_spans, how, 0o644)
                )
            except OSError as error:
                raise SettingsError(
                    f"trace_spans: cannot write {settings.trace_spans}: {error.strerror}"
                ) from None

    def take(self, sample: dict[str, Any]) -> None:
        self.metrics.add(sample)
        log.info("%s", in_words(sample))
        if self._spans is not None:
            try:
                os.write(self._spans, line_of(sample, self._version).encode() + b"\n")
            except OSError as error:
                log.warning("no more spans: %s", error.strerror)  # a full disk
                self.close()

    def close(self) -> None:
        if self._spans is not None:
            os.close(self._spans)
            self._spans = None


def in_words(sample: dict[str, Any]) -> str:
    """One line; the target is the client's, so it is kept to plain characters."""
    target = sample["target"].encode("ascii", "backslashreplace").decode()
    read, app, send = (sample[part] / 1e6 for part in PARTS)
    words = (
        f"{sample['method']} {target} {sample['status']} in {read + app + send:.3f} ms:"
        f" read {read:.3f}, app {app:.3f}, send {send:.3f}; thread {sample['thread'] / 1e6:.3f}"
    )
    if sample["queue"] != NO_QUEUE:
        words += f"; queue {sample['queue'] / 1e6:.3f}"
    if sample["rtt"] != NO_TCP:
        words += f"; rtt {sample['rtt'] / 1e6:.3f}"
    if sample["retransmitted"]:
        words += f"; {sample['retransmitted']} retransmitted"
    return words
