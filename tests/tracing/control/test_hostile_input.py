"""What comes to the control process and the supervisor from outside of our code ends neither."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from fivefold.processes.ready_pipe import READY, Attention
from fivefold.processes.ready_pipe import line as said
from fivefold.tracing.attach.inspected import inspected
from fivefold.tracing.attach.tracer import Attached
from fivefold.tracing.control.rendezvous import connected
from support.process_tree import CONTROL, children_of, descriptors_of, name_of
from support.servers.deployed import Deployed, deployed

DEEP = b"[" * 2000

QUESTIONS = {
    "deep": DEEP,
    "objects": b'{"a":' * 1500,
    "infinite": b'{"do": "attach", "match": "", "count": Infinity}',
    "large": b'{"do": "attach", "match": "", "count": 1e999}',
    "long": b'{"do": "attach", "match": "", "count": %b}' % (b"9" * 4999),
    "64 bits": b'{"do": "attach", "match": "", "count": 18446744073709551616}',
    "negative": b'{"do": "attach", "match": "", "count": -1}',
    "no number": b'{"do": "attach", "match": "", "count": {}}',
    "surrogate": b'{"do": "attach", "match": "\\ud800", "count": 1}',
    "pattern": b'{"do": "attach", "match": "%b", "count": 1}' % (b"x" * 4000),
    "no object": b"7",
    "no word": b"{}",
    "a list": b'{"do": []}',
    "unknown": b'{"do": "__init__"}',
    "no text": b"\xff\xfe\x00",
    "nothing": b"",
}

LINES = [
    DEEP,
    b"}",
    b"7",
    b'{"g": 1, "looked": {}}',
    b'{"g": 1, "looked": -1}',
    b'{"g": Infinity}',
    b"s\t",
    b"s\tGET\t/\t\t200" + b"\t1" * 8 + b"\t1" + b"0" * 400,
    b"s\tGET\t/\t\t200" + b"\t1" * 9 + b"\t1" + b"0" * 5000,
    b"\xff\xfe",
    b"x" * 100_000,
]

APPLICATION = """
import os, stat, sys

def into_every_pipe():
    for name in os.listdir("/proc/self/fd"):
        fd = int(name)
        try:
            if fd > 2 and stat.S_ISFIFO(os.fstat(fd).st_mode):
                os.set_blocking(fd, False)
                for line in LINES:
                    os.write(fd, line)
        except OSError:
            pass

LINES = [b"[" * 2000 + b"\\n", b"3\\n", b"[]\\n", b"[1, 2, 3]\\n", b"\\xff\\n", b"{\\n",
         b"[1e999, 1]\\n", b'[[], "no word of ours"]\\n', b'["unknown", {}]\\n']
into_every_pipe()

def app(environ, start_response):
    start_response("200 OK", [])
    return [b"served"]
"""


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Deployed]:
    (tmp_path / "shop.py").write_text(APPLICATION)
    with deployed(tmp_path, "shop:app", "--trace-sample", "1/1") as server:
        yield server
        assert server.stop() == 0


def pipes_of(pid: int) -> dict[str, Path]:
    """By what the kernel calls them."""
    folder = Path(f"/proc/{pid}/fd")
    found = descriptors_of(pid).items()
    return {name: folder / str(fd) for fd, name in found if name.startswith("pipe:")}


def can_be_traced(server: Deployed) -> bool:
    """By the control process that it was started with."""
    with Attached(server.process.pid, privileged=False) as attached:
        assert server.get("/") == b"served"
        return bool(next(attached.traces(20.0)).steps)


def test_no_question_ends_the_control_process(server: Deployed) -> None:
    assert server.get("/") == b"served"
    for name, question in QUESTIONS.items():
        sock, _ = connected(server.process.pid)
        with sock:
            sock.sendall(question)
            if not question:
                sock.shutdown(socket.SHUT_WR)
            assert sock.recv(1000) == b"", name
    assert inspected(server.process.pid)
    assert can_be_traced(server)


def test_no_line_of_an_application_ends_the_control_process(server: Deployed) -> None:
    """It finds the pipe among its descriptors, or a library that closes all of them lets it open
    another file by the number of the pipe."""
    assert server.get("/") == b"served"
    [control] = [pid for pid in children_of(server.process.pid) if name_of(pid) == CONTROL]
    [worker] = server.workers()
    pipes = pipes_of(control)
    [pipe] = pipes_of(worker).keys() & pipes.keys()
    with pipes[pipe].open("wb", buffering=0) as written:
        for line in LINES:
            written.write(line + b"\n")
    server.said("a line in the pipe of the workers is passed over")
    assert can_be_traced(server)


def test_no_line_of_an_application_ends_the_supervisor(server: Deployed) -> None:
    """It is imported while the supervisor listens to hear that the worker is ready."""
    assert server.get("/") == b"served"
    assert "the supervisor met an error" not in server.log


def test_what_a_child_says_behind_foreign_lines_is_heard() -> None:
    heard, say = os.pipe()
    with os.fdopen(say, "wb", buffering=0) as pipe:
        pipe.write(b"\n".join([*LINES[:-1], b"x" * 10_000, b""]) + said(READY, "7"))
    attention = Attention(heard)
    attention.wait()
    assert attention.ready
