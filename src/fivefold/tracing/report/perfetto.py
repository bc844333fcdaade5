"""A trace in Chrome's trace event format, for ui.perfetto.dev and chrome://tracing.

A process per trace; in it a track for each of the five actors.  A step is a complete
event ("X"), evidence and steps without time of their own are instants ("i"), and names
are metadata ("M").  Times are microseconds since the client's first byte.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict
from typing import Any

from ..model import Evidence, Step, Trace
from .labels import actor_of, listed, pair_of, request_of, rights_of, short_name, sources_of

Event = dict[str, Any]

TRACKS = {
    "client": "client",
    "interface": "network interface",
    "kernel": "kernel",
    "server": "server thread",
    "disk": "disk",
}
"""The actors, and what their tracks are called; top to bottom, as a request passes them."""

TRACK_IDS = {actor: number for number, actor in enumerate(TRACKS, 1)}


def as_perfetto(traces: Trace | Sequence[Trace]) -> dict[str, Any]:
    """What `json.dump` makes a file of that the viewers open."""
    several = listed(traces)
    events = [event for pid, trace in enumerate(several, 1) for event in _events(pid, trace)]
    return {
        "traceEvents": events,
        "displayTimeUnit": "ns",
        "otherData": {
            f"{pid}. {request_of(trace)}, {pair_of(trace)}": _about(trace)
            for pid, trace in enumerate(several, 1)
        },
    }


def _about(trace: Trace) -> dict[str, Any]:
    return {
        "request": trace.request,
        "rights": rights_of(trace),
        **asdict(trace.summary),
        "notes": list(trace.notes),
    }


def _events(pid: int, trace: Trace) -> Iterator[Event]:
    yield from _names(pid, trace)
    for step in trace.steps:
        where = {"pid": pid, "tid": TRACK_IDS[actor_of(step)]}
        yield {**_step(step), **where}
        for evidence in step.evidence:
            yield {**_evidence(step, evidence), **where}


def _names(pid: int, trace: Trace) -> Iterator[Event]:
    process = f"{request_of(trace)} ({pair_of(trace)})"
    yield _metadata("process_name", pid, 0, name=process)
    yield _metadata("process_sort_index", pid, 0, sort_index=pid)
    for actor, tid in TRACK_IDS.items():
        yield _metadata("thread_name", pid, tid, name=TRACKS[actor])
        yield _metadata("thread_sort_index", pid, tid, sort_index=tid)


def _metadata(kind: str, pid: int, tid: int, **args: str | int) -> Event:
    return {"name": kind, "ph": "M", "ts": 0, "pid": pid, "tid": tid, "args": args}


def _step(step: Step) -> Event:
    event: Event = {"name": f"{step.step}. {short_name(step)}", "ts": step.start_us}
    about = {"step": step.step, "what": step.name}
    if not step.happened:
        args = {**about, "why_not": step.why_not}
        return {**event, "ph": "i", "s": "t", "cat": "step without time", "args": args}
    args = {**about, "evidence": ", ".join(sources_of(step))}
    return {**event, "ph": "X", "dur": step.duration_us, "cat": "step", "args": args}


def _evidence(step: Step, evidence: Evidence) -> Event:
    return {
        "name": evidence.event,
        "ph": "i",
        "s": "t",
        "cat": f"evidence,{evidence.source}",
        "ts": evidence.at_us,
        "args": {
            "step": step.step,
            "source": evidence.source,
            "detail": evidence.detail,
            "process": evidence.process,
            "thread": evidence.thread,
        },
    }
