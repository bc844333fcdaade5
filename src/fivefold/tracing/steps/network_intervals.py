"""When a request waited for its client, to send or to take, and was copied over the network."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

from ..model import Observation
from .intervals import (
    REQUEST_COPY,
    REQUEST_WAIT,
    RESPONSE_COPY,
    RESPONSE_WAIT,
    Interval,
)
from .page_waits import pages_missing
from .sending import CALLS, OPERATIONS, REFUSED, SENDING, Part, parts
from .serving_thread import ServingThread, name_of
from .summary import ARRIVED, RECEIVING, in_vain

SENT = ("client.send.enter", "client.send.exit")
"""The server may have it before the client's call has returned."""

UNATTRIBUTED = "{}, for the disk or for the client: only the kernel's events tell"


class NetworkIntervals:
    """Of one exchange."""

    def __init__(self, thread: ServingThread) -> None:
        self._thread = thread

    def waits(self) -> Iterator[Interval]:
        """For the request, and for room for the response."""
        yield from self._waits_for_request()
        yield from self._waits_for_room()

    def _waits_for_request(self) -> Iterator[Interval]:
        since = self._thread.timeline.start_ns
        label = self._thread.label("recvfrom", since, self._thread.whole_ns)
        is_scheduled = self._thread.is_scheduled
        for copy in self._received():
            if since > self._thread.timeline.start_ns:  # until it asks again it has something to do
                asked = self._thread.timeline.first("recv.begin", after=since, before=copy.start_ns)
                since = asked.at_ns if asked else since
            # A thread that sleeps while another one copies waits until it hears of that.
            until = copy.start_ns if self._thread.tries or not is_scheduled else copy.end_ns
            for start, end in self._thread.waits_between(since, until):
                yield self._thread.interval(start, end, REQUEST_WAIT, label)
            since = copy.end_ns
            if since >= self._thread.whole_ns:
                break
        yield from self._waits_in_vain(since, label)

    def _waits_in_vain(self, since: int, label: str) -> Iterator[Interval]:
        """For more of a request that then did not come."""
        for part in in_vain(self._thread.timeline):
            for start, end in self._thread.waits_between(
                max(since, part.begun.at_ns), part.ended.at_ns
            ):
                yield self._thread.interval(start, end, REQUEST_WAIT, label)

    def _waits_for_room(self) -> Iterator[Interval]:
        """From a call that met a full buffer to the one that found room; and sleeps in a call."""
        calls = list(parts(self._thread.timeline, CALLS))
        for operation in parts(self._thread.timeline, OPERATIONS):
            own = [
                one
                for one in calls
                if operation.begun.at_ns <= one.begun.at_ns
                and one.ended.at_ns <= operation.ended.at_ns
            ]
            yield from self._waits_between(own)
            for one in own or [operation]:
                for span in self._thread.sleeps_in(one):
                    yield self._waits_in(name_of(one), *span)

    def _waits_between(self, calls: list[Part]) -> Iterator[Interval]:
        since: int | None = None
        for one, later in pairwise(calls):
            is_refused = one.ended.detail.get("error") == REFUSED
            if since is None and is_refused:
                since = one.begun.at_ns
            elif since is None and one.begun.event == later.begun.event == SENDING:
                since = one.ended.at_ns
            if since is not None and later.ended.detail.get("error") != REFUSED:
                for start, end in self._thread.waits_between(since, later.begun.at_ns):
                    yield self._waits_in(name_of(later), start, end)
                since = None

    def _waits_in(self, call: str, start: int, end: int) -> Interval:
        thread, timeline = self._thread, self._thread.timeline
        label = thread.label(call, thread.received_ns, timeline.end_ns)
        if not thread.is_scheduled and call == "sendfile" and pages_missing(timeline):
            label = UNATTRIBUTED.format(label)
        return thread.interval(start, end, RESPONSE_WAIT, label)

    def copies(self) -> Iterator[Interval]:
        """From the kernel, and to it."""
        yield from self._received()
        timeline = self._thread.timeline
        sent = list(parts(timeline, CALLS)) or list(parts(timeline, OPERATIONS))
        for part in sent:
            if not part.ended.detail.get("error"):
                moved = int(part.ended.detail.get("bytes", 0))
                yield self._thread.interval(
                    part.begun.at_ns, part.ended.at_ns, RESPONSE_COPY, name_of(part), moved
                )

    def _received(self) -> list[Interval]:
        """The receives that brought the request, each from where the bytes were there."""
        timeline = self._thread.timeline
        calls = [
            one
            for one in timeline.of("recvfrom.exit", before=self._thread.whole_ns)
            if one.detail.get("bytes")
        ]
        received = timeline.of("recv.end", before=self._thread.whole_ns)
        ended = calls or [one for one in received if "error" not in one.detail]
        entered = {part.ended.at_ns: part.begun.at_ns for part in parts(timeline, RECEIVING)}
        found, since = [], timeline.start_ns
        for one in ended:
            start = self._copied_from(one, since, entered.get(one.at_ns))
            label, moved = one.event.partition(".")[0], int(one.detail.get("bytes", 0))
            copy = self._thread.interval(start, one.at_ns, REQUEST_COPY, label, moved)
            found.append(copy)
            since = one.at_ns
        return found

    def _copied_from(self, ended: Observation, since: int, entered: int | None) -> int:
        """When the thread began to copy what a receive brought."""
        timeline, span = self._thread.timeline, {"after": since, "before": ended.at_ns}
        copied = timeline.first("skb:skb_copy_datagram_iovec", **span)
        if copied is not None:
            return max(copied.at_ns, entered or since)
        arrived = timeline.last(*ARRIVED, *SENT, **span)
        start = max(entered or since, arrived.at_ns if arrived else since)
        begun = timeline.last("recvfrom.enter", **span) if entered else None
        if entered is None and arrived is None:  # no call is seen, nor the client: the operation
            begun = timeline.last("recv.begin", **span)
        return max(start, self._thread.slept_until(Part(begun, ended))) if begun else start
