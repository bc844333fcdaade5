"""What can be done to both pairs: one slow client, one crash, a hundred clients, a cold file.

Each is done to both at once, so that the live pages show it in the same moment.
Assumption.   Both share the processors with each other and with the clients: the figures show the
              kind of a difference, not its size. `fivefold compare` measures, in turns.
"""

from __future__ import annotations

import http.client
import signal
import socket
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from ..compare.measure.harm_and_starts import (
    CLIENTS,
    KeptClient,
    connected,
    holders,
    send,
    served,
    unanswered,
)
from ..compare.measure.servers import POLL_S, Running
from ..linux.accounting import tree
from ..linux.processes import threads_of
from ..load.expected_answers import HOST
from ..load.generator import Generator
from ..load.job import Ask, Expected, Group, Job, request
from ..load.tally import Tally
from ..tracing.request.cold import evict
from .sample_site import LARGE, LARGE_BYTES, PAGE, SMALL
from .side import Side

SECONDS = 3.0
"""The live page looks once a second."""

HUNDRED = 100
OTHERS, RATE = 8, 100.0
"""Connections, and requests a second, of those who ask meanwhile: a thirtieth of what a slow pair
can do, so that whatever they wait for is what was done to it."""

BACK_S = 10.0
"""How long a pair may take to answer again."""

ASK = Ask(request(SMALL, host=HOST), Expected(200, len(PAGE)))
HALF = f"GET {SMALL} HTTP/1.1\r\nHost: {HOST}\r\n".encode()

Finding = tuple[str, str]
"""What was looked at, and how it was; both in words."""


@dataclass(frozen=True)
class Experiment:
    """`shows` is what to look for on the live pages."""

    word: str
    title: str
    shows: str
    act: Callable[[Side], list[Finding]]


def in_ms(ns: float) -> str:
    return f"{ns / 1e6:,.1f} ms"


def meanwhile(server: Running) -> Tally:
    """What other clients find in the next `SECONDS`."""
    with Generator() as generator:
        return generator.run(Job(server.address, SECONDS, (others(),)))


def others() -> Group:
    return Group("scheduled", OTHERS, (ASK,), rate=RATE)


def of_others(tally: Tally) -> list[Finding]:
    due = round(RATE * SECONDS)
    return [
        ("others were answered", f"{tally.requests} of {due} times"),
        ("the longest that one of them waited", in_ms(tally.longest_ns)),
    ]


def slow_client(side: Side) -> list[Finding]:
    """It begins a request, and does not end it."""
    with socket.create_connection(side.server.address) as sock:
        sock.sendall(HALF)
        return of_others(meanwhile(side.server))


def crash(side: Side) -> list[Finding]:
    """The process that serves one of several kept connections is killed, as by a crash in C."""
    server = side.server
    with connected(server.address, SMALL) as clients:
        asking, patience_s = served(clients)
        victim, found = held(server, asking)
        rest = [each for each in asking if each is not victim]
        killed = time.monotonic()
        send(signal.SIGKILL, found)
        harmed = unanswered(rest, patience_s)
    back_s = answers_after(server, killed)
    return [
        ("connections that were served", f"{len(asking)} of {CLIENTS}"),
        ("processes killed", str(len(found))),
        ("other connections that it took along", f"{harmed} of {len(rest)}"),
        (
            "a new client was answered",
            "not any more" if back_s is None else f"{back_s:.2g} s later",
        ),
    ]


def held(server: Running, clients: Sequence[KeptClient]) -> tuple[KeptClient | None, list[int]]:
    """The first of them that a process holds, and that process."""
    pids = [entry.pid for entry in tree(server.pid)]
    for each in clients:
        if found := holders(server.port, pids, each.port):
            return each, found
    return None, []


def answers_after(server: Running, since: float) -> float | None:
    """Seconds; None if it does not within `BACK_S`."""
    while time.monotonic() < since + BACK_S:
        try:
            client = KeptClient(server.address, SMALL)
        except OSError:
            time.sleep(POLL_S)  # refused at once, by a server that is gone
            continue
        client.ask()
        is_answered = client.answered(time.monotonic() + 1)
        client.sock.close()
        if is_answered:
            return time.monotonic() - since
    return None


def hundred_clients(side: Side) -> list[Finding]:
    server = side.server
    with Generator() as generator:
        generator.prepare(Job(server.address, SECONDS, (Group("kept", HUNDRED, (ASK,)),)))
        generator.go()
        time.sleep(SECONDS / 2)
        pids = [entry.pid for entry in tree(server.pid)]
        threads = sum(len(threads_of(pid)) for pid in pids)
        tally = generator.collect()
    return [
        ("clients that were answered", f"{tally.clients_served} of {HUNDRED}"),
        ("answers a second", f"{round(tally.requests_per_s):,}"),
        ("the longest wait", in_ms(tally.longest_ns)),
        ("processes and threads", f"{len(pids)} and {threads}"),
    ]


def cold_file(side: Side) -> list[Finding]:
    """The disk has to be asked for a large file, while others want a small page from memory."""
    note = evict(side.folder / LARGE)
    with ThreadPoolExecutor(1) as pool:
        taking = pool.submit(taken_s, side.server)
        tally = meanwhile(side.server)
        found = [(f"{LARGE_BYTES >> 20} MiB from the disk took", f"{taking.result():.3g} s")]
    return [*found, *of_others(tally), *([("but", note)] if note else [])]


def taken_s(server: Running) -> float:
    begun = time.monotonic()
    connection = http.client.HTTPConnection(*server.address, timeout=BACK_S)
    try:
        connection.request("GET", f"/{LARGE}")
        connection.getresponse().read()
    finally:
        connection.close()
    return time.monotonic() - begun


EXPERIMENTS = {
    each.word: each
    for each in (
        Experiment(
            "slow",
            "One slow client",
            "It stays “waiting for the client”. Who waits with it?",
            slow_client,
        ),
        Experiment(
            "crash",
            "One crash",
            "Some connections end with the process. Which?",
            crash,
        ),
        Experiment(
            "hundred",
            "A hundred clients",
            "Count the rows below “Processes and threads”.",
            hundred_clients,
        ),
        Experiment(
            "cold",
            "A cold file",
            "Which call does a thread sleep in while the disk reads?",
            cold_file,
        ),
    )
}
