"""Traces written by hand, one of each kind: nothing was measured for them."""

from __future__ import annotations

from typing import Any

from fivefold.tracing.model import (
    COPY,
    DISK,
    FILE,
    NETWORK,
    REQUEST,
    RESPONSE,
    STEPS,
    WAIT,
    WORK,
    Evidence,
    Lane,
    Mark,
    Segment,
    Step,
    Summary,
    Trace,
)

Timed = dict[int, tuple[float, tuple[str, ...]]]
"""Step: its duration in microseconds, and the sources of its evidence."""

IN_MEMORY = "the pages were in memory already (cachestat: 16 of 16 pages)"
NO_COPY = "sendfile(2) makes no copy to the process"
NO_FILE = "no file was asked for: an application answered"
UNSEEN = "cannot be told apart here: the kernel's trace events need root and tracefs"


def trace(timed: Timed, why_not: dict[int, str], summary: Summary, **more: Any) -> Trace:
    """Steps one after the other; `more` changes what a trace of a file has."""
    at, steps = 0.0, []
    for kind in STEPS:
        took, sources = timed.get(kind.number, (0.0, ()))
        evidence = tuple(Evidence(s, f"{s}.event", at + took / 2, "bytes=512") for s in sources)
        happened = kind.number in timed
        why = None if happened else why_not[kind.number]
        steps.append(Step(kind.number, kind.name, happened, why, at, took, evidence))
        at += took
    request = {"method": "GET", "status": 200, "bytes": 65536, "started": 1.7e9}
    return Trace(
        request={**request, "target": more.get("target", "/video.mp4")},
        pair=more.get("pair", {"serving": "thread", "io": "blocking", "engine": "blocking"}),
        privileged=more.get("privileged", True),
        steps=tuple(steps),
        summary=summary,
        lanes=more.get("lanes", ()),
        notes=more.get("notes", ()),
    )


def cold_file(**more: Any) -> Trace:
    timed: Timed = {
        1: (40.0, ("tracefs", "clock")),
        2: (12.5, ("tracefs", "timestamp")),
        3: (61.0, ("tracefs",)),
        4: (18.0, ("tracefs", "clock")),
        5: (35.0, ("tracefs",)),
        6: (1480.0, ("tracefs", "accounting")),
        7: (22.0, ("tracefs",)),
        8: (31.0, ("tracefs", "clock")),
        9: (55.0, ("tracefs", "timestamp", "clock", "accounting")),
        10: (14.0, ("tracefs", "timestamp")),
        11: (61.5, ("timestamp", "clock")),
    }
    summary = Summary(114.0, 48.0, 1537.0, 31.0, 20.0, 9.0, 1830.0, 131584)
    return trace(timed, {}, summary, **more)


def warm_file(**more: Any) -> Trace:
    """Sent with sendfile."""
    timed: Timed = {
        n: (took, ("tracefs",))
        for n, took in {1: 38.0, 2: 11.0, 3: 52.0, 4: 17.0, 9: 48.0, 10: 13.0, 11: 60.0}.items()
    }
    why_not = dict.fromkeys((5, 6, 7), IN_MEMORY) | {8: NO_COPY}
    return trace(timed, why_not, Summary(109.0, 41.0, 0.0, 0.0, 11.0, 4.0, 239.0, 130), **more)


def application(**more: Any) -> Trace:
    timed: Timed = {
        n: (took, ("clock",)) for n, took in {1: 40.0, 3: 60.0, 9: 12_400.0, 11: 80.0}.items()
    }
    why_not = dict.fromkeys(range(4, 9), NO_FILE) | {2: UNSEEN, 10: UNSEEN}
    pair = {"serving": "async", "io": "multiplexing", "engine": "epoll"}
    summary = Summary(120.0, 30.0, 0.0, 0.0, 12_100.0, 0.0, 12_580.0, 2048)
    return trace(
        timed, why_not, summary, **{"target": "/checkout", "pair": pair, "privileged": False} | more
    )


def unprivileged(**more: Any) -> Trace:
    """A cold file without rights: the disk's three steps are one."""
    timed: Timed = {
        1: (40.0, ("clock",)),
        2: (20.0, ("timestamp",)),
        3: (60.0, ("timestamp", "clock")),
        4: (18.0, ("clock",)),
        6: (1537.0, ("accounting",)),
        9: (86.0, ("clock",)),
        11: (75.0, ("timestamp", "clock")),
    }
    why_not = dict.fromkeys((5, 7, 10), UNSEEN) | {8: NO_COPY}
    notes = (
        "no time stamps of the network: SO_TIMESTAMPING was refused (Operation not permitted)",
    )
    summary = Summary(135.0, 30.0, 1537.0, 0.0, 10.0, 0.0, 1836.0, 66048)
    return trace(timed, why_not, summary, **{"privileged": False, "notes": notes} | more)


def lane(wait: str, disk: str, *ticks_us: float) -> Lane:
    """A request that came late, from a disk that had to be waited for."""
    segments = (
        Segment(WAIT, NETWORK, REQUEST, 0.0, 1000.0, wait, ticks_us=ticks_us),
        Segment(COPY, NETWORK, REQUEST, 1000.0, 9.0, "recvfrom", 54),
        Segment(WORK, "", "", 1009.0, 91.0, "computes"),
        Segment(WAIT, DISK, FILE, 1100.0, 600.0, disk),
        Segment(COPY, NETWORK, RESPONSE, 1700.0, 130.0, "sendfile", 65536),
    )
    return Lane("serves the connection", 4711, 4712, segments)


def hand_over() -> tuple[Lane, ...]:
    """A connection that one thread accepts and another one serves."""
    accepts = (
        Segment(WAIT, "", "", -900.0, 400.0, "asleep in epoll_wait"),
        Segment(WORK, "", "", -500.0, 100.0, "runs"),
    )
    marks = (Mark(-450.0, "accept4: descriptor 9"), Mark(-420.0, "wakes thread 4712"))
    serving = lane("asleep in recvfrom", "asleep in sendfile, for the disk")
    return serving, Lane("accepts", 4711, 4711, accepts, marks)


WAITS = {
    "blocking": lane("asleep in recvfrom", "asleep in sendfile, for the disk"),
    "nonblocking": lane("2 tries refused (EAGAIN)", "9 tries of preadv2 refused", 300.0, 700.0),
    "epoll": lane("asleep in epoll_wait over 3 descriptors", "a helper thread reads"),
    "sigio": lane("asleep until signal 44 came", "a helper thread reads", 998.0),
    "uring": lane("in the ring, asleep in io_uring_enter", "a read is in the ring"),
}


def all_io() -> list[Trace]:
    models = ("blocking", "nonblocking", "multiplexing", "sigio", "aio")
    return [
        cold_file(pair={"serving": "thread", "io": io, "engine": engine}, lanes=(WAITS[engine],))
        for io, engine in zip(models, WAITS, strict=True)
    ]


KINDS = {
    "cold file": cold_file,
    "warm file": warm_file,
    "application": application,
    "unprivileged": unprivileged,
}
