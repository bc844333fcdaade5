"""The table: what is done, what must hold, to which servers, for how long at full length.

Rules of this file: data only.  All rows together take less than 30 minutes.  What ends by itself
(`slow`, `calls`) has the mean of what it took with each server.
"""

from __future__ import annotations

from . import accepting, balanced, cycles, ends, floods, injected, limits, slow, upgrades
from .outcome import Row
from .servers import ENGINES

MODELS = ("process", "thread", "async")
EVERY_ENGINE = (
    *(f"async+{engine}" for engine in ENGINES),
    "thread+blocking",
    "process+blocking",
)
PEERS = ("gunicorn", "uvicorn")

ROWS = (
    Row(
        "hup",
        "SIGHUP every 2 s under new and kept connections",
        "0 lost of >= 200,000, longest pause < 100 ms",
        ends.hup,
        60.0,
        MODELS,
        PEERS,
    ),
    Row(
        "upgrade",
        "SIGUSR2 and SIGTERM ten times, one more is taken back",
        "0 lost",
        upgrades.upgrade,
        45.0,
        MODELS,
        (),
    ),
    Row(
        "kill",
        "kill -9 of a random worker every 100 ms",
        "lost <= in flight on that worker; supervisor alive; back in < 1 s",
        ends.kill,
        60.0,
        MODELS,
        PEERS,
    ),
    Row(
        "dies",
        "a worker is killed, and none can start",
        "bounded restarts; others serve on; it heals when they can",
        ends.dies,
        8.0,
        ("thread", "async"),
        PEERS,
        8.0,
    ),
    Row(
        "hangs",
        "a request hangs in C with the GIL held, limit 2 s",
        "found within the limit + 1 s; others unharmed",
        ends.hangs,
        8.0,
        MODELS,
        PEERS,
        8.0,
    ),
    Row(
        "stopped",
        "SIGSTOP to a worker, limit 2 s",
        "found within the limit + 1 s; others unharmed",
        ends.stopped_worker,
        8.0,
        MODELS,
        PEERS,
        8.0,
    ),
    Row(
        "slow",
        "slowloris, slow body, slow read of 2,000 connections (slowhttptest)",
        "all closed at their deadline; async: p99 of the others <= 2 x (+5 ms)",
        slow.slow,
        120.0,
        MODELS,
    ),
    Row(
        "floods",
        "hostile clients of HTTP/2, four connections a second: resets, endless heads, floods",
        "0 lost, p99 of the others <= 2 x, <= 16 MiB for each connection",
        floods.floods,
        22.0,
        ("async",),
        ("hypercorn", "granian"),
        7.5,
    ),
    Row(
        "idle",
        "10,000 idle kept connections",
        "all held, <= 2 KiB PSS each (3 KiB in a ring), p99 of the others <= 2 x (+5 ms)",
        limits.idle,
        20.0,
        ("async+epoll", "async+uring"),
        ("uvicorn",),
        20.0,
    ),
    Row(
        "descriptors",
        "more clients than descriptors",
        "no crash, no spin (< 20 % of a processor), recovers in < 1 s",
        limits.descriptors,
        5.0,
        MODELS,
        PEERS,
        5.0,
    ),
    Row(
        "accept",
        "every accept fails for a while, with each error",
        "no crash, no spin (< 20 % of a processor), all are answered in < 1 s",
        accepting.accept,
        4.0,
        EVERY_ENGINE,
    ),
    Row(
        "disk",
        "the disk of access log and body spool is full",
        "no request lost to the log; 507 for that request only",
        limits.disk,
        5.0,
        ("thread+blocking", "process+blocking", "async-wsgi"),
    ),
    Row(
        "clock",
        "the wall clock jumps by a day, forth and back",
        "no connection timed out wrongly",
        limits.clock,
        6.0,
        MODELS,
        PEERS,
        6.0,
    ),
    Row(
        "calls",
        "every fifth call of one kind fails (strace), a reload in the middle",
        "right bytes or a clean end; alive; no descriptor left",
        injected.injected,
        15.0,
        (*EVERY_ENGINE, "thread+epoll", "thread+uring", "process+uring"),
    ),
    Row(
        "requests",
        "1,000,000 requests",
        "memory slope < 1 byte a request; no descriptor, thread or process left",
        cycles.requests,
        120.0,
        ("async",),
    ),
    Row(
        "reloads",
        "500 reloads, one after the other",
        "no descriptor, thread, process or zombie left",
        cycles.reloads,
        400.0,
        MODELS,
        long=True,
    ),
    Row(
        "starts",
        "start, one answer, SIGTERM, 1,000 times",
        "status 0; no process and no socket file left",
        cycles.starts,
        3600.0,  # at most; a busy machine takes 2.7 s for each of a thousand
        MODELS,
        long=True,
    ),
    Row(
        "balanced",
        "three instances behind HAProxy and nginx, restarted one after the other",
        "0 lost",
        balanced.rolling,
        25.0,
        MODELS,
    ),
    Row(
        "hard",
        "three instances behind HAProxy, one is killed with all of its processes",
        "lost <= in flight on it",
        balanced.hard,
        10.0,
        MODELS,
    ),
)
