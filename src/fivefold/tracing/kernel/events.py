"""The kernel's trace events that prove the eleven steps, as a table.

`THREADS` are recorded for the request's threads and whatever threads and processes these
make; what the kernel does in their name happens while they run.  `MACHINE` are recorded
for all processes: packets arrive and disks complete in interrupts, under whichever thread is
running, so the kernel cannot tell whose they are.  `owners` can, afterwards.

Left out on purpose: `skb:consume_skb` (each packet of the machine once more, and the copy
to the reader is seen better), `tcp:tcp_cong_state_set` and the rest of `block:*` (they say
how the kernel does it, not that it did).
"""

from __future__ import annotations

from dataclasses import dataclass

THREADS = "threads"
MACHINE = "machine"


@dataclass(frozen=True)
class EventKind:
    """An event of the kernel, and the steps that it can prove."""

    name: str
    """group:event, as tracefs calls it."""
    recorded: str
    """`THREADS` or `MACHINE`."""
    steps: tuple[int, ...]
    """Numbers of `model.STEPS`; none for events that only give threads their names."""


def _calls(names: str, *steps: int) -> list[EventKind]:
    return [
        EventKind(f"syscalls:sys_{way}_{name}", THREADS, steps)
        for name in names.split()
        for way in ("enter", "exit")
    ]


_SYSTEM_CALLS = [
    *_calls("epoll_wait epoll_pwait poll ppoll select pselect6", 3),
    *_calls("rt_sigtimedwait accept4 futex", 3),
    *_calls("recvfrom recvmsg", 3),
    *_calls("io_uring_enter", 3, 4, 9),
    *_calls("openat openat2 newfstat newfstatat statx", 4),
    *_calls("pread64 preadv preadv2", 4, 8),
    *_calls("read", 3, 4, 8),
    *_calls("sendfile64", 4, 9),
    *_calls("sendto", 1, 9),
    *_calls("sendmsg write writev", 9),
    *_calls("connect", 1),
]

EVENTS = (
    EventKind("net:netif_rx", MACHINE, (1, 11)),
    EventKind("net:napi_gro_receive_entry", MACHINE, (1, 11)),
    EventKind("napi:napi_poll", MACHINE, (1, 11)),
    EventKind("net:netif_receive_skb", MACHINE, (2, 11)),
    EventKind("tcp:tcp_probe", MACHINE, (2, 11)),
    EventKind("sock:inet_sock_set_state", MACHINE, (2,)),
    EventKind("sock:sk_data_ready", MACHINE, (3, 11)),
    EventKind("signal:signal_generate", MACHINE, (3,)),
    EventKind("sched:sched_waking", THREADS, (3, 7)),
    EventKind("sched:sched_switch", THREADS, (3, 6, 7)),
    EventKind("sched:sched_process_fork", THREADS, ()),
    EventKind("skb:skb_copy_datagram_iovec", THREADS, (3, 11)),
    EventKind("sock:sock_recv_length", THREADS, (3, 11)),
    EventKind("io_uring:io_uring_submit_req", MACHINE, (4,)),
    EventKind("io_uring:io_uring_queue_async_work", MACHINE, (4,)),
    EventKind("io_uring:io_uring_poll_arm", MACHINE, (3,)),
    EventKind("io_uring:io_uring_task_add", MACHINE, (3, 7)),
    EventKind("io_uring:io_uring_task_work_run", THREADS, (3, 7)),
    EventKind("io_uring:io_uring_complete", MACHINE, (3, 7, 8)),
    EventKind("io_uring:io_uring_cqring_wait", THREADS, (3,)),
    EventKind("filemap:mm_filemap_get_pages", THREADS, (4, 8)),
    EventKind("filemap:mm_filemap_add_to_page_cache", THREADS, (5,)),
    EventKind("block:block_bio_queue", MACHINE, (5,)),
    EventKind("block:block_rq_issue", MACHINE, (6,)),
    EventKind("block:block_rq_complete", MACHINE, (6, 7)),
    EventKind("tcp:tcp_sendmsg_locked", THREADS, (9,)),
    EventKind("sock:sock_send_length", THREADS, (9,)),
    EventKind("net:net_dev_queue", MACHINE, (10,)),
    EventKind("net:net_dev_start_xmit", MACHINE, (10,)),
    EventKind("net:net_dev_xmit", MACHINE, (10,)),
    EventKind("tcp:tcp_retransmit_skb", MACHINE, (10,)),
    EventKind("tcp:tcp_rcv_space_adjust", THREADS, (11,)),
    EventKind("tcp:tcp_receive_reset", MACHINE, (11,)),
    *_SYSTEM_CALLS,
)

BY_SHORT_NAME = {kind.name.partition(":")[2]: kind.name for kind in EVENTS}
"""The text names an event without its group."""

STEPS_OF = {kind.name: kind.steps for kind in EVENTS}


def recorded(where: str) -> list[str]:
    """The names of the events that are recorded for `where`."""
    return [kind.name for kind in EVENTS if kind.recorded == where]
