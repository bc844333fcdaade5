"""What the tables of the page say of a step, and how long its bar is."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence

from ...model import STEPS, Evidence, Step
from ..labels import actor_of, duration

SHOWN = 6
"""How many observations of a step the page names; the data in the page hold all."""

SECONDARY = frozenset(
    {
        "accounting",
        "napi:napi_poll",
        "skb:skb_copy_datagram_iovec",
        "sock:sock_recv_length",
        "sock:sock_send_length",
        "syscalls:sys_enter_newfstat",
        "syscalls:sys_enter_newfstatat",
        "syscalls:sys_exit_newfstat",
        "syscalls:sys_exit_newfstatat",
        "tcp:tcp_rcv_space_adjust",
        "tcp:tcp_sendmsg_locked",
    }
)
"""Shown where there is room: they say how the kernel does it, or prepare what the step is about."""

LONGEST_DETAIL = 72
"""Characters of an observation's detail; likewise."""

AXIS = 1000.0
"""Length of the common axis in the bars' own units."""


def says(step: Step) -> str:
    """One step as a sentence or two, to be read aloud."""
    head = f"Step {step.step} of {len(STEPS)} ({actor_of(step)}): {step.name}."
    if not step.happened:
        return f"{head} No time of its own: {step.why_not or 'it is not known why'}."
    times = f"It took {duration(step.duration_us)}, from {duration(step.start_us)} on."
    seen = "; ".join(evidence(step, in_detail=False)) or "none"
    return f"{head} {times} Evidence: {seen}."


def took(step: Step) -> str:
    """The time at its arrow; nothing for a step that has none."""
    return duration(step.duration_us) if step.happened else ""


def evidence(step: Step, *, in_detail: bool) -> list[str]:
    """What says most, one line each, and how many more observations there are."""
    lines = [_observation(each, in_detail=in_detail) for each in chosen(step.evidence)]
    more = len(step.evidence) - SHOWN
    return [*lines, f"and {more} more"] if more > 0 else lines


def chosen(all_evidence: Sequence[Evidence]) -> list[Evidence]:
    """As many as are shown: the first of each event before its repetitions, in order of time."""
    seen: set[str] = set()
    ranked: list[tuple[int, int]] = []
    for number, one in enumerate(all_evidence):
        rank = 2 if one.event in seen else int(one.event in SECONDARY)
        seen.add(one.event)
        ranked.append((rank, number))
    return [all_evidence[number] for number in sorted(n for _, n in sorted(ranked)[:SHOWN])]


def _observation(seen: Evidence, *, in_detail: bool) -> str:
    line = f"{seen.source} {seen.event} at {duration(seen.at_us)}"
    if seen.thread is not None and in_detail:
        line += f", process {seen.process or 'unknown'}, thread {seen.thread}"
    detail = textwrap.shorten(seen.detail, LONGEST_DETAIL, placeholder=" …")
    return f"{line} ({detail})" if in_detail and detail else line


def strip(start: float, end: float) -> tuple[float, float]:
    """The same of a segment on a lane."""
    width = max((end - start) * AXIS, 2.0)
    return min(start * AXIS, AXIS - width), width


def bar(start: float, length: float) -> tuple[float, float]:
    """Where a bar begins on the axis, and its width; wide enough to be seen if it is there."""
    width = max(length * AXIS, 4.0) if length > 0 else 0.0
    return min(max(start, 0.0) * AXIS, AXIS - width), width
