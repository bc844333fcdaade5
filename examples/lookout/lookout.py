"""The lookout: a sixth I/O model, in a package of its own. Look at everything, pause, look again.

Facts.        poll(2) with a timeout of zero says at once which descriptors are ready.
Consequence.  Nobody sleeps in the kernel; how late an event is seen is ours to say.
Choice.       One look at all that coroutines wait for, then a pause that doubles up to 1 ms.
Cost.         As `nonblocking` without its refused tries: a call a look instead of one a
              connection, and up to 1 ms of delay.  It is an example, and nobody should take it.
"""

from __future__ import annotations

import select
import time

from fivefold.iomodels.files import Helped
from fivefold.iomodels.interface import Traits, Waiter
from fivefold.iomodels.readiness.source import Source
from fivefold.iomodels.readiness.watching import Watching
from fivefold.iomodels.wakeup import WakePipe

PAUSES_S = [0.0, 0.0, 50e-6, 100e-6, 200e-6, 500e-6, 1e-3]
"""After the first look without an event, the second, ...; the last one from then on."""


class Lookout(Watching):
    """Its name and its engine are the word that stands in pyproject.toml."""

    name = "lookout"
    engine = "lookout"
    traits = Traits(
        overlaps=True,
        waits_in="clock_nanosleep(2) between two looks",
        wait="asleep between two looks at {descriptors} descriptors",
        disk_wait="a helper thread read",
        files="resident pages at once, others by a helper thread",
        own_descriptors=2,
    )

    @classmethod
    def available(cls) -> str | None:
        return None if hasattr(select, "poll") else "this system has no poll"

    def __init__(self, *, tick_s: float = 1.0, connections: int = 1024) -> None:
        super().__init__(tick_s=tick_s, connections=connections)
        self.files = Helped(self.resume_threadsafe)
        self._pipe = WakePipe()  # `wake` writes into it
        self._watch(self._pipe)
        self.start(self._attend(self._pipe))

    def _wait(self, timeout_s: float) -> None:
        until = time.monotonic() + timeout_s
        looks = 0
        ready = self._look()
        while not ready and time.monotonic() < until:
            time.sleep(PAUSES_S[min(looks, len(PAUSES_S) - 1)])
            looks += 1
            ready = self._look()
        for fd, events in ready:
            # A coroutine that ran a moment ago may have closed it: look it up for each event.
            source = self._watched.get(fd)
            if source is None:
                self._note(fd)
                continue
            if events & select.POLLOUT:
                self.go_on(source.writer)
            if events & ~select.POLLOUT:
                self.go_on(source.reader)

    def _look(self) -> list[tuple[int, int]]:
        """What is ready of all that a coroutine waits for."""
        poll = select.poll()
        for fd, events in self._foreign.items():
            poll.register(fd, events)  # asyncio's, for ASGI applications
        for fd, source in self._watched.items():
            events = awaited(source)
            if events:
                poll.register(fd, events)
        return poll.poll(0)

    def _watch_foreign(self, fd: int, events: int) -> None:
        pass  # they are in each look

    def _unwatch_foreign(self, fd: int) -> None:
        pass

    def writer_of(self, connection: Source) -> Waiter:
        return connection.writer  # nothing to arm: the next look asks for it

    def close(self) -> None:
        super().close()
        self._pipe.close()


def awaited(source: Source) -> int:
    """The events of poll(2) that its coroutines wait for; 0 if none waits."""
    reading = select.POLLIN if source.reader.task is not None else 0
    writing = select.POLLOUT if source.writer.task is not None else 0
    return reading | writing
