"""The kinds of clients: how each goes on when an answer is there. One line each in `KINDS`."""

from __future__ import annotations

from collections import deque
from time import monotonic_ns

from .client import CONNECT, Client, kind_of
from .client_loop import ClientLoop
from .job import Group

PAUSE_NS = 100_000_000
"""Between two bytes of a slow client."""


class Fresh(Client):
    """A connection for every request; the server closes."""

    keeps = False

    def broken(self) -> None:
        self.start()


class Idle(Client):
    """One request, then silence on a kept connection."""

    def answered(self, now: int) -> None:
        """It stays."""


class Once(Client):
    """One request after `after_s`; what becomes of it is no figure, but tells whether it had the
    effect that it was sent for."""

    def start(self) -> None:
        self.loop.at(monotonic_ns() + int(self.group.after_s * 1e9), self.begin)

    def answered(self, now: int) -> None:
        """It had its effect, or none."""

    def fail(self, kind: str) -> None:
        if kind != CONNECT and self.ask is not None:
            self.tally.cut_off += 1
        super().fail(kind)

    def broken(self) -> None:
        """As intended, perhaps."""


class Slow(Client):
    """A byte of its request now and then; a server that waits for it waits long."""

    def __init__(self, loop: ClientLoop, group: Group, number: int) -> None:
        super().__init__(loop, group, number)
        self._sent = 0

    def start(self) -> None:
        self.ask = next(self.asks)
        self.begun, self.usual = False, None
        self.due = monotonic_ns()
        self._sent = 0
        self.drip(self.due)

    def answered(self, now: int) -> None:
        self.start()

    def drip(self, now: int) -> None:
        if self.sock is None or self.ask is None:
            return
        try:
            self._sent += self.sock.send(self.ask.data[self._sent : self._sent + 1])
        except BlockingIOError:
            pass  # not connected yet
        except OSError as error:
            self.fail(kind_of(error))
            return
        if self._sent < len(self.ask.data):
            self.loop.at(now + PAUSE_NS, self.drip)


class Schedule:
    """When each request of a group is due: evenly, whatever the server does.

    A request that finds no free connection waits, and its latency counts from when it
    was due; so a server that stalls cannot hide the requests it would have had meanwhile.
    """

    def __init__(self, loop: ClientLoop, rate: float) -> None:
        self.loop = loop
        self.step = 1e9 / rate
        self.begun = monotonic_ns()
        self.number = 0
        self.free: deque[Client] = deque()
        self._armed = False

    def take(self, now: int) -> int | None:
        """When the next request was due, if it was; it is the caller's then."""
        due = self.begun + int(self.number * self.step)
        if due > now:
            return None
        self.number += 1
        return due

    def overdue(self, now: int) -> list[int]:
        """When each was due that no client was free for: a server is charged with these, too."""
        return list(iter(lambda: self.take(now), None))

    def wait(self, client: Client) -> None:
        self.free.append(client)
        self._arm()

    def _arm(self) -> None:
        if self.free and not self._armed:
            self._armed = True
            self.loop.at(self.begun + int(self.number * self.step), self.act)

    def act(self, now: int) -> None:
        self._armed = False
        while self.free and (due := self.take(now)) is not None:
            self.free.popleft().begin(due)
        self._arm()


class Scheduled(Client):
    """Open loop: requests at a rate, each on a connection that is free."""

    def start(self) -> None:
        schedules = self.loop.schedules
        if self.group not in schedules:
            schedules[self.group] = Schedule(self.loop, self.group.rate)
        self.schedule = schedules[self.group]
        self.answered(monotonic_ns())

    def answered(self, now: int) -> None:
        due = self.schedule.take(now)
        if due is None:
            self.schedule.wait(self)
        else:
            self.begin(due)

    def broken(self) -> None:
        """One that was free still is, or asks by now, on a connection of its own."""
        if self.ask is None and self not in self.schedule.free:
            super().broken()


ONCE = "once"

KINDS: dict[str, type[Client]] = {
    "kept": Client,
    "fresh": Fresh,
    "idle": Idle,
    ONCE: Once,
    "slow": Slow,
    "scheduled": Scheduled,
}
