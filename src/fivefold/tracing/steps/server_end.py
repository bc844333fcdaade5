"""A real request, of which only the server's end can be seen.

Its client is not ours, so there is no "first byte sent": the trace begins when the request
reached the interface, if the kernel's events say when, otherwise with the call that read
its first bytes.  It ends when the client's kernel acknowledged what was sent last, or
else when that was given to the kernel.
"""

from __future__ import annotations

from ...errors import TraceFailed
from ..kernel.packets import CLIENT, TOWARDS
from ..model import Observation, Step
from .assembling import Assembly
from .timeline import Timeline

ARRIVALS = ("net:netif_rx", "net:napi_gro_receive_entry")
"""A packet comes from the interface."""

BEFORE = "it was not seen: the client is not ours, and the kernel's trace events need root"
READ_BEFORE = "it was read together with the request before it on its connection (pipelined)"
HERE_BEFORE = (
    "its arrival was not seen after the response before it was given to the kernel,"
    " or tracing began"
)
NOT_SHOWN = "none of the kernel's events shows when it came"
BEYOND = (
    "it cannot be seen from the server's end of the connection:"
    " the kernel's trace events need root and tracefs"
)
GIVEN = ("send.begin", "send_file.begin")
TAKEN = ("send.end", "send_file.end")


class ServedTimeline(Timeline):
    """Everything that was seen of one exchange from the server's end."""

    def __init__(self, observations: list[Observation], since_ns: int, server_port: int) -> None:
        """`since_ns`: what is older belonged to the exchange before."""
        self._server_port = server_port
        self.follows = since_ns > 0
        """Whether its connection had another exchange before, or waited when tracing began."""
        super().__init__(o for o in observations if o.at_ns >= since_ns)
        until = max(self.end_ns, *(o.at_ns for o in self.all if o.source != "tracefs"))
        self._keep([o for o in self.all if o.at_ns <= until])

    def _bounds(self, everything: list[Observation]) -> tuple[int, int]:
        got = [o.at_ns for o in everything if o.event == "recv.end"]
        sent = [o.at_ns for o in everything if o.event in TAKEN]
        given = [o.at_ns for o in everything if o.event in GIVEN]
        if not got or not sent or not given:
            raise TraceFailed("the server did not see the request through")
        return self._begun(everything, got[0]), self._acknowledged(everything, given[-1], sent[-1])

    def _acknowledged(self, everything: list[Observation], given_ns: int, taken_ns: int) -> int:
        """When the client had what was sent last. Its kernel may say so before our thread, whose
        processor another one has, comes to know that its call is over."""
        packets = [o for o in everything if o.event == "net:net_dev_queue"]
        ours = [o for o in packets if o.detail.get(TOWARDS, CLIENT) == CLIENT]
        left = [o.at_ns for o in ours if given_ns <= o.at_ns <= taken_ns]
        since_ns = left[-1] if left else max(given_ns, taken_ns)
        came = (o.at_ns for o in everything if o.at_ns >= since_ns and self._to_server(o))
        return next(came, taken_ns)

    def _begun(self, everything: list[Observation], got_ns: int) -> int:
        before = [o for o in everything if o.at_ns <= got_ns]
        for probe in filter(self.brings_data, before):
            came = [o.at_ns for o in before if o.event in ARRIVALS and o.at_ns <= probe.at_ns]
            return came[-1] if came else probe.at_ns
        tried = [o.at_ns for o in before if o.event == "recvfrom.enter"]
        return tried[-1] if tried else got_ns

    def brings_data(self, seen: Observation) -> bool:
        return self._to_server(seen) and bool(seen.detail["fields"].get("data_len"))

    def last_packet_out(self, after: int) -> tuple[Observation, Observation] | None:
        """The last packet that we sent: queued, and taken by the interface."""
        for queued in reversed(self.of("net:net_dev_queue", after=after, before=self.end_ns)):
            skb = [o for o in self.within(queued.at_ns, self.all[-1].at_ns) if same(o, queued)]
            probe = next((o for o in skb if o.event == "tcp:tcp_probe"), None)
            if probe is not None and self._to_server(probe):
                continue  # the client is on this machine, too, and this packet is its own
            taken = next((o for o in skb if o.event == "net:net_dev_xmit"), None)
            if taken is not None and taken.at_ns <= self.end_ns:
                return queued, taken
        return None

    def _to_server(self, seen: Observation) -> bool:
        """A packet that comes to us: tcp_probe names the ends as the receiving socket does."""
        is_probe = seen.event == "tcp:tcp_probe"
        return is_probe and bool(seen.detail["fields"].get("sport") == self._server_port)


def same(one: Observation, other: Observation) -> bool:
    """Whether both are about the same packet."""
    if one.source != other.source:
        return False
    return bool(one.detail["fields"].get("skbaddr") == other.detail["fields"].get("skbaddr"))


class ServedAssembly(Assembly):
    """As for our own client, but for the client's own part."""

    def __init__(self, timeline: ServedTimeline) -> None:
        self.timeline = timeline
        super().__init__(timeline)

    def _arrival(self) -> None:
        timeline = self._timeline
        asked = timeline.first("content.enter") or timeline.first(*GIVEN)
        got = timeline.last("recv.end", before=asked.at_ns if asked else None)
        got_ns = got.at_ns if got else timeline.start_ns
        probe, reached, ready = self._last_packet(got_ns)
        if reached is None and timeline.first("recv.end", before=got_ns - 1) is not None:
            reached = got  # it came in parts: the last one was waited for
        self._until(reached.at_ns if reached else None, None if reached else self._unseen_arrival())
        noticed = ready or probe
        self._until(noticed.at_ns if noticed else None)
        self._until(got_ns)

    def _unseen_arrival(self) -> str:
        timeline = self.timeline
        if any("pipelined" in one.detail for one in timeline.of("recv.end")):
            return READ_BEFORE
        if not any(one.source == "tracefs" for one in timeline.all):
            return BEFORE
        return HERE_BEFORE if timeline.follows else NOT_SHOWN

    def _last_packet(self, got_ns: int) -> list[Observation | None]:
        """The packet that made the request whole: with TCP, at the interface, at the socket."""
        timeline = self.timeline
        packets = filter(timeline.brings_data, timeline.within(timeline.start_ns, got_ns))
        probe = next(reversed(list(packets)), None)
        if probe is None:
            return [None, None, None]
        start_ns = timeline.start_ns
        return [
            probe,
            timeline.last(*ARRIVALS, after=start_ns, before=probe.at_ns),
            timeline.first("sock:sk_data_ready", after=probe.at_ns, before=got_ns),
        ]

    def _response(self) -> None:
        timeline = self.timeline
        packet = timeline.last_packet_out(self._at)
        if packet is None:
            self._until(timeline.end_ns)
            self._until(None, BEYOND)
            self._until(None, BEYOND)
            return
        for seen in packet:
            self._until(seen.at_ns)
        self._until(timeline.end_ns)


def served(timeline: ServedTimeline) -> tuple[Step, ...]:
    """The eleven steps."""
    return tuple(ServedAssembly(timeline).steps)
