"""Locust as the load, for load from many machines: its workers ask, its master adds up.

Facts.        Locust's workers may run anywhere; they fetch the locustfile from the master, and
              stop with it.  It rounds latencies to whole milliseconds, and above 100 ms to two
              digits (`response_times` in its statistics).
Choice.       A master and one worker of ours for each run; the master waits for as many more
              workers as were announced.  The locustfile checks every answer as our own load
              does, and calls what is wrong by another name.
Cost.         Each worker is a Python program that makes some thousand requests a second: for a
              quick server it is the limit long before the server, and its share says so.
"""

from __future__ import annotations

import math
import socket
import time
from typing import Any

from ..errors import LoadFailed
from ..isolation.foreign_documents import json_of
from .external import ExternalLoad, free_port
from .job import Ask, Job
from .tally import Tally

PATIENCE_S = 30.0
"""Locust stops by itself; this much later something is wrong with it."""

READY_S = 60.0
"""How long other machines' workers may take to come."""

RIGHT, WRONG = "right", "wrong"

LOCUSTFILE = '''\
"""Made by `fivefold compare`: the requests of one run, and their right answers."""

import hashlib
import itertools

from locust import FastHttpUser, constant, task

REQUESTS = {requests!r}


class LocustUser(FastHttpUser):
    wait_time = constant(0)

    def on_start(self):
        self.turn = itertools.cycle(REQUESTS)

    @task
    def ask(self):
        method, path, fields, body, status, length, digest = next(self.turn)
        how = {{"headers": fields, "data": body, "allow_redirects": False, "name": "{right}"}}
        with self.client.request(method, path, catch_response=True, **how) as answer:
            content = answer.content or b""
            wrong = None
            if not answer.status_code:
                wrong = "connect"
            elif status is not None and answer.status_code != status:
                wrong = "status"
            elif length is not None and len(content) != length:
                wrong = "length"
            elif digest is not None and hashlib.sha256(content).digest() != digest:
                wrong = "body"
            if wrong is None:
                answer.success()
            else:
                answer.request_meta["name"] = "{wrong} " + wrong
                answer.failure(wrong)
'''


class Locust(ExternalLoad):
    """In the place of a `Generator`. Raises `SettingsError` if Locust is not installed."""

    def __init__(self, core: int, others: int = 0) -> None:
        """`others`: workers of other machines that each run waits for."""
        super().__init__("locust", core, "pipx install locust")
        self._others = others

    def prepare(self, job: Job) -> None:
        """Start the master, and wait for the others. Raises `LoadFailed`."""
        group, (host, port) = self._kept_clients(job), job.address
        self._seconds = math.ceil(job.seconds)
        file = self._folder / "locustfile.py"
        requests = [described(ask) for ask in group.asks]
        file.write_text(LOCUSTFILE.format(requests=requests, right=RIGHT, wrong=WRONG))
        self._common = ("-f", str(file), "--only-summary", "--loglevel", "ERROR")
        # Workers on other machines take the port that Locust always has.
        self._port = 5557 if self._others else free_port()
        self._start(
            *(*self._common, "--master", "--headless", "--json"),
            *("--expect-workers", str(1 + self._others)),
            *("--expect-workers-max-wait", str(int(READY_S))),
            *("--master-bind-host", "*" if self._others else "127.0.0.1"),
            *("--master-bind-port", str(self._port)),
            *("-u", str(group.count), "-r", str(group.count)),
            *("-t", f"{self._seconds}s", "--host", f"http://{host}:{port}"),
        )
        self._wait_for_master()

    def _wait_for_master(self) -> None:
        until = time.monotonic() + PATIENCE_S
        while time.monotonic() < until and self._processes[0].poll() is None:
            try:
                socket.create_connection(("127.0.0.1", self._port), timeout=1).close()
            except OSError:
                time.sleep(0.02)
            else:
                return
        raise LoadFailed(f"locust did not start: {self._last_words()}")

    def go(self) -> None:
        where = ("--master-host", "127.0.0.1", "--master-port", str(self._port))
        self._start(*self._common, "--worker", *where)

    def collect(self) -> Tally:
        """Raises `LoadFailed` if Locust did not run to its end."""
        return self._with_share(read(self._printed(READY_S + self._seconds + PATIENCE_S)))


def described(ask: Ask) -> tuple[Any, ...]:
    """A request and its right answer, as the locustfile has them."""
    head, _, body = ask.data.partition(b"\r\n\r\n")
    first, *lines = head.decode("latin-1").split("\r\n")
    method, path, _ = first.split(" ")
    fields = dict(line.split(": ", 1) for line in lines)
    fields.pop("Content-Length", None)  # it counts itself
    right = ask.expected
    known = (right.status, right.length, right.digest) if right else (None, None, None)
    return (method, path, fields, body or None, *known)


def read(printed: str) -> Tally:
    """The statistics of a run. Locust counts milliseconds and Unix time."""
    try:
        rows = json_of(printed[printed.index("[") :])
    except ValueError:
        raise LoadFailed(f"locust printed no statistics: {printed.strip()[-200:]}") from None
    tally = Tally()
    begun = min((row["start_time"] for row in rows), default=0.0)
    ended = max((row["last_request_timestamp"] or 0.0 for row in rows), default=0.0)
    tally.elapsed_s = max(0.0, ended - begun)
    for row in rows:
        tally.received_bytes += row["total_content_length"]
        if row["name"] == RIGHT:
            for ms, count in row["response_times"].items():
                tally.latencies.record(max(1, round(float(ms) * 1e6)), count)
        else:
            tally.errors[row["name"].removeprefix(f"{WRONG} ")] += row["num_requests"]
    return tally
