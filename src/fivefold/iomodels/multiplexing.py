"""Multiplexing: ask the kernel which of many descriptors are worth trying.

Facts.        select(2) takes three sets, copies them at each call, and cannot hold a
              descriptor above 1023 (FD_SETSIZE).  poll(2) takes a list of any size and
              scans it at each call: 51 us for 1000 idle descriptors, against 133 us for
              select and 0.35 us for epoll (CPython 3.11).  epoll(7) keeps the list in
              the kernel; changing an entry costs 0.8 us; edge-triggered it reports a
              descriptor once per change, level-triggered it looks at each reported one
              again in the next call.
Consequence.  select and poll cost by what is watched, epoll by what happens.  An edge
              that came while no coroutine waited would be lost if it were not remembered.
Choice.       epoll: register once for everything, edge-triggered, never modify; an event
              without a waiter becomes a hint.  Against level-triggered this saves 8 % of
              the processor time of a small request.  select and poll: every open
              connection is watched for reading until it becomes readable while no code
              reads; then it is left out until a coroutine waits again.
Cost.         An epoll event may be stale or for the other direction; the try then fails
              with EAGAIN and the coroutine waits again.
"""

from __future__ import annotations

import select
from abc import abstractmethod

from ..errors import LimitReached
from .files import Helped
from .interface import Traits, Waiter
from .outcome import ended_badly
from .readiness.source import Source
from .readiness.watching import Watching
from .scheduler import milliseconds
from .wakeup import WakePipe

MAX_EVENTS = 256
"""Events taken in one call: nginx's and libuv's order of magnitude."""

FD_SETSIZE = 1024
"""<sys/select.h>; a higher descriptor would write outside the set."""

RESERVED = 32
"""Descriptors below FD_SETSIZE that are not connections: files, pipes, listeners, the log."""

EVERYTHING = select.EPOLLIN | select.EPOLLOUT | select.EPOLLRDHUP | select.EPOLLET
WRITABLE = select.EPOLLOUT
OVER = select.EPOLLRDHUP | select.EPOLLHUP | select.EPOLLERR

FILES = "resident pages at once, others by a helper thread"

WAIT = "asleep in {} over {{descriptors}} descriptors"
DISK_WAIT = "a helper thread reads"


class Multiplexing(Watching):
    """What the three engines share: they can watch a pipe, and know nothing of files."""

    name = "multiplexing"

    @classmethod
    def available(cls) -> str | None:
        return None if hasattr(select, cls.engine) else f"this system has no {cls.engine}"

    def __init__(self, *, tick_s: float = 1.0, connections: int = 1024) -> None:
        super().__init__(tick_s=tick_s, connections=connections)
        self.files = Helped(self.resume_threadsafe)
        self._pipe = WakePipe()
        self._watch(self._pipe)
        self.start(self._attend(self._pipe))

    def close(self) -> None:
        super().close()
        self._pipe.close()


class Epoll(Multiplexing):
    """epoll(7), edge-triggered, every descriptor registered once."""

    engine = "epoll"
    traits = Traits(
        overlaps=True,
        waits_in="epoll_wait(2)",
        wait=WAIT.format("epoll_wait"),
        disk_wait=DISK_WAIT,
        files=FILES,
        own_descriptors=3,
    )

    def __init__(self, *, tick_s: float = 1.0, connections: int = 1024) -> None:
        self._epoll = select.epoll()
        self._writing: set[int] = set()
        super().__init__(tick_s=tick_s, connections=connections)

    def _watch(self, watched: Source) -> None:
        self._epoll.register(watched.fd, EVERYTHING)  # may fail, and then nothing is watched
        super()._watch(watched)

    def forget(self, watched: Source) -> None:
        super().forget(watched)
        self._writing.discard(watched.fd)
        # Closing would do, were it certain that no forked child holds a copy (epoll(7), Q6).
        self._epoll.unregister(watched.fd)

    def _watch_foreign(self, fd: int, events: int) -> None:
        if fd not in self._foreign:
            self._epoll.register(fd, EVERYTHING)

    def _unwatch_foreign(self, fd: int) -> None:
        if fd in self._watched:
            return  # it was closed, and its number is that of a connection now
        try:
            self._epoll.unregister(fd)
        except OSError:
            pass  # it was closed before

    def _wait(self, timeout_s: float) -> None:
        # Local names, looked up once a wait instead of once an event.
        watched = self._watched
        writing = self._writing
        for fd, events in self._epoll.poll(timeout_s, MAX_EVENTS):
            # Looked up for each event: a coroutine that ran earlier in this batch may have
            # closed this descriptor, and another may have its number by now.
            source = watched.get(fd)
            if source is None:
                self._note(fd)  # or closed by a coroutine that ran earlier in this batch
                continue
            reader = source.reader
            if events & OVER:
                reader.ended = True  # before the step: no further edge will tell of it
            task = reader.task
            if events == WRITABLE:
                pass  # so each new connection begins: a try would be in vain
            elif task is None:
                # An edge is reported once: the next reader must try before waiting for another.
                reader.hints = reader.hints or 1
            else:
                # `start`, written out: this is the one loop that every small request passes.
                reader.task = None
                try:
                    task.send(None).task = task
                except StopIteration:
                    pass  # and another may wait to write: the edge is told of both once
                except BaseException as error:  # noqa: BLE001 - as in `start`
                    ended_badly(error)
            if writing and fd in writing and watched.get(fd) is source:  # not closed just now
                # Tried for any event: which direction it is about is not worth three tests
                # here, and a try in vain costs one EAGAIN.
                writing.discard(fd)
                self.go_on(source.writer)

    def writer_of(self, connection: Source) -> Waiter:
        self._writing.add(connection.fd)
        return connection.writer

    def give_up(self) -> None:
        super().give_up()
        self._epoll.close()  # else an edge that is taken here would be missed there

    def close(self) -> None:
        super().close()
        self._epoll.close()


class LevelTriggered(Multiplexing):
    """What select(2) and poll(2) share: told at each call what to look at."""

    def __init__(self, *, tick_s: float = 1.0, connections: int = 1024) -> None:
        self._left_out: dict[int, Source] = {}
        super().__init__(tick_s=tick_s, connections=connections)

    @abstractmethod
    def _ask(self, timeout_s: float) -> list[tuple[int, bool, bool]]:
        """What is ready: (descriptor, worth reading, worth writing)."""

    @abstractmethod
    def _look_at(self, fd: int, *, reading: bool, writing: bool) -> None:
        """What the next `_ask` shall look at."""

    def _watch(self, watched: Source) -> None:
        self._look_at(watched.fd, reading=True, writing=False)
        super()._watch(watched)

    def forget(self, watched: Source) -> None:
        super().forget(watched)
        self._left_out.pop(watched.fd, None)
        self._look_at(watched.fd, reading=False, writing=False)

    def _watch_foreign(self, fd: int, events: int) -> None:
        reading, writing = bool(events & select.POLLIN), bool(events & select.POLLOUT)
        self._look_at(fd, reading=reading, writing=writing)

    def _unwatch_foreign(self, fd: int) -> None:
        if fd not in self._watched:  # else its number is that of a connection by now
            self._look_at(fd, reading=False, writing=False)

    def writer_of(self, connection: Source) -> Waiter:
        self._left_out[connection.fd] = connection
        return connection.writer

    def _wait(self, timeout_s: float) -> None:
        if self._left_out:
            self._reconsider()
        for fd, readable, writable in self._ask(timeout_s):
            source = self._watched.get(fd)
            if source is None:
                self._note(fd)  # or closed by a coroutine that ran earlier in this batch
                continue
            if writable:
                self.go_on(source.writer)
            if readable and source.reader.task is not None:
                self.go_on(source.reader)
            elif readable and self._watched.get(fd) is source:  # the writer may have closed it
                # No coroutine reads: left in, it would be reported again and again.
                source.reader.hints = 1
                self._left_out[fd] = source

    def _reconsider(self) -> None:
        # A copy: a coroutine that waits again is taken out while we go through.
        for fd, source in list(self._left_out.items()):
            reading = source.reader.task is not None
            writing = source.writer.task is not None
            self._look_at(fd, reading=reading, writing=writing)
            if reading and not writing:
                del self._left_out[fd]


class Poll(LevelTriggered):
    """poll(2): no limit on descriptor numbers, one scan per call."""

    engine = "poll"
    traits = Traits(
        overlaps=True,
        waits_in="poll(2)",
        wait=WAIT.format("poll"),
        disk_wait=DISK_WAIT,
        files=FILES,
        limit="the time of each call grows with the connections (51 us for 1000)",
        own_descriptors=2,
    )

    def __init__(self, *, tick_s: float = 1.0, connections: int = 1024) -> None:
        self._poll = select.poll()
        self._registered: set[int] = set()
        super().__init__(tick_s=tick_s, connections=connections)

    def _look_at(self, fd: int, *, reading: bool, writing: bool) -> None:
        if reading or writing:
            mask = (select.POLLIN if reading else 0) | (select.POLLOUT if writing else 0)
            self._poll.register(fd, mask)
            self._registered.add(fd)
        elif fd in self._registered:
            # An empty mask would not do: poll reports POLLHUP and POLLERR regardless.
            self._poll.unregister(fd)
            self._registered.discard(fd)

    def _ask(self, timeout_s: float) -> list[tuple[int, bool, bool]]:
        ready = self._poll.poll(milliseconds(timeout_s))
        # POLLHUP and POLLERR come unasked and concern both directions: the next call of
        # either returns at once, with the end or the error.
        return [(fd, bool(e & ~select.POLLOUT), bool(e & ~select.POLLIN)) for fd, e in ready]


class Select(LevelTriggered):
    """select(2): portable to everything, and bounded by FD_SETSIZE."""

    engine = "select"
    traits = Traits(
        overlaps=True,
        waits_in="select(2)",
        wait=WAIT.format("select"),
        disk_wait=DISK_WAIT,
        files=FILES,
        limit=f"no descriptor above {FD_SETSIZE - 1} (FD_SETSIZE)",
        max_connections=FD_SETSIZE - RESERVED,
        own_descriptors=2,
    )

    def __init__(self, *, tick_s: float = 1.0, connections: int = 1024) -> None:
        self._reading: set[int] = set()
        self._writing: set[int] = set()
        super().__init__(tick_s=tick_s, connections=connections)

    def _look_at(self, fd: int, *, reading: bool, writing: bool) -> None:
        if fd >= FD_SETSIZE:
            raise LimitReached(
                f"select cannot watch descriptor {fd}: FD_SETSIZE is {FD_SETSIZE};"
                " take --io multiplexing:epoll or lower --max-connections"
            )
        (self._reading.add if reading else self._reading.discard)(fd)
        (self._writing.add if writing else self._writing.discard)(fd)

    def _ask(self, timeout_s: float) -> list[tuple[int, bool, bool]]:
        # The kernel overwrites its sets, so CPython builds them anew from ours at each call.
        readable, writable, _ = select.select(self._reading, self._writing, (), timeout_s)
        # An end or an error makes a descriptor readable and writable, so there is no third set.
        both = dict.fromkeys(readable, (True, False))
        for fd in writable:
            both[fd] = (fd in both, True)
        return [(fd, reading, writing) for fd, (reading, writing) in both.items()]
