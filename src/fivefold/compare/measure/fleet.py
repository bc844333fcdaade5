"""The servers that stay up while a scenario is measured: one runs, the others are paused.

Facts.        When the clients of a round go, what they asked is still with the server: it may not
              look whether a client is there, and a loop that is blocked has a request of each.
              64 clients of a handler that keeps the loop for 50 ms are 3.2 s of work for nobody.
Choice.       A server that owes more than `BACKLOG_S` is killed and started again: it is ours,
              and has nothing to lose.  What one owes is known by what was open at the end of its
              round and how fast it answered; one that seemed to owe nothing is asked once more,
              and answers behind whatever is left.
Assumption.   A new instance differs from the one before by less than `significance.WORTH`.
Cost.         A start instead of the work: less for most applications; those that take seconds to
              start and owe little more than `BACKLOG_S` would have been done sooner by themselves.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Sequence
from typing import Self

from ...load.job import Ask
from ..plan.contenders import Contender
from .asked_alone import is_done
from .cores import Cores, pin
from .servers import Up, launched

BACKLOG_S = 0.5
"""How long what a round left may take."""


class Member:
    """One server, and what ends it."""

    def __init__(self, contender: Contender) -> None:
        self.contender = contender
        self.ends = contextlib.ExitStack()
        self.running: Up = self.ends.enter_context(launched(contender))
        self.owed_s = 0.0
        """How long what its clients have left it will take."""

    def begin_again(self) -> None:
        """Raises `DidNotStart`."""
        self.running.kill()
        self.ends.close()
        self.running, self.owed_s = self.ends.enter_context(launched(self.contender)), 0.0


class Fleet:
    """A context manager; `ready` is called with each server that listens, before any load."""

    def __init__(self, cores: Cores, ready: Callable[[Up], None]) -> None:
        self._cores, self._ready = cores, ready
        self._members: dict[str, Member] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """All are asked to end before the first is waited for: each may need its grace."""
        for member in self._members.values():
            member.running.ask_to_end()
        with contextlib.ExitStack() as ends:
            for member in self._members.values():
                ends.push(member.ends)
        self._members.clear()

    def launch(self, contender: Contender) -> None:
        """Without waiting for it. Raises `DidNotStart`."""
        self._members[contender.name] = Member(contender)

    def names(self) -> list[str]:
        return list(self._members)

    def wait_for(self, name: str) -> None:
        """Until it is ready; it is paused then. Raises `DidNotStart`, and what `ready` raises."""
        self._await(self._members[name])
        self._members[name].running.pause()

    def _await(self, member: Member) -> None:
        running = member.running
        running.wait()
        if running.pid is not None:
            pin(running.pid, self._cores.server)
        self._ready(running)

    def remove(self, name: str) -> None:
        self._members.pop(name).ends.close()

    def owes(self, name: str, backlog_s: float) -> None:
        self._members[name].owed_s = backlog_s

    def awake(self, name: str, asks: Sequence[Ask]) -> Up:
        """The server, running, with nothing left to do. Raises as `wait_for`."""
        member = self._members[name]
        member.running.resume()
        is_ours = member.contender.address is None
        if member.owed_s > BACKLOG_S and is_ours:
            is_free = False
        else:
            is_free = is_done(member.running.address, asks, BACKLOG_S)
        if not is_free and is_ours:
            member.begin_again()
            self._await(member)
        member.owed_s = 0.0
        return member.running
