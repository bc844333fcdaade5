"""A selector whose wait is a turn of an I/O model.

The model reports what *may be ready* (`hosting`); one poll(2) over these tells which of them
are, so that `select` is level-triggered like any other.  Where nothing may be, there is no
such call: a turn that only moved connections of the model costs what it costs there.
"""

from __future__ import annotations

import asyncio
import os
import select
from collections.abc import Callable
from selectors import EVENT_READ, EVENT_WRITE, SelectorKey, SelectSelector
from time import monotonic
from typing import Any

from .foreign_loop import ForeignLoopSupport

NOT_EMPTY = (None,)
"""What an unknown queue is taken for."""

MANY_TIMERS = 100
"""From here on asyncio throws cancelled timers away at each pass, and must get one."""

NATIVE_PASS = getattr(asyncio.BaseEventLoop, "_run_once", None)
"""A pass of asyncio's own loop, as it was before any library replaced it."""


class LoopSelector(SelectSelector):
    """What asyncio asks instead of epoll; closing it closes the model.

    The standard library keeps the table of keys, and finds a closed socket's there; only how it
    waits is replaced.
    """

    def __init__(self, io: ForeignLoopSupport) -> None:
        self.io = io
        super().__init__()
        self._keys: dict[int, SelectorKey] = self._fd_to_key  # type: ignore[attr-defined]
        self._maybe_ready = io.maybe_ready
        self._pid = os.getpid()
        self._turn: Callable[[float | None], None] = io.turn
        self._loop: Any = None
        self._queue: Any = NOT_EMPTY
        self._timers: Any = NOT_EMPTY

    def register(self, fileobj: Any, events: int, data: Any = None) -> SelectorKey:
        key = super().register(fileobj, events, data)
        try:
            self.io.watch(key.fd, poll_events(events))
        except BaseException:
            super().unregister(fileobj)
            raise
        return key

    def modify(self, fileobj: Any, events: int, data: Any = None) -> SelectorKey:
        old = self.get_key(fileobj)
        if events != old.events:
            if not events or events & ~(EVENT_READ | EVENT_WRITE):
                raise ValueError(f"Invalid events: {events!r}")
            # Once, and not as the class above does it: out and in again are two system calls.
            self.io.watch(old.fd, poll_events(events))
        key = self._keys[old.fd] = old._replace(events=events, data=data)
        return key

    def unregister(self, fileobj: Any) -> SelectorKey:
        key = super().unregister(fileobj)
        self._maybe_ready.discard(key.fd)
        if self._pid == os.getpid():
            self.io.unwatch(key.fd)  # a forked child would end it for its parent
        return key

    def attach(self, loop: asyncio.AbstractEventLoop) -> None:
        """Let `select` see what the loop has to do, so that it need not return in vain.

        The names are private, though the same from Python 3.8 to 3.14; without them only
        the time is lost.
        """
        self._loop = loop
        self._queue = getattr(loop, "_ready", NOT_EMPTY)
        self._timers = getattr(loop, "_scheduled", NOT_EMPTY)

    def select(self, timeout: float | None = None) -> list[tuple[SelectorKey, int]]:
        maybe_ready = self._maybe_ready
        if (maybe_ready and self._ready()) or (timeout is not None and timeout <= 0):
            timeout = 0.0
        self._turn(timeout)
        if self._is_patched():
            return self._ready() if maybe_ready else []
        # A turn that only moved connections gives asyncio nothing to do: take another.
        while not (maybe_ready or self._queue or timeout == 0 or self._loop._stopping):  # noqa: SLF001
            timers = self._timers
            if timers:
                timeout = timers[0].when() - monotonic()
                if timeout <= 0 or len(timers) > MANY_TIMERS:
                    break
            elif timeout is not None:
                break
            self._turn(timeout)
        return self._ready() if maybe_ready else []

    def _is_patched(self) -> bool:
        """Whether another program's loop asks, which wants to look around after each turn:
        `nest_asyncio` puts no callback on the future that it waits for, so nothing would stand
        in the queue when a turn has completed it."""
        return getattr(type(self._loop), "_run_once", None) is not NATIVE_PASS

    def _ready(self) -> list[tuple[SelectorKey, int]]:
        """Those that are ready; the others are taken out."""
        maybe_ready, keys = self._maybe_ready, self._keys
        # A new one: which descriptors may be ready is another few each time, and to register them
        # in an epoll and take them out again would be a system call each.
        poll = select.poll()
        for fd in maybe_ready:
            poll.register(fd, poll_events(keys[fd].events))
        found = poll.poll(0)
        if len(found) < len(maybe_ready):
            idle = maybe_ready.difference([fd for fd, _ in found])
            maybe_ready -= idle
            for fd in idle:
                self.io.rearm(fd)
        return [(keys[fd], asked_for(events) & keys[fd].events) for fd, events in found]

    def close(self) -> None:
        for key in list(self._keys.values()):
            self.unregister(key.fd)
        super().close()
        self.io.close()


def poll_events(events: int) -> int:
    """The events of poll(2) for those of a selector."""
    reading = select.POLLIN if events & EVENT_READ else 0
    return reading | (select.POLLOUT if events & EVENT_WRITE else 0)


def asked_for(events: int) -> int:
    """A descriptor that hung up or failed is worth both a read and a write, which say so."""
    reading = EVENT_READ if events & ~select.POLLOUT else 0
    return reading | (EVENT_WRITE if events & ~select.POLLIN else 0)
