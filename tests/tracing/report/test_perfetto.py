"""Perfetto's form, against the rules of the trace event format."""

from __future__ import annotations

import json
from itertools import pairwise
from typing import Any

import pytest

from fivefold.tracing.report.labels import actor_of
from fivefold.tracing.report.perfetto import TRACK_IDS, TRACKS, as_perfetto
from support.hand_made.traces import KINDS, all_io, cold_file, warm_file

KIND = pytest.mark.parametrize("kind", KINDS)


def events(kind: str, phase: str | None = None) -> list[dict[str, Any]]:
    """As a reader gets them: through a file."""
    read = json.loads(json.dumps(as_perfetto(KINDS[kind]()), allow_nan=False))
    return [event for event in read["traceEvents"] if phase in {None, event["ph"]}]


def number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


@KIND
def test_events_are_as_the_format_has_them(kind: str) -> None:
    for event in events(kind):
        assert event["ph"] in {"X", "i", "M"}
        assert isinstance(event["name"], str)
        assert event["name"]
        assert number(event["ts"])
        assert isinstance(event["pid"], int)
        assert isinstance(event["tid"], int)
        assert isinstance(event["args"], dict)
        assert event["ph"] != "X" or (number(event["dur"]) and event["dur"] >= 0)
        assert event["ph"] != "i" or event["s"] in {"g", "p", "t"}
        assert event["ph"] == "M" or isinstance(event["cat"], str)


@KIND
def test_there_is_a_named_track_for_each_who_acts(kind: str) -> None:
    named = {
        event["tid"]: event["args"]["name"]
        for event in events(kind, "M")
        if event["name"] == "thread_name"
    }
    assert list(named.values()) == list(TRACKS.values())
    assert {e["tid"] for e in events(kind) if e["ph"] != "M"} <= set(named)


@KIND
def test_steps_that_happened_are_slices_on_the_track_of_who_did_them(kind: str) -> None:
    slices = {event["args"]["step"]: event for event in events(kind, "X")}
    for step in KINDS[kind]().steps:
        assert (step.step in slices) == step.happened
        if step.happened:
            assert slices[step.step]["tid"] == TRACK_IDS[actor_of(step)]
            assert slices[step.step]["ts"] == step.start_us
            assert slices[step.step]["dur"] == step.duration_us


@KIND
def test_slices_of_a_track_do_not_overlap(kind: str) -> None:
    for tid in TRACK_IDS.values():
        slices = sorted((e["ts"], e["dur"]) for e in events(kind, "X") if e["tid"] == tid)
        for (start, took), (then, _) in pairwise(slices):
            assert start + took <= then + 1e-6


def test_evidence_is_instants_with_their_detail() -> None:
    instants = [e for e in events("cold file", "i") if e["cat"].startswith("evidence,")]
    assert len(instants) == sum(len(step.evidence) for step in cold_file().steps)
    seen = {"source": "tracefs", "detail": "bytes=512", "process": None, "thread": None}
    assert instants[0]["args"] == {"step": 1, **seen}


def test_a_step_without_time_says_why() -> None:
    why = {
        e["args"]["step"]: e["args"]["why_not"]
        for e in events("warm file", "i")
        if "why_not" in e["args"]
    }
    assert why == {s.step: s.why_not for s in warm_file().steps if not s.happened}


def test_several_traces_are_processes_of_one_file() -> None:
    read = as_perfetto(all_io())
    names = {
        e["pid"]: e["args"]["name"] for e in read["traceEvents"] if e["name"] == "process_name"
    }
    assert list(names) == [1, 2, 3, 4, 5]
    assert names[3] == "GET /video.mp4 (thread x multiplexing (epoll))"
    assert len(read["otherData"]) == 5
