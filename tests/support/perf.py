"""perf(1) as a witness: it has a ring of its own, so what it and a trace both have, the kernel has
told twice."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import subprocess
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path

from support.witness import seeing_tracefs

OUT, IN = "OUT", "IN"
"""What becomes of a thread at a switch; "OUT preempt" is of one that wants to go on."""
SWITCH = "PERF_RECORD_SWITCH"
LINE = re.compile(rf"^ *(\d+) +(\d+\.\d+): +(\w+:\w+|{SWITCH}):? *(.*?) *$")


@dataclass(frozen=True)
class PerfEvent:
    """One event: the thread under which it happened, its time on the monotonic clock."""

    thread: int
    at_ns: int
    event: str
    fields: str


@contextlib.contextmanager
def recording(command: list[str], pids: Collection[int], data: Path) -> Iterator[None]:
    """A command of perf looks at these processes from now on, until the block ends."""
    control, acknowledged = data.with_name("control"), data.with_name("acknowledged")
    for each in (control, acknowledged):
        each.unlink(missing_ok=True)
        os.mkfifo(each)
    fifos = f"--control=fifo:{control},{acknowledged}"
    named = ["-p", ",".join(map(str, pids)), "-o", str(data)]
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
    command = ["perf", "record", "-q", "-k", "mono", "-m", "4M", "--switch-events"]
    return recording([*command, "-e", ",".join(names)], pids, data)


def events_of(data: Path) -> list[PerfEvent]:
    """In the order in which it happened."""
    fields = ["-F", "tid,time,event,trace", "--show-switch-events"]
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


def asleep_ns(events: Collection[PerfEvent], thread: int, begin_ns: int, end_ns: int) -> int:
    """How long a thread slept between two moments, by the scheduler; not how long it wanted to
    run."""
    total, since = 0, None
    for one in events:
        if one.thread != thread or one.event != SWITCH:
            continue
        if one.fields == OUT:
            since = one.at_ns
        elif one.fields == IN and since is not None:
            total += max(0, min(one.at_ns, end_ns) - max(since, begin_ns))
            since = None
    return total + (max(0, end_ns - max(since, begin_ns)) if since is not None else 0)


ENTER, EXIT = "syscalls:sys_enter_", "syscalls:sys_exit_"
REFUSED = "0xfffffffffffffff5"
"""-EAGAIN."""


def refused_ns(
    events: Collection[PerfEvent], thread: int, begin_ns: int, end_ns: int, calls: Collection[str]
) -> int:
    """How long a thread that tries these calls again and again was refused between two moments:
    from the first try in vain until the one that was not."""
    total, since, entered = 0, None, 0
    tries = {f"{side}{call}" for side in (ENTER, EXIT) for call in calls}
    for one in events:
        if one.thread != thread or one.event not in tries:
            continue
        if one.event.startswith(ENTER):
            entered = one.at_ns
        elif one.fields == REFUSED:
            since = since or entered
        elif since is not None and one.fields.startswith("0x"):
            total += max(0, min(entered, end_ns) - max(since, begin_ns))
            since = None
    return total
