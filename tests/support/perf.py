"""perf(1) as a witness: it has a ring of its own, so what it and a trace both have, the kernel has
told twice.  Which moments it is asked about, its own events say, not those of a trace."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import subprocess
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from support.witness import seeing_tracefs

LINE = re.compile(r"^ *(\d+) +(\d+\.\d+): +(\w+:\w+):? *(.*?) *$")

SWITCH, WAKING = "sched:sched_switch", "sched:sched_waking"
LEAVES = re.compile(r"prev_pid=(\d+) prev_prio=\d+ prev_state=(\S+) ==>")
GETS = re.compile(r"==>.* next_pid=(\d+) ")
WOKEN = re.compile(r" pid=(\d+) ")
WANTS = frozenset({"R", "R+"})
"""States of a thread that leaves its processor and wants to go on."""

Span = tuple[int, int]
"""From and to, in nanoseconds of the monotonic clock."""


@dataclass(frozen=True)
class PerfEvent:
    """One event: the thread under which it happened, its time on the monotonic clock."""

    thread: int
    at_ns: int
    event: str
    fields: str


@contextlib.contextmanager
def recording(command: list[str], pids: Collection[int], data: Path) -> Iterator[None]:
    """A command of perf looks at these processes from now on, until the block ends; at the whole
    machine if there are none."""
    control, acknowledged = data.with_name("control"), data.with_name("acknowledged")
    for each in (control, acknowledged):
        each.unlink(missing_ok=True)
        os.mkfifo(each)
    fifos = f"--control=fifo:{control},{acknowledged}"
    named = [*(["-p", ",".join(map(str, pids))] if pids else ["-a"]), "-o", str(data)]
    asked = [*seeing_tracefs(command), "-D", "-1", fifos, *named]
    with subprocess.Popen(asked, stderr=subprocess.PIPE) as process:
        try:
            with control.open("w") as orders, acknowledged.open() as hearing:
                orders.write("enable\n")
                orders.flush()
                assert "ack" in hearing.readline()
                yield
        finally:
            process.send_signal(signal.SIGINT)
            assert process.stderr is not None
            process.stderr.read()


def perf(
    names: Collection[str], pids: Collection[int], data: Path
) -> contextlib.AbstractContextManager[None]:
    """It records these events of these processes until the block ends."""
    return recording([*RECORD, "-e", ",".join(names)], pids, data)


def perf_of_threads(
    names: Collection[str], threads: Collection[int], data: Path
) -> contextlib.AbstractContextManager[None]:
    """It records these calls of these threads, and when they sleep: who wakes one is another
    thread, so it looks at the machine."""
    command = list(RECORD)
    about = {SWITCH: ("prev_pid", "next_pid"), WAKING: ("pid",)}
    for event in (*about, *names):
        fields = about.get(event, ("common_pid",))
        wanted = "||".join(f"{field}=={tid}" for tid in threads for field in fields)
        command += ["-e", event, "--filter", wanted]
    return recording(command, (), data)


RECORD = ("perf", "record", "-q", "-k", "mono", "-m", "4M")


def events_of(data: Path) -> list[PerfEvent]:
    """In the order in which it happened."""
    fields = ["-F", "tid,time,event,trace"]
    printing = ["perf", "script", "-i", str(data), "--ns", *fields]
    printed = subprocess.run(
        seeing_tracefs(printing), capture_output=True, text=True, check=True
    ).stdout
    found = [
        PerfEvent(int(m[1]), nanoseconds(m[2]), m[3], m[4])
        for m in map(LINE.match, printed.splitlines())
        if m
    ]
    return sorted(found, key=lambda one: one.at_ns)


def nanoseconds(seconds: str) -> int:
    whole, _, part = seconds.partition(".")
    return int(whole) * 1_000_000_000 + int(part.ljust(9, "0"))


ENTER, EXIT = "syscalls:sys_enter_", "syscalls:sys_exit_"
REFUSED = "0xfffffffffffffff5"
"""-EAGAIN."""


def sleeps(events: Iterable[PerfEvent], thread: int) -> Iterator[Span]:
    """When a thread slept: from the switch with which it left its processor to its waking. How long
    it then wanted to run is no part of it. Of a processor that was idle perf does not hear all: not
    of the interrupt that wakes, and often not of the switch; there the first that the thread does
    by itself says that it is awake."""
    since = None
    for one in events:
        left = LEAVES.search(one.fields) if one.event == SWITCH else None
        woken = (WOKEN if one.event == WAKING else GETS).search(f"{one.fields} ")
        is_awake = one.thread == thread or (woken is not None and int(woken[1]) == thread)
        if is_awake and since is not None:
            yield since, one.at_ns
            since = None
        if left and int(left[1]) == thread:
            since = None if left[2] in WANTS else one.at_ns


def refusals(events: Iterable[PerfEvent], thread: int, calls: Collection[str]) -> Iterator[Span]:
    """When a thread that tries these calls again and again was refused: from the first try in vain
    until the one that was not."""
    since, entered = None, 0
    tries = {f"{side}{call}" for side in (ENTER, EXIT) for call in calls}
    for one in events:
        if one.thread != thread or one.event not in tries:
            continue
        if one.event.startswith(ENTER):
            entered = one.at_ns
        elif one.fields == REFUSED:
            since = since or entered
        elif since is not None and one.fields.startswith("0x"):
            yield since, entered
            since = None


def calls(events: Iterable[PerfEvent], thread: int, name: str) -> list[Span]:
    """When a thread was in a call of that name."""
    found, entered = [], 0
    for one in events:
        if one.thread == thread and one.event == f"{ENTER}{name}":
            entered = one.at_ns
        elif one.thread == thread and one.event == f"{EXIT}{name}" and entered:
            found.append((entered, one.at_ns))
            entered = 0
    return found


def overlapping(spans: Iterable[Span], window: Span, least_ns: int = 0) -> int:
    """How long those were, to their ends, of which a part lies in the window; what precedes
    `least_ns` does not count."""
    begin, end = window
    return sum(
        ended - max(begun, least_ns) for begun, ended in spans if begun < end and ended > begin
    )
