"""Lines as kernels print them, and the observations they are."""

from __future__ import annotations

from typing import Any

import pytest

from fivefold.tracing.kernel.events import EVENTS, STEPS_OF
from fivefold.tracing.kernel.lines import fields, observation, observe
from fivefold.tracing.model import STEPS

# Recorded on Linux 6.18, but for those that say otherwise.
RECORDED: list[tuple[str, str, dict[str, Any]]] = [
    (
        "sys_pread64(fd: 3, buf: 0x55a71521d6e0, count: 0x186a0, pos: 0)",
        "syscalls:sys_enter_pread64",
        {"fd": 3, "count": 100_000, "pos": 0},
    ),
    ("sys_pread64 -> 0x186a0", "syscalls:sys_exit_pread64", {"ret": 100_000}),
    ("sys_pread64 -> 0xffffffffffffffe3", "syscalls:sys_exit_pread64", {"ret": -29}),
    (  # 5.10: base 16 without saying so
        "sys_openat(dfd: ffffff9c, filename: 7f37, flags: 80000, mode: 0)",
        "syscalls:sys_enter_openat",
        {"dfd": -100, "flags": 0x80000, "mode": 0},
    ),
    (  # 6.19 shows what names point to
        'sys_openat(dfd: 0xffffff9c, filename: 0x7f37 "/etc/hosts", flags: 0x80000, mode: 0)',
        "syscalls:sys_enter_openat",
        {"dfd": -100, "flags": 0x80000, "mode": 0},
    ),
    (
        "net_dev_queue: dev=lo skbaddr=000000007ec1a5c9 len=74",
        "net:net_dev_queue",
        {"dev": "lo", "skbaddr": "000000007ec1a5c9", "len": 74},
    ),
    (
        "net_dev_start_xmit: dev=lo queue_mapping=0 skbaddr=0000000049274626 protocol=0x0800",
        "net:net_dev_start_xmit",
        {"skbaddr": "0000000049274626", "protocol": 0x800},
    ),
    ("netif_rx: dev=lo skbaddr=000000007ec1a5c9 len=60", "net:netif_rx", {"len": 60}),
    (
        (
            "napi_poll: napi poll on napi struct 000000001404717a for device (no_device)"
            " work 2 budget 64"
        ),
        "napi:napi_poll",
        {"dev": "(no_device)", "work": 2, "budget": 64},
    ),
    (
        (
            "tcp_probe: family=AF_INET6 src=[::1]:58515 dest=[::1]:37606 mark=0x0 data_len=5"
            " snd_nxt=0xbd973652 snd_cwnd=10 sock_cookie=1009 skbaddr=000000007ec1a5c9"
        ),
        "tcp:tcp_probe",
        {"sport": 58515, "dport": 37606, "data_len": 5, "sock_cookie": 0x1009},
    ),
    (
        "sk_data_ready: family=2 protocol=6 func=sock_def_readable",
        "sock:sk_data_ready",
        {"protocol": 6, "func": "sock_def_readable"},
    ),
    (
        (
            "inet_sock_set_state: family=AF_INET protocol=IPPROTO_TCP sport=58515 dport=37606"
            " saddr=127.0.0.1 oldstate=TCP_LISTEN newstate=TCP_SYN_RECV"
        ),
        "sock:inet_sock_set_state",
        {"sport": 58515, "dport": 37606, "newstate": "TCP_SYN_RECV"},
    ),
    (
        (
            "sock_recv_length: sk address = 00000000eac365a1, family = AF_INET"
            " protocol = IPPROTO_TCP, length = 0, error = -11, flags = 0x40"
        ),
        "sock:sock_recv_length",
        {"address": "00000000eac365a1", "length": 0, "error": -11, "flags": 64},
    ),
    (
        "tcp_sendmsg_locked: skb_addr 0000000000000000 skb_len 0 msg_left 51 size_goal 32741",
        "tcp:tcp_sendmsg_locked",
        {"skb_addr": "0000000000000000", "msg_left": 51},
    ),
    (
        "skb_copy_datagram_iovec: skbaddr=00000000b3bf6f23 len=51",
        "skb:skb_copy_datagram_iovec",
        {"len": 51},
    ),
    (
        "sched_waking: comm=Web Content pid=23441 prio=120 target_cpu=001",
        "sched:sched_waking",
        {"comm": "Web Content", "pid": 23441, "target_cpu": 1},
    ),
    (
        (
            "sched_switch: prev_comm=a ==> b prev_pid=7830 prev_prio=120 prev_state=D|K"
            " ==> next_comm=kworker/u8:60 next_pid=20615 next_prio=-2"
        ),
        "sched:sched_switch",
        {
            "prev_comm": "a ==> b",
            "prev_pid": 7830,
            "prev_state": "D|K",
            "next_comm": "kworker/u8:60",
            "next_pid": 20615,
            "next_prio": -2,
        },
    ),
    (
        "sched_process_fork: comm=python pid=7 child_comm=python child_pid=8",
        "sched:sched_process_fork",
        {"pid": 7, "child_pid": 8},
    ),
    (
        "signal_generate: sig=44 errno=0 code=1 comm=python pid=23884 grp=0 res=0",
        "signal:signal_generate",
        {"sig": 44, "pid": 23884},
    ),
    (
        (
            "io_uring_submit_req: ring 00000000f4af055b, req 00000000167d65a8, user_data 0xc,"
            " opcode RECV, flags 0x8400020, sq_thread 0"
        ),
        "io_uring:io_uring_submit_req",
        {"ring": "00000000f4af055b", "user_data": 12, "opcode": "RECV"},
    ),
    (
        (
            "io_uring_complete: ring 00000000f4af055b, req 0000000000000000, user_data 0xb,"
            " result -11, cflags 0x2 extra1 0 extra2 0 "
        ),
        "io_uring:io_uring_complete",
        {"user_data": 11, "result": -11, "cflags": 2, "extra2": 0},
    ),
    (
        (
            "io_uring_task_add: ring 00000000f4af055b, req 00000000faf89ce8, user_data 0xb,"
            " opcode ACCEPT, mask c3"
        ),
        "io_uring:io_uring_task_add",
        {"opcode": "ACCEPT", "mask": 0xC3},
    ),
    (
        "mm_filemap_add_to_page_cache: dev 254:0 ino 20c9a6 pfn=0x1112df ofs=4096 order=0",
        "filemap:mm_filemap_add_to_page_cache",
        {"dev": "254:0", "ino": 0x20C9A6, "ofs": 4096},
    ),
    (
        "mm_filemap_get_pages: dev=254:0 ino=6 ofs=0-12287",
        "filemap:mm_filemap_get_pages",
        {"ino": 6, "ofs": "0-12287"},
    ),
    (
        "block_bio_queue: 254,0 RA 68760576 + 592 [python3]",
        "block:block_bio_queue",
        {"major": 254, "minor": 0, "rwbs": "RA", "sector": 68760576, "sectors": 592},
    ),
    (
        "block_rq_issue: 254,0 RA 303104 () 68760576 + 592 be,0,4 [a [b] 1]",
        "block:block_rq_issue",
        {"bytes": 303104, "sector": 68760576, "sectors": 592, "by": "a [b] 1"},
    ),
    (  # 5.10: no I/O priority
        "block_rq_issue: 8,0 R 4096 () 64 + 8 [python3]",
        "block:block_rq_issue",
        {"bytes": 4096, "sector": 64, "sectors": 8, "by": "python3"},
    ),
    (
        "block_rq_complete: 254,0 RA () 68760576 + 592 be,0,4 [0]",
        "block:block_rq_complete",
        {"sector": 68760576, "sectors": 592, "by": "0"},
    ),
]


@pytest.mark.parametrize(("text", "event", "expected"), RECORDED, ids=lambda v: str(v)[:40])
def test_a_recorded_line(text: str, event: str, expected: dict[str, Any]) -> None:
    seen = observation(f"         python3-7830    [001] d.s2. 25546.168786: {text}\n")

    assert seen is not None
    assert (seen.event, seen.source, seen.at_ns) == (event, "tracefs", 25546_168_786_000)
    detail = dict(seen.detail)
    found = detail.pop("fields")
    assert detail == {"tid": 7830, "comm": "python3", "cpu": 1, "context": "softirq"}
    assert {name: found.get(name) for name in expected} == expected


@pytest.mark.parametrize(
    ("flags", "context"),
    [(".....", "task"), ("d.h2.", "hardirq"), ("d.H4.", "hardirq"), ("d.s.", "softirq")],
)
def test_the_context(flags: str, context: str) -> None:
    seen = observation(f"  <idle>-0  [000] {flags} 1.000001: netif_rx: dev=lo len=60")
    assert seen is not None
    assert seen.detail["context"] == context


@pytest.mark.parametrize("comm", ["kworker/1:1H", "tokio-rt-worker", "Web Content", "<...>", "a-1"])
def test_names_of_threads_and_process_ids(comm: str) -> None:
    seen = observation(f"{comm:>16}-44      (  12) [010] d..2. 1.5: netif_rx: len=60")
    assert seen is None  # no microseconds: no line of ours
    seen = observation(f"{comm:>16}-44      (  12) [010] d..2. 1.000005: netif_rx: len=60")
    assert seen is not None
    assert (seen.detail["comm"], seen.detail["tid"], seen.detail["cpu"]) == (comm, 44, 10)


@pytest.mark.parametrize(
    "line",
    [
        "# tracer: nop",
        "CPU:1 [LOST 12 EVENTS]",
        "##### CPU 1 buffer started ####",
        "",
        "python3-7830    [001] ..... 25546.168786: some_other_event: a=1",
    ],
)
def test_other_lines_are_passed_over(line: str) -> None:
    assert observe([line]) == []


def test_a_form_that_is_not_known_gives_no_fields_and_no_error() -> None:
    assert fields("block_rq_issue", "something new") == {}
    assert fields("sched_switch", "something new") == {}


def test_every_event_once_and_every_step_has_one() -> None:
    assert len(STEPS_OF) == len(EVENTS)
    proved = {number for kind in EVENTS for number in kind.steps}
    assert proved == {step.number for step in STEPS}
