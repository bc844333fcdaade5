"""What the access log costs, and that it keeps up: `python bench/access_log.py`, by hand.

Two answers.  How much processor time a line takes, by format and by what of it is known
already, writing included; the file is emptied between measurements.  And whether 100,000 lines in
a second, what a static folder on a few cores could make of conditional requests, all
arrive: they are counted in the file.
"""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Sequence
from pathlib import Path
from time import monotonic, process_time
from types import SimpleNamespace
from typing import Any

from fivefold.accesslog.log import AccessLog
from fivefold.accesslog.shared import SharedLog
from fivefold.content.application.forwarded import TrustedProxies
from fivefold.http1.request import examined

LINES = 100_000
ROUNDS = 5
DIFFERENT = 1000

SHORT = b"GET /1k.bin HTTP/1.1\r\nHost: 127.0.0.1:8000\r\nUser-Agent: wrk/4.1.0\r\n\r\n"

BROWSER = (
    SHORT[:-2]
    + b"Accept: text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8\r\n"
    + b"Cookie: %b\r\nReferer: http://127.0.0.1:8000/\r\n\r\n" % (b"c" * 300)
)

ANSWER = (
    b"HTTP/1.1 304 Not Modified\r\nServer: fivefold\r\nDate: Tue, 24 Nov 2026 02:10:00 GMT\r\n"
    b'ETag: "1a2b3c-400"\r\nX-Content-Type-Options: nosniff\r\n\r\n'
)

HEADS = {"known by its bytes": SHORT, "a browser's": BROWSER}

ANSWERS = {
    "as before": [ANSWER] * DIFFERENT,
    "new bytes": [ANSWER.replace(b"1a2b3c", b"%06x" % number) for number in range(DIFFERENT)],
}
"""From a folder's memory, and as an application makes them."""


def opened(file: Path, form: str) -> AccessLog:
    log = SharedLog(str(file), form, TrustedProxies(), "").opened()
    assert log is not None
    return log


def record(log: AccessLog, head: bytes, answers: Sequence[bytes]) -> None:
    """`LINES` lines, as the loop of a connection records them."""
    conn: Any = SimpleNamespace(peer=("127.0.0.1", 4711), queued_s=None)
    lines, request = log.log_of(conn), examined(head)
    hash(head)  # the loop has looked it up before
    for _ in range(LINES // DIFFERENT):
        for answer in answers:
            now = monotonic()
            lines.log_whole(request, head, answer, now, now)


def price(file: Path, form: str, head: bytes, answers: Sequence[bytes]) -> float:
    """Microseconds of processor time for a line, the best of some rounds."""
    log = opened(file, form)
    best = float("inf")
    for _ in range(ROUNDS):
        before = process_time()
        record(log, head, answers)
        best = min(best, process_time() - before)
        os.truncate(file, 0)
    log.close()
    return best / LINES * 1e6


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--file", type=Path, default=Path("access-log-benchmark.log"))
    file = parser.parse_args().file
    for form in ("common", "combined", "json"):
        for head, head_bytes in HEADS.items():
            for answer, answers in ANSWERS.items():
                us = price(file, form, head_bytes, answers)
                print(f"{form:9} head {head:19} answer {answer:10} {us:5.2f} us")
    os.truncate(file, 0)
    log = opened(file, "combined")
    began = time.monotonic()
    record(log, SHORT, ANSWERS["as before"])
    log.close()
    taken = time.monotonic() - began
    found = file.read_bytes().count(b"\n")
    file.unlink()
    print(f"{LINES} lines in {taken:.2f} s, {found} of them in the file")


if __name__ == "__main__":
    main()
