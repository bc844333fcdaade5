"""The table: what is done, what must hold, to which servers, for how long at full length.

Rules of this file: data only.  All rows together take less than 25 minutes.
"""

from __future__ import annotations

from . import ends
from .outcome import Row

MODELS = ("process", "thread", "async")
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
)
