"""What the whole idea is about: how long a request waited, and how long it was copied."""

from __future__ import annotations

from ...iomodels.probes import OPERATIONS
from ..kernel.disk_waits import disk_waits, merged, spent
from ..kernel.off_cpu import off_cpu, run_queue_ns
from ..model import Step, Summary
from .page_waits import waits_for_pages
from .sending import Part, parts, sending
from .timeline import Timeline

ARRIVED = ("sock:sk_data_ready", "tcp:tcp_probe")
CLIENTS_STEPS = (1, 2, 11)
"""On the way from the client, and to it: the server waits, or has nothing left to do."""

RECEIVE = ("recv.begin", "recv.end")
RECEIVING = [("recvfrom.enter", "recvfrom.exit")]


def summed(timeline: Timeline, steps: tuple[Step, ...]) -> Summary:
    """Sums over the whole request, not only over the part of it that a step shows."""
    for_pages = waits_for_pages(timeline)
    waits = disk_waits(timeline.all, timeline.end_ns) or for_pages
    in_waits = sum(end - start for start, end in waits)
    shown = sum(s.duration_us for s in steps if s.step in (5, 6, 7) and s.happened)
    copied = steps[7].duration_us if steps[7].happened else 0.0
    sent = sending(timeline, merged([*waits, *for_pages]))
    waited = sum(s.duration_us for s in steps if s.step in CLIENTS_STEPS and s.happened)
    entered_ns, left_ns = content_span(timeline)
    # Waits and copies; whatever else content does is its own.
    own_io_ns = within_content(timeline, *OPERATIONS)
    total = timeline.us(timeline.end_ns)

    def of_exchange(us: float) -> float:
        """The server may go on a little after its client has all: that is no part of it."""
        return min(max(0.0, us), total)

    # Each is cut at what is left of the whole, so that they add up to it.
    rest = min(rest_of_request(timeline) / 1000, max(0.0, total - waited))
    room = min(sent.waited_ns / 1000, max(0.0, total - waited - rest))
    return Summary(
        network_wait_us=waited + rest + room,
        network_copy_us=of_exchange((receiving(timeline, steps) + sent.copied_ns) / 1000),
        disk_wait_us=of_exchange(in_waits / 1000 if waits else shown),
        disk_copy_us=copied,
        application_us=of_exchange((left_ns - entered_ns - own_io_ns) / 1000),
        runqueue_us=of_exchange(run_queue(timeline) / 1000),
        total_us=total,
        bytes_copied=copied_bytes(timeline),
        rest_wait_us=rest,
        room_wait_us=room,
    )


def rest_of_request(timeline: Timeline) -> int:
    """Nanoseconds in which the server waited for more of a request: content did, or it itself in
    vain; not those in which it had more, and wanted a processor."""
    received = [*in_vain(timeline), *in_content(timeline, "recv")]
    if not received:
        return 0
    tid = int(received[0].begun.detail.get("tid", 0))
    spans = off_cpu(timeline.all, tid, timeline.end_ns)
    wanting = [(one.start_ns, one.end_ns) for one in spans if one.runnable]
    return sum(one.took_ns - spent(wanting, one.begun.at_ns, one.ended.at_ns) for one in received)


def receiving(timeline: Timeline, steps: tuple[Step, ...]) -> int:
    """Nanoseconds in which bytes of the request were copied to the server.

    A blocking call waits as well: only what comes after the last arrival in it is a copy.
    """
    ready_ns = timeline.start_ns + round(steps[2].start_us * 1000)
    content = timeline.first("content.enter")
    total = 0
    for call in parts(timeline, RECEIVING):
        entered, left = call.begun.at_ns, call.ended.at_ns
        if "error" in call.ended.detail:
            continue
        arrived = timeline.last(*ARRIVED, after=entered, before=left)
        if arrived is None and content is not None and entered >= content.at_ns:
            continue  # it is counted as a wait, and nothing tells the two apart
        begun = max(entered, ready_ns, arrived.at_ns if arrived else 0)
        total += max(0, left - begun)
    return total


def in_vain(timeline: Timeline) -> list[Part]:
    """Receives for more of a request that content was never asked with, before its refusal was
    sent: what a server reads afterwards it throws away."""
    if timeline.first("content.enter") is not None:
        return []
    refused = timeline.first("send.begin")
    until = refused.at_ns if refused else timeline.end_ns
    received = parts(timeline, [RECEIVE])
    return [one for one in received if "error" in one.ended.detail and one.begun.at_ns < until]


def copied_bytes(timeline: Timeline) -> int:
    """Between kernel and process; sendfile(2) copies none of the file's."""
    files = timeline.of("send_file.end")
    by_files = sum(int(o.detail.get("copied", 0)) for o in files)
    return timeline.bytes_of("recv.end", "read_file.end", "send.end") + by_files


def run_queue(timeline: Timeline) -> int:
    """Nanoseconds; from the scheduler's events where we have them, else at least so many, from the
    thread's counter, which is read when the response was given to the kernel."""
    served = timeline.first("recv.end")
    if served is not None and timeline.is_scheduled:
        tid = int(served.detail["tid"])
        return run_queue_ns(timeline.all, tid, timeline.start_ns, timeline.end_ns)
    counts = timeline.of("accounting")
    # Read later than the client had all, it holds what nothing tells from the exchange's.
    later = max(0, counts[-1].at_ns - timeline.end_ns) if counts else 0
    return max(0, (timeline.counted("runqueue_ns") or 0) - later)


def within_content(timeline: Timeline, *names: str) -> int:
    """Nanoseconds in content's operations of the connection."""
    return sum(one.took_ns for one in in_content(timeline, *names))


def in_content(timeline: Timeline, *names: str) -> list[Part]:
    """Content's operations of the connection; in `recv` it waits for more of the request."""
    entered_ns, left_ns = content_span(timeline)
    return [
        one
        for one in parts(timeline, [(f"{name}.begin", f"{name}.end") for name in names])
        if entered_ns <= one.begun.at_ns and one.ended.at_ns <= left_ns
    ]


def content_span(timeline: Timeline) -> tuple[int, int]:
    """From when to when content worked; of no length if it was not seen to."""
    entered, left = timeline.first("content.enter"), timeline.last("content.exit")
    return (entered.at_ns, left.at_ns) if entered and left else (0, 0)
