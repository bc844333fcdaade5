"""thread: a thread per connection, from a bounded pool.

Promises.  The main thread of a worker accepts, with an instance of the I/O model of its
own, and hands each connection to an idle thread; a thread serves one connection at a
time, with an I/O model that it made itself and keeps as long as it lives (descriptors
that are armed for a thread must not outlive it).  Threads are started on demand, a few
ahead; with `fresh` a thread ends after one connection.  A crash of the process takes
all its connections with it; an exception takes one.  When all threads are busy the main
thread stops accepting, and the kernel's queue holds the rest, unless they are to be refused
(`refusing`).  Signals: SIGTERM stops;
the I/O model may use real-time signals, directed to its thread.
"""

from __future__ import annotations

import queue
import socket
import threading
import time
from time import monotonic
from typing import Any

from ..errors import ApplicationError, FivefoldError
from ..iomodels.interface import IOModel
from ..isolation.mailbox import Mailbox
from ..isolation.reporting import report
from ..isolation.starting_threads import made_thread
from ..processes.pulse import begin_beating
from .base import EXHAUSTED_PAUSE_S, ServingModel, ServingTraits, close_woken, log
from .limit import SETTING, Limit
from .open_connections import CUT_S, opened

SPARES = 4
"""Threads ready before they are needed: starting one takes 50 to 100 us."""

Client = Mailbox[socket.socket | None]
"""The client that a thread serves next; None to end."""


class Thread(ServingModel):
    """A pool of threads, one connection each."""

    name = "thread"
    traits = ServingTraits(
        runs="a thread of a pool",
        crash_takes="all clients of the worker",
        default_connections=512,
        one_thread=False,
        many_threads=True,
        scales_by_workers=True,
        can_be_fresh=True,
    )

    def __init__(self, *given: Any, **named: Any) -> None:
        """Takes what every serving model takes."""
        super().__init__(*given, **named)
        self._limit = Limit({SETTING: self.options.max_connections})
        # Of all threads.
        # A mailbox stands for an idle thread.  SimpleQueue, because its `put` may be called
        # from a signal handler that interrupted its `get` (queue module, "reentrant").
        self._idle: queue.SimpleQueue[Client | None] = queue.SimpleQueue()
        self._threads: set[threading.Thread] = set()
        self._busy: set[Client] = set()
        """Mailboxes of those that have been given a client."""
        self._failure: ApplicationError | None = None
        """Why no thread can serve."""

    def run(self) -> None:
        io = self._io = self.new_io(1, serves=False)
        self._limit = self.limit(io.traits.descriptors + io.traits.own_descriptors, {})
        self.hooks.started()
        self._begin(io)
        if self.options.stuck_s is not None:
            begin_beating(self.on_ready.alive, self.options.stuck_s)
        try:
            self._add_spares()
            io.run(self._main(io))
        finally:
            close_woken(io)
        if self._failure is not None:
            raise self._failure
        self.end_accepting()

    def stop(self) -> None:
        super().stop()
        self.finish_connections()  # the main thread may take a tick to hear of it
        self._idle.put(None)  # the main thread may be waiting for an idle thread

    async def _main(self, io: IOModel) -> None:
        listeners = self.queues(io, self._room)
        if self._can_serve():
            self.on_ready()
        for listener in listeners:
            io.spawn(self.accepting(io, listener, self._hand_over))
        while not self.stopping:
            await io.woken
        await self.close_listeners(listeners, self._hand_over)
        self._drain()

    # runs in: the main thread

    def _room(self) -> int:
        return self._limit.most - len(self._threads) + self._idle.qsize()

    def _can_serve(self) -> bool:
        """Wait for the first thread that is idle: before that no client would be answered."""
        while not self.stopping:
            mailbox = self._idle.get()
            if mailbox is not None:
                self._idle.put(mailbox)
                return True
            self._add_spares()
        return False

    async def _hand_over(self, sock: socket.socket) -> None:
        mailbox = self._idle_thread()
        if mailbox is None:
            if self._failure is None:
                self.refuse(sock)
            sock.close()
            return
        self._busy.add(mailbox)
        self._limit.look(len(self._busy))
        mailbox.put(sock)
        self._add_spares()

    def _idle_thread(self) -> Client | None:
        """An idle thread's mailbox; waits for one at the limit. None if there will never be one, or
        the client is to be refused."""
        while self._failure is None:
            try:
                mailbox = self._idle.get_nowait()
            except queue.Empty:
                # Not by the number of threads: one that starts or has just served is soon idle.
                if len(self._busy) >= self._limit.most and self.refuses:
                    return None
                if len(self._threads) < self._limit.most:
                    self._start_thread()
                mailbox = self._next_idle()
            if mailbox is not None:
                return mailbox
            if self.stopping:
                self.finish_connections()  # so that a thread becomes idle
        return None

    def _next_idle(self) -> Client | None:
        """Wait; while stopping no longer than grace allows, then cut what is left."""
        if not self.stopping:
            return self._idle.get()
        try:
            return self._idle.get(timeout=max(0.0, self.options.grace.until() - monotonic()))
        except queue.Empty:
            self.cut_connections()
            return self._idle.get()

    def _add_spares(self) -> None:
        missing = SPARES - self._idle.qsize()
        for _ in range(min(missing, self._limit.most - len(self._threads))):
            self._start_thread()

    def _start_thread(self) -> None:
        thread = made_thread("fivefold-connection", self._life)
        self._threads.add(thread)
        try:
            thread.start()
        except RuntimeError as error:  # the system has no more threads for us
            self._threads.discard(thread)
            log.error("cannot start a thread: %s", error)
            time.sleep(EXHAUSTED_PAUSE_S)

    def _drain(self) -> None:
        self.finish_connections()
        while self._threads and monotonic() < self.options.grace.until():
            self._dismiss_one(max(0.0, self.options.grace.until() - monotonic()))
        self.cut_connections()
        end = monotonic() + CUT_S
        while self._threads and monotonic() < end:
            self._dismiss_one(0.1)

    def _dismiss_one(self, timeout_s: float) -> None:
        try:
            mailbox = self._idle.get(timeout=timeout_s)
        except queue.Empty:
            return
        if mailbox is not None:
            mailbox.put(None)

    # runs in: a pool thread

    def _life(self) -> None:
        """Whatever ends this thread, it gives its place back, and another one is started."""
        try:
            self._serve()
        except ApplicationError as error:
            self._failure = error
            self.stop()
        except (OSError, FivefoldError) as error:
            log.error("a thread cannot serve: %s", error)
            time.sleep(EXHAUSTED_PAUSE_S)  # its successor would fail just as fast
        except BaseException as error:  # noqa: BLE001 - the edge of a thread
            report(log, "a thread of the server failed", error=error)
        finally:
            self._threads.discard(threading.current_thread())
            self._idle.put(None)

    def _serve(self) -> None:
        io = self.new_io(1)
        try:
            while self._serve_one(io) and not self.options.fresh:
                pass
        finally:
            io.close()

    def _serve_one(self, io: IOModel) -> bool:
        """Wait for a connection and serve it; False if none will come."""
        mailbox: Client = Mailbox()
        self._idle.put(mailbox)
        sock = mailbox.get()
        if sock is None:
            return False
        try:
            connection = opened(io, sock)
            if connection is not None:
                io.run(self.open.attend(self.handler, connection))
        finally:
            self._busy.discard(mailbox)
        return True
