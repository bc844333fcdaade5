"""Signal-driven I/O: the kernel sends a signal when a descriptor is worth trying.

Facts.        With O_ASYNC, F_SETSIG and F_SETOWN_EX each event of a descriptor becomes one
              queued real-time signal to one thread, which names the descriptor and
              stands for both directions (fcntl(2)).  What happened before arming raises
              none, nor does a shutdown(2) of our own.  The queue is bounded
              (RLIMIT_SIGPENDING, per user): beyond, signals are lost, and one SIGIO says
              so, to the same thread, ahead of the others.  The default action of these
              signals ends the process.  sigtimedwait(2) takes one signal; a read of a
              signalfd(2) takes hundreds, but a thread that *waits* on one is woken by every
              signal of the process: with 64 threads that wait so, one exchange cost 165 us
              of processor time, and 15 us where they wait in sigtimedwait.
Consequence.  A signal can be lost, late or about a descriptor that is closed: it is a hint
              and never required.  But several may be drained while no coroutine waits, and the
              end of the stream may be behind the data: hints must be counted.
Choice.       Both signals are blocked, read in bulk while there are any, waited for in
              sigtimedwait when there are none.  A signal resumes what waits on its
              descriptor, or leaves a hint.  After SIGIO the queue is emptied and one
              poll(2) looks at everything.  A stale signal needs no generations: at worst
              it costs the new owner of the number one EAGAIN.  A shared listener signals
              only the one that armed it last, so each looks at its listeners once a tick too.
Cost.         3 to 10 % more processor time than epoll per small request.  One signal per
              arriving segment: an upload brings hundreds for one connection.  Both
              signals stay blocked after `close` (a late one would end the process), and
              programs that this thread starts inherit that (signal(7)).
"""

from __future__ import annotations

import os
import select
import socket
import stat
from collections import deque
from collections.abc import Iterable
from signal import SIGIO, SIGRTMIN, sigtimedwait
from threading import get_native_id

from ..linux import signals
from .batching.connection import BatchingConnection
from .files import Helped
from .interface import Traits, Waiter
from .outcome import ended_badly
from .readiness.listener import ReadyListener
from .readiness.source import Source
from .readiness.waiting_thread import ReadinessThread
from .readiness.watching import Watching
from .wakeup import WakePipe

HINT = SIGRTMIN + 10
"""nginx's choice, when it had this method; C libraries take the lowest ones."""

PROBE = HINT + 1
"""For `available`, which must not take the signals of a model that runs in the same thread."""

OURS = (HINT, SIGIO)

BATCH = 256
"""Signals taken in one read, as many as `multiplexing` takes events: 32 KiB."""

ARRIVED_BEFORE = 2
"""The hints of a new connection: for the data that came before arming, and for their end."""

OVER = select.POLLRDHUP | select.POLLHUP | select.POLLERR


class SigioConnection(BatchingConnection):
    """A connection that tells its model what no signal tells."""

    def __init__(self, io: Sigio, sock: socket.socket) -> None:
        super().__init__(io, sock)
        self._sigio = io
        self.reader.hints = ARRIVED_BEFORE

    def interrupt(self) -> None:
        super().interrupt()
        self._sigio.interrupted(self.reader)


class Sigio(Watching):
    """Real-time signals, directed to this thread."""

    name = "sigio"
    engine = "sigio"
    traits = Traits(
        overlaps=True,
        waits_in="sigtimedwait(2); signals are collected with signalfd(2)",
        wait=f"asleep until signal {int(HINT)} came",
        disk_wait="a helper thread reads",
        files="resident pages at once, others by a helper thread",
        limit="beyond RLIMIT_SIGPENDING signals per user every descriptor is polled instead",
        own_descriptors=3,
    )
    connection_type = SigioConnection

    @classmethod
    def available(cls) -> str | None:
        try:
            return signals.probe(PROBE)
        except (OSError, AttributeError) as error:  # AttributeError: no signalfd in this libc
            return str(error)

    def __init__(self, *, tick_s: float = 1.0, connections: int = 1024) -> None:
        super().__init__(tick_s=tick_s, connections=connections)
        signals.block(OURS)
        self.files = Helped(self.resume_threadsafe)
        self._thread = get_native_id()
        self._listeners: dict[int, ReadyListener] = {}
        self._interrupted: deque[Waiter] = deque()
        self._signals = self._stale = self._overflows = 0
        self._queue = signals.SignalFile(OURS, BATCH)
        try:
            self._pipe = WakePipe()
        except OSError:
            self._queue.close()
            raise
        self._helper = ReadinessThread(self.wake)
        self._watch(self._pipe)
        self.start(self._attend(self._pipe))

    def listener(self, sock: socket.socket) -> ReadyListener:
        # Until O_ASYNC is set anew, signals carry the number that an earlier process armed.
        signals.disarm(sock.fileno())
        listener = super().listener(sock)
        self._listeners[listener.fd] = listener
        return listener

    def _watch(self, watched: Source) -> None:
        signals.arm(watched.fd, HINT, self._thread)
        super()._watch(watched)

    def forget(self, watched: Source) -> None:
        super().forget(watched)
        # Closing would do, were it certain that no forked child holds a copy.  A listener
        # stays open, and may be armed by our successor by now: then it is not ours to disarm.
        listener = self._listeners.pop(watched.fd, None)
        if listener is None or signals.owner(watched.fd) == self._thread:
            signals.disarm(watched.fd)

    def _wait(self, timeout_s: float) -> None:
        watched = self._watched
        for fd in self._collect(timeout_s):
            source = watched.get(fd)
            if source is None:
                self._unclaimed(fd)
                continue
            # `_hint`, written out: this is the one loop that every small request passes.
            reader = source.reader
            task = reader.task
            if task is None:
                # Counted, not noted: data and the end behind them are two signals, and a
                # reader that took only the first would wait for ever for the second.
                reader.hints += 1
            else:
                reader.task = None
                try:
                    task.send(None).task = task
                except StopIteration:
                    pass  # and another may wait to write, of which no other signal may tell
                except BaseException as error:  # noqa: BLE001 - as in `start`
                    ended_badly(error)
            # A signal stands for both directions; a try in vain costs one EAGAIN.
            if source.writer.task is not None:
                self.go_on(source.writer)

    def _unclaimed(self, fd: int) -> None:
        if fd in self._foreign:
            self.maybe_ready.add(fd)
        else:
            self._stale += 1

    def _watch_foreign(self, fd: int, events: int) -> None:
        if fd in self._foreign:
            return
        mode = os.fstat(fd).st_mode
        if stat.S_ISSOCK(mode) or stat.S_ISFIFO(mode):
            signals.arm(fd, HINT, self._thread, signals.status_flags(fd))
        else:
            self._helper.add(fd)  # a terminal could, but its open file is the shell's as well

    def _unwatch_foreign(self, fd: int) -> None:
        if fd in self._watched:
            return  # it was closed, and its number is that of a connection now
        self._helper.discard(fd)
        try:
            if signals.owner(fd) == self._thread:
                signals.disarm(fd, signals.status_flags(fd))
        except OSError:
            pass  # it was closed before

    def _collect(self, timeout_s: float) -> list[int]:
        """The descriptors that signals tell of; waits if there are none."""
        descriptors = self._queue.take()
        if not descriptors:
            info = sigtimedwait(OURS, timeout_s)
            if info is None:
                return []
            if info.si_signo == SIGIO:
                return self._recover()
            # The C union of siginfo_t has si_fd where Python sees si_status (`available` checks).
            descriptors = [info.si_status]
        # SIGIO names no descriptor, so it shows as 0.
        elif 0 in descriptors and SIGIO in self._queue.numbers():
            return self._recover()
        self._signals += len(descriptors)
        return descriptors

    def _recover(self) -> list[int]:
        """Signals were lost: forget the others, and ask poll(2) about every descriptor."""
        self._overflows += 1
        # The queue first: what comes after this is queued anew, or poll sees it.  The other way
        # round an event between the two would be neither.
        while len(self._queue.take()) == BATCH:
            pass
        self._look_at(self._watched.values())
        self.maybe_ready.update(self._foreign)
        return []

    def _look_at(self, sources: Iterable[Source]) -> None:
        """Hint at those that are ready now, whatever signals there were."""
        poll = select.poll()
        for source in sources:
            writing = select.POLLOUT if source.writer.task else 0
            poll.register(source.fd, select.POLLIN | select.POLLRDHUP | writing)
        for fd, events in poll.poll(0):
            ready = self._watched.get(fd)
            if ready is None:
                continue  # closed by a coroutine that ran earlier in this loop
            if events & OVER:
                ready.reader.ended = True  # its signal may be among the lost ones
            self._hint(ready)

    def _hint(self, source: Source) -> None:
        if source.reader.task is None:
            source.reader.hints += 1
        self.go_on(source.reader)
        self.go_on(source.writer)

    def _sweep(self, now: float) -> None:
        super()._sweep(now)
        # A listener that workers share signals the last that has armed it: when that one is away,
        # the others find its clients here, a tick late at most.
        if self._listeners:
            self._look_at(self._listeners.values())
        # Two descriptors may share an open file, whose signals name one of them only.
        self.maybe_ready.update(self._foreign)

    def interrupted(self, reader: Waiter) -> None:
        """The stream behind `reader` was shut down here, of which no signal tells; any thread."""
        self._interrupted.append(reader)
        self.wake()

    def _on_wake(self) -> None:
        while self._interrupted:
            reader = self._interrupted.popleft()
            reader.ended = True
            self.resume(reader)
        while self._helper.noticed:
            self._note(self._helper.noticed.popleft())
        super()._on_wake()

    def close(self) -> None:
        super().close()
        self._helper.close()
        self._pipe.close()
        # The signals stay blocked, but what is queued would count against the user's limit.
        while self._queue.take():
            pass
        self._queue.close()

    def statistics(self) -> dict[str, int]:
        return {"signals": self._signals, "stale": self._stale, "overflows": self._overflows}
