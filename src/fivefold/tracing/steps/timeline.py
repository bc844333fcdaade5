"""The observations of one request in order, and finding something among them."""

from __future__ import annotations

import heapq
from bisect import bisect_left, bisect_right
from collections.abc import Iterable

from ...errors import TraceFailed
from ..model import Evidence, Observation

NOT_SAID = frozenset({"pid", "tid", "context", "fields", "until_ns"})
"""Of an observation's detail: it has a place of its own in the evidence, or is for us alone."""

OF_SCHEDULER = ("sched:", "syscalls:")
"""Events of one recording."""


class Timeline:
    """Everything that was seen between the client's first byte and its last."""

    def __init__(self, observations: Iterable[Observation]) -> None:
        everything = sorted(observations, key=lambda o: o.at_ns)
        self.start_ns, self.end_ns = self._bounds(everything)
        self.all: list[Observation] = []
        self._times: list[int] = []
        self._places: dict[str, list[int]] = {}
        """Where in `all` the observations of each event are: a slow client makes a hundred
        thousand of them, and each call asks."""
        # A moment longer: the server may notice later than the client that it is done.
        self._keep([o for o in everything if o.at_ns >= self.start_ns])
        self._process_of: dict[int, int] = {
            o.detail["tid"]: o.detail["pid"]
            for o in everything
            if "pid" in o.detail and not o.event.startswith("sched:")
        }
        """Of the threads that did something; the scheduler also names those in their way."""
        self.is_scheduled = any(one.event.startswith(OF_SCHEDULER) for one in self.all)
        """Whether the scheduler's events are recorded: a thread that never sleeps makes none, nor
        does an idle processor that is given to one."""

    def _keep(self, seen: list[Observation]) -> None:
        """These alone, in their order."""
        self.all, self._places = seen, {}
        self._times = [one.at_ns for one in seen]
        for place, one in enumerate(seen):
            self._places.setdefault(one.event, []).append(place)

    def _bounds(self, everything: list[Observation]) -> tuple[int, int]:
        """When it began and ended. Raises `TraceFailed`."""
        begun = [o.at_ns for o in everything if o.event == "client.send.enter"]
        ended = [o.at_ns for o in everything if o.event == "client.recv.exit"]
        if not begun or not ended:
            raise TraceFailed("the client did not see the request through")
        return begun[0], ended[-1]

    def of(self, *events: str, after: int = 0, before: int | None = None) -> list[Observation]:
        """Those of these events, in order; a call may return after the client has its data."""
        places = heapq.merge(*(self._between(event, after, before) for event in {*events}))
        return [self.all[place] for place in places]

    def _between(self, event: str, after: int, before: int | None) -> list[int]:
        """The places of an event in a span of time."""
        places = self._places.get(event, [])
        begin = bisect_left(places, after, key=self._times.__getitem__)
        if before is None:
            return places[begin:]
        return places[begin : bisect_right(places, before, key=self._times.__getitem__)]

    def within(self, after: int, before: int) -> list[Observation]:
        """Everything between two moments."""
        return self.all[bisect_left(self._times, after) : bisect_right(self._times, before)]

    def first(self, *events: str, after: int = 0, before: int | None = None) -> Observation | None:
        return next(iter(self.of(*events, after=after, before=before)), None)

    def last(self, *events: str, after: int = 0, before: int | None = None) -> Observation | None:
        return next(reversed(self.of(*events, after=after, before=before)), None)

    def bytes_of(self, *events: str) -> int:
        return sum(int(o.detail.get("bytes", 0)) for o in self.of(*events))

    def counted(self, name: str) -> int | None:
        """How much a counter of the serving thread grew over the exchange; None if unknown."""
        seen = [o for o in self.all if o.event == "accounting" and name in o.detail]
        if len(seen) < 2:  # noqa: PLR2004 - one before, one after
            return None
        same = [o for o in seen if o.detail.get("tid") == seen[0].detail.get("tid")]
        return int(same[-1].detail[name]) - int(same[0].detail[name])

    def us(self, at_ns: int) -> float:
        """Microseconds since the client began."""
        return (at_ns - self.start_ns) / 1000

    def evidence(self, observation: Observation) -> Evidence:
        known = observation.detail
        said = {name: value for name, value in known.items() if name not in NOT_SAID}
        said |= known.get("fields", {})
        process, thread = self._whose(observation)
        return Evidence(
            observation.source,
            observation.event,
            self.us(observation.at_ns),
            ", ".join(f"{name} {value}" for name, value in said.items()),
            process,
            thread,
        )

    def _whose(self, seen: Observation) -> tuple[int | None, int | None]:
        """The process and the thread of which it tells."""
        if seen.event == "sched:sched_switch":
            fields = seen.detail["fields"]
            before, after = fields["prev_pid"], fields["next_pid"]
            # Of a switch between two threads of ours it tells of the one that goes on.
            about = after if after in self._process_of else before
            return self._process_of.get(about), about
        if seen.event == "sched:sched_waking":
            woken = seen.detail["fields"]["pid"]
            return self._process_of.get(woken), woken
        if seen.detail.get("context", "task") != "task":
            return None, None
        return seen.detail.get("pid"), seen.detail.get("tid")
