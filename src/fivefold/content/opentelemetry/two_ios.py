"""The two I/Os of one exchange, network and disk, and of each its two parts: waiting and copying.

Facts.        Of an operation the kernel tells nobody how long it waited and how long it copied,
              and a blocking call does both at once.  But the clock of a thread's processor time
              stands still while the thread sleeps or its coroutine is parked.
Choice.       Copying is the processor time of the steps in which an operation runs: the system
              calls and the Python around them, TLS included.  Waiting is the rest of its
              duration: for the client or the disk, and for a processor, the GIL or other
              coroutines of the thread.
Assumption.   Where the kernel itself does an operation (`uring`, `posix`), its copying is not in
              our steps and counts as waiting: that is what asynchronous I/O means.
              sendfile(2) reads the disk and sends in one call, which is the network's here.
              What an application reads from disks or from elsewhere is not ours to measure, and
              the head was read before.
              Of a stream of HTTP/2 the reading for all streams of its connection is counted where
              it is the one that reads, and so is what leaves together with its own.
Cost.         Two clocks for each step, 0.5 us, and what `Overlay` says; a small response does not
              wait for others of its turn.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Iterator
from time import monotonic
from types import coroutine
from typing import Any

from ...http1.stream import HttpConnection
from ...iomodels.overlay import Around, Overlay
from ..leaving_head import is_head, status_of

Operation = Callable[..., Coroutine[Any, Any, Any]]

STREAM_OPERATIONS = ("receive", "recv", "send_body", "settled")
"""Of a stream of HTTP/2; none calls another."""

NS = 1e-9


class TwoIos:
    """Between its making and `lift` the operations of a connection are timed."""

    def __init__(self, conn: HttpConnection) -> None:
        self.status = 0
        """Of the response whose head has left; 0 until then."""
        self.opened = 0.0
        """When that was, monotonic seconds."""
        self._network = IoTimes(conn)
        self._disk = IoTimes(conn)
        network = self._network.timing
        if conn.multiplexed:
            around: dict[str, Around] = dict.fromkeys(STREAM_OPERATIONS, network)
            around["respond"] = self._responding
        else:
            around = dict.fromkeys(("send", "send_file"), self._sending)
            around["recv"] = network
        self._overlay = Overlay(
            conn, read_file=self._disk.timing, send_soon=lambda _: never, **around
        )

    def lift(self) -> None:
        self._overlay.lift()

    def times(self) -> Iterator[tuple[str, float]]:
        """Seconds of each part, by its name; of an I/O that was not needed none."""
        for name, io in (("network", self._network), ("disk", self._disk)):
            if io.lasted_s:
                copied_s = min(io.copied_ns * NS, io.lasted_s)
                yield f"{name}.wait", io.lasted_s - copied_s
                yield f"{name}.copy", copied_s

    def _responding(self, respond: Callable[[Any, int], None]) -> Callable[[Any, int], None]:
        def responding(fields: Any, status: int) -> None:
            if not self.status:
                self.status = status
                self.opened = monotonic()
            respond(fields, status)

        return responding

    def _sending(self, send: Operation) -> Operation:
        return self._opening(self._network.timing(send))

    def _opening(self, send: Operation) -> Operation:
        def opening(first: bytes, *others: Any) -> Coroutine[Any, Any, Any]:
            if not self.status and is_head(first):
                self.status = status_of(first)
                self.opened = monotonic()
            return send(first, *others)

        return opening


class IoTimes:
    """The operations of one I/O, added up."""

    def __init__(self, conn: Any) -> None:
        self._clock: Callable[[], int] = conn.processor_ns
        self.lasted_s = 0.0
        self.copied_ns = 0

    def timing(self, operation: Operation) -> Operation:
        async def timed(*arguments: Any, **named: Any) -> Any:
            begun = monotonic()
            try:
                return await self._steps(operation(*arguments, **named))
            finally:
                self.lasted_s += monotonic() - begun

        return timed

    @coroutine
    def _steps(self, operation: Coroutine[Any, Any, Any]) -> Any:
        clock = self._clock
        step: Callable[[Any], Any] = operation.send
        argument: Any = None
        while True:
            at = clock()
            try:
                waiter = step(argument)
            except StopIteration as end:
                return end.value
            finally:
                self.copied_ns += clock() - at
            try:
                step, argument = operation.send, (yield waiter)
            except BaseException as error:  # noqa: BLE001 - it is the operation's
                step, argument = operation.throw, error


def never(_: bytes) -> bool:
    """It is to be sent by `send`."""
    return False
