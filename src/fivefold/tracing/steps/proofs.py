"""Which observations may be evidence for which step, and whose they must be."""

from __future__ import annotations

from ..kernel.belonging import CLIENT, OF_THREADS, SIDE
from ..kernel.disk_waits import PAGES, SUBMITTED
from ..kernel.events import STEPS_OF
from ..kernel.packets import CLIENT as TO_CLIENT
from ..kernel.packets import SERVER as TO_SERVER
from ..kernel.packets import TOWARDS
from ..model import Observation
from .page_waits import BEGUN, ENDED

HAND_OVER = ("sendto.enter", "sendfile64.enter", "send.begin", "send_file.begin")
"""The server gives something of the response to the kernel."""

SHOWN: dict[int, tuple[str, ...]] = {
    1: ("client.send.enter", "client.send.exit", "TX_SCHED", "TX_SND", "net:netif_rx", "recv.end"),
    2: ("net:netif_receive_skb", "sock:sk_data_ready", "tcp:tcp_probe"),
    3: (
        "sock:sk_data_ready",
        "sched:sched_waking",
        "sched:sched_switch",
        "recvfrom.enter",
        "recvfrom.exit",
        "recv.end",
    ),
    4: ("content.enter", "open.enter", "open.exit", "read_file.begin", "sendfile64.enter"),
    5: ("block:block_bio_queue", PAGES, SUBMITTED, BEGUN),
    6: (
        "io_uring:io_uring_complete",
        "sched:sched_switch",
        "block:block_rq_issue",
        "block:block_rq_complete",
        "cachestat",
        "accounting",
        BEGUN,
        ENDED,
    ),
    7: ("block:block_rq_complete", "sched:sched_waking"),
    8: ("read_file.begin", "read_file.end"),
    9: ("read_file.end", "content.enter", "content.exit", *HAND_OVER),
    10: ("sendto.exit", "sendfile64.exit", "net:net_dev_queue", "net:net_dev_xmit", "RX"),
    11: ("RX", "client.recv.exit"),
}
"""Which observations a step may rest on, if they lie within it."""


STEPS_OF_CLIENT = frozenset({1, 11})
"""Those in which it is the client that does something."""

NOT_TOWARDS = {1: TO_CLIENT, 2: TO_CLIENT, 3: TO_CLIENT, 9: TO_SERVER, 10: TO_SERVER}
"""A packet that goes the other way (an acknowledgement, a window) proves nothing of a step."""


def proves(seen: Observation, step: int) -> bool:
    """Whether it may be evidence for the step, if it lies within it."""
    if step not in steps_of(seen.event):
        return False
    if seen.event in OF_THREADS:
        return (seen.detail.get(SIDE) == CLIENT) is (step in STEPS_OF_CLIENT)
    towards = seen.detail.get(TOWARDS)
    return towards is None or towards != NOT_TOWARDS.get(step)


def steps_of(event: str) -> set[int]:
    ours = {step for step, events in SHOWN.items() if event in events}
    return ours | set(STEPS_OF.get(event, ()))
