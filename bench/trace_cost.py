"""What tracing costs the request that is traced: `python bench/trace_cost.py [ROUNDS]`.

One client, one kept connection, one request after the other with a pause, in which the last
trace is handed on: that costs processor time, but the traced request does not wait for it.
The same server is left alone, attached to without rights, and attached to with them, in turns.
The ratios are medians of the rounds' medians of the time that a request takes for its client.
"""

from __future__ import annotations

import contextlib
import socket
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from fivefold import Server, Settings
from fivefold.linux.tracepoints import tracefs
from fivefold.tracing.attach.tracer import Attached

REQUESTS = 200
PAUSE_S = 0.002
NAMES = ("5k", "300k")


def asked(client: socket.socket, name: str, size: int) -> float:
    """Seconds until the whole answer is there."""
    begun = time.perf_counter()
    client.sendall(b"GET /%b HTTP/1.1\r\nHost: x\r\n\r\n" % name.encode())
    answer = client.recv(1 << 20)
    while b"\r\n\r\n" not in answer:
        answer += client.recv(1 << 20)
    missing = size - len(answer.partition(b"\r\n\r\n")[2])
    while missing > 0:
        missing -= len(client.recv(1 << 20))
    elapsed = time.perf_counter() - begun
    time.sleep(PAUSE_S)
    return elapsed


def plain(_: int) -> contextlib.AbstractContextManager[object]:
    return contextlib.nullcontext()


def attached(*, privileged: bool) -> Callable[[int], contextlib.AbstractContextManager[object]]:
    return lambda pid: Attached(pid, count=1_000_000, privileged=privileged)


WAYS = {"left alone": plain, "traced": attached(privileged=False)}
if tracefs.available() is None:
    WAYS["traced, with rights"] = attached(privileged=True)


@contextlib.contextmanager
def serving(folder: str) -> Iterator[tuple[Server, socket.socket]]:
    settings = Settings.of({"target": folder, "bind": "127.0.0.1:0"})
    with Server(settings) as server:
        host, _, port = server.addresses[0].removeprefix("http://").rpartition(":")
        with socket.create_connection((host, int(port))) as client:
            yield server, client


def main() -> None:
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 7
    with tempfile.TemporaryDirectory() as folder:
        for name in NAMES:
            Path(folder, name).write_bytes(bytes(int(name[:-1]) * 1000))
        with serving(folder) as (server, client):
            for name in NAMES:
                report(name, measured(server, client, name, rounds))


def measured(
    server: Server, client: socket.socket, name: str, rounds: int
) -> dict[str, list[float]]:
    size = int(name[:-1]) * 1000
    found: dict[str, list[float]] = {way: [] for way in WAYS}
    for _ in range(rounds):
        for way, begin in WAYS.items():
            with begin(server.pid):
                times = [asked(client, name, size) for _ in range(REQUESTS)]
            found[way].append(statistics.median(times))
    return found


def report(name: str, found: dict[str, list[float]]) -> None:
    base = found["left alone"]
    for way, times in found.items():
        ratio = statistics.median(t / b for t, b in zip(times, base, strict=True))
        print(f"{name:>5} {way:20} {statistics.median(times) * 1e6:8.0f} us  x {ratio:.2f}")


if __name__ == "__main__":
    main()
