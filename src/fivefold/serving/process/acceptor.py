"""The accepting side of the process model: one process, its own I/O model, no connection."""

from __future__ import annotations

import _thread
import os
import select
import signal
import socket
import time
from time import monotonic

from ...errors import WorkerFailed
from ...iomodels.interface import IOModel
from ...processes.stopping import Stopping
from ..base import EXHAUSTED_PAUSE_S, ServingModel, close_woken, log, wake_on_signals
from ..limit import Limit
from ..open_connections import opened
from .channel import ENDED, GONE, IDLE, MORE, SERVE, STARTED, receive_message, send_message

SPARES = 4
"""Children idle before they are needed: a fork takes a millisecond, and so the client."""

PATIENCE_S = 1.0
"""So long a child that starts is waited for, before another one is asked for as well."""

SETTLING_S = 0.1
"""Once one child is idle, from each that is to the next, or clients are accepted without it."""

LOOK_S = 0.1
"""How often it is looked for a signal, and at the clock, while no child can serve."""


class Acceptor:
    """Accepts, and hands each connection to an idle child."""

    def __init__(
        self, model: ServingModel, inbox: socket.socket, to_forker: socket.socket, limit: Limit
    ) -> None:
        self._model = model
        self._inbox = inbox
        self._to_forker = to_forker
        self._limit = limit
        self._demand = model.on_ready.demand
        self._at_first = min(SPARES + self._demand.last, limit.most)
        """Children that are idle before a client is accepted, if they can be had in time."""
        self._forker = os.getppid()
        self._io: IOModel | None = None
        self._serves = False
        self._is_orphan = False
        self._channels: dict[int, socket.socket] = {}
        # The one that was busy last comes first: its caches are warm.
        self._idle: list[int] = []
        self._expected = 0
        self._starting: dict[int, float] = {}
        """Children that are not idle yet, the eldest first, and until when they are waited for."""

    def run(self) -> None:
        io = self._io = self._model.new_io(1, serves=False)
        Stopping().begin(self._leave, says=False)
        wake_on_signals(io)
        try:
            self._order_spares()
            io.run(self._main(io))
        finally:
            close_woken(io)
            self._model.hooks.ended()
        self._model.end_accepting()

    def _leave(self) -> None:
        """The forker says so, or has died. In a signal handler."""
        if os.getppid() == self._forker:
            self._stop()
        else:
            self._go_on_alone()

    def _stop(self) -> None:
        self._model.stopping = True
        if self._io is not None:
            self._io.wake()

    def _go_on_alone(self) -> None:
        """The forker has died: the children that are left serve until its successor does."""
        if self._is_orphan:
            return
        self._is_orphan = True
        succession = self._model.on_ready.succession
        if succession is None or not self._serves:
            self._stop()
        else:
            # Not `threading`, whose locks the code may hold that a signal has interrupted.
            _thread.start_new_thread(self._await_successor, (succession.heard,))

    # runs in: a thread of an acceptor whose forker has died

    def _await_successor(self, heard: int) -> None:
        """Or the end of the supervisor, or that of the last child."""
        signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())  # they are for others
        ends = select.poll()
        ends.register(heard, select.POLLIN)
        ends.register(self._inbox, 0)  # POLLHUP comes unasked (poll(2))
        ends.poll()
        self._stop()

    # runs in: the acceptor

    async def _main(self, io: IOModel) -> None:
        model = self._model
        self._serves = self._can_serve()
        # Only now: some models take the listener's events away from whoever has served so far.
        listeners = [io.listener(sock) for sock in model.listeners]
        if self._serves:
            model.on_ready()
        for listener in listeners:
            io.spawn(model.accepting(io, listener, self._hand_over))
        while not model.stopping:
            await io.woken
        if self._is_orphan:
            # A client that is still queued is for the successor, who has the same sockets: there
            # may not be an idle child left here.
            await model.leave_listeners(listeners, self._hand_over)
        else:
            await model.close_listeners(listeners, self._hand_over)

    def _can_serve(self) -> bool:
        """Wait for the first child that is idle: before that no client would be answered. Then for
        the others that are soon there: those of a worker that is replaced have clients, and all
        of these come at once (`demand`)."""
        while not (self._idle or self._model.stopping):
            if self._hear_within(LOOK_S):
                for _ in range(SPARES - len(self._channels) - self._expected):
                    self._order()  # in place of one that died while it started
        until = monotonic() + PATIENCE_S
        while len(self._idle) < self._at_first and not self._model.stopping:
            self._order_spares(self._at_first)
            if not self._hear_within(min(SETTLING_S, max(0.0, until - monotonic()))):
                break
        return not self._model.stopping

    async def _hand_over(self, sock: socket.socket) -> None:
        with sock:
            while True:
                try:
                    child = self._idle_child()
                except WorkerFailed:
                    await self._serve_here(sock)
                    return
                if child is None:
                    self._model.refuse(sock)
                    return
                taken = len(self._channels) - len(self._idle)
                self._limit.look(taken)
                self._demand.is_now(taken - len(self._starting))
                try:
                    send_message(self._channels[child], SERVE, child, sock)
                    break
                except GONE:
                    self._forget(child)  # it died while it was idle; ENDED is on its way
                except OSError as error:
                    self._idle.append(child)
                    self._pause(error)
        self._order_spares()

    async def _serve_here(self, sock: socket.socket) -> None:
        """The forker died while this connection was accepted, and no child is left: there is
        no other process that could answer it."""
        assert self._io is not None
        connection = opened(self._io, sock)
        if connection is not None:
            only = self._model.begin_anew()
            self._model.finish_connections()
            await only.attend(self._model.handler, connection)
            self._model.hooks.idle()

    def _idle_child(self) -> int | None:
        """The number of an idle child; waits for one, at the limit until one is free. None if the
        client is to be refused."""
        while self._hear(socket.MSG_DONTWAIT):
            pass
        while not self._idle:
            # One that starts is soon idle.
            busy = len(self._channels) - len(self._starting)
            if busy >= self._limit.most and self._model.refuses:
                return None
            if not self._on_the_way():
                self._order_spares()
            self._hear_within(LOOK_S)
        return self._idle.pop()

    def _on_the_way(self) -> int:
        """How many are going to be idle, without those whose start takes too long."""
        while self._starting and monotonic() > next(iter(self._starting.values())):
            del self._starting[next(iter(self._starting))]
        return self._expected + len(self._starting)

    def _order_spares(self, wanted: int = SPARES) -> None:
        """Until so many are idle; only a few start at once, beside whoever serves meanwhile."""
        if self._is_orphan:
            return
        for _ in range(min(wanted - len(self._idle), SPARES) - self._on_the_way()):
            self._order()

    def _order(self) -> None:
        """Ask the forker for one more; at the limit it will not come before another ends."""
        try:
            send_message(self._to_forker, MORE, 0)
        except GONE:
            self._go_on_alone()
        except OSError as error:
            self._pause(error)
            return
        self._expected += 1

    def _pause(self, error: OSError) -> None:
        """The kernel lacks something: nothing else can be done until it is there again."""
        log.error("the acceptor cannot reach a process: %s; trying again", error.strerror)
        time.sleep(EXHAUSTED_PAUSE_S)

    def _hear_within(self, timeout_s: float) -> bool:
        """Wait for a message and take it. Raises as `_hear`."""
        return bool(select.select([self._inbox], [], [], timeout_s)[0]) and self._hear()

    def _hear(self, flags: int = 0) -> bool:
        """Take one message; False if there is none. Raises `WorkerFailed` if the forker is gone."""
        try:
            heard = receive_message(self._inbox, flags)
        except BlockingIOError:
            return False
        if heard is None:
            raise WorkerFailed("the forker of the process pool is gone")
        what, number, attached = heard
        if what == STARTED:
            self._expected -= 1
            if attached is not None:  # else we are out of descriptors, and the child will end
                self._channels[number] = attached
                self._starting[number] = monotonic() + PATIENCE_S
        elif what == IDLE and number in self._channels:
            self._starting.pop(number, None)
            self._idle.append(number)
        elif what == ENDED:
            self._forget(number)
        return True

    def _forget(self, number: int) -> None:
        self._starting.pop(number, None)
        channel = self._channels.pop(number, None)
        if channel is not None:
            channel.close()
        if number in self._idle:
            self._idle.remove(number)
