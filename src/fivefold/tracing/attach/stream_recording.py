"""What a connection of HTTP/2 does while one of its streams is served.

Facts.        One coroutine reads for all streams, whatever comes and whenever; another one sends
              for all.  A response is known to be given to the kernel when its stream has been
              answered and a send has ended after that, or had ended before.
Choice.       One stream at a time is traced: from the receive that brought its request until it is
              answered and sent.  Those that are begun meanwhile are counted, and not traced.
              Waiting in `recv` is then no part of the stream: its request is here.  The calls stay,
              because they are what the thread does.
Cost.         Of streams side by side only some are traced; what is read and sent for the others
              meanwhile is in the trace, and a note says so.
"""

from __future__ import annotations

from typing import Any

from ...http1.request import Request
from .recording import GIVEN, TAKEN, Recording

READING = ("recv.", "recvfrom.")


class StreamRecording(Recording):
    """As `Recording`, stream by stream."""

    def __init__(self, *arguments: Any) -> None:
        self._stream: Any = None
        """The one that is traced; None between two."""
        self._sends = False
        super().__init__(*arguments)
        self.others = 0

    def emit(self, event: str, detail: dict[str, Any]) -> None:
        if self._stream is None:
            self._before_a_request(event, detail)
            return
        if event in {"recv.begin", "recv.end"}:
            return
        self._sends = event in GIVEN or (self._sends and event not in TAKEN)
        super().emit(event, detail)
        if event in TAKEN and self._answered:
            self.over()

    def _before_a_request(self, event: str, detail: dict[str, Any]) -> None:
        """Each receive may be the one that brings it."""
        if event == "recv.begin":
            self.seen = []
        elif event.startswith(READING):
            self._keep(event, detail)

    def asked(
        self, request: Request, *, conn: Any, head_bytes: int, arrived_s: float, wanted: bool
    ) -> None:
        if self._stream is not None:
            self.others = (self.others or 0) + 1
            return
        self._stream = conn
        super().asked(request, conn=conn, head_bytes=head_bytes, arrived_s=arrived_s, wanted=wanted)
        if not self.counts:
            self.count()

    def answered(self, conn: Any, status: int, detail: dict[str, Any]) -> None:
        if conn is not self._stream:
            return
        super().answered(conn, status, detail)
        if not self._sends and any(event in TAKEN for _, _, event, _ in self.seen):
            self.over()

    def over(self) -> None:
        if self._stream is not None:
            super().over()
            self._stream = None
            self.others = 0
