"""HTTPS and HTTP/2 traced: over every engine, the calls as strace(1) has them; and by curl and the
h2 library to a server that runs already."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from fivefold import Settings
from fivefold.iomodels import ENGINES
from fivefold.tracing.attach.tracer import Attached
from fivefold.tracing.model import Trace
from fivefold.tracing.request.session import Session
from fivefold.tracing.steps.assembling import assembled
from fivefold.tracing.steps.timeline import Timeline
from fivefold.transport.tls.options import TlsSettings
from support.http2_client import Http2Client
from support.openssl import self_signed
from support.servers.embedded import running
from support.witness import witness, worker_of

LARGE = 700_000
PATIENCE_S = 20.0
HOW = {"https": (True, False), "h2c": (False, True), "h2": (True, True)}
"""Over TLS, by HTTP/2."""

PAIRS = [("async", engine.engine) for engine in ENGINES if engine.available() is None] + [
    ("thread", "blocking"),
    ("process", "blocking"),
]


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> TlsSettings:
    made = self_signed(tmp_path_factory.mktemp("tls"), "localhost")
    return TlsSettings(tls_cert=(made.cert,), tls_key=(made.key,))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("site")
    (folder / "small").write_bytes(bytes(5000))
    (folder / "large").write_bytes(bytes(LARGE))
    return folder


def check(trace: Trace) -> None:
    at = 0.0
    for step in trace.steps:
        assert step.start_us == pytest.approx(at, abs=0.01)
        assert bool(step.evidence) is step.happened
        assert bool(step.why_not) is not step.happened
        at = step.start_us + step.duration_us
    assert at == pytest.approx(trace.summary.total_us, abs=0.1)


def settings_of(
    how: str, certificate: TlsSettings, folder: Path, serving: str, io: str
) -> Settings:
    settings = Settings(target=str(folder), serving=serving, io=io)
    return replace(settings, tls=certificate) if HOW[how][0] else settings


@pytest.mark.parametrize("how", HOW)
@pytest.mark.parametrize(("serving", "io"), PAIRS)
def test_each_is_traced_from_the_first_byte_to_the_last(
    serving: str, io: str, how: str, certificate: TlsSettings, folder: Path
) -> None:
    tls, http2 = HOW[how]
    settings = settings_of(how, certificate, folder, serving, io)
    with Session(settings, privileged=False, http2=http2) as session:
        large = session.request("/large")
        small, again = (session.request("/small", before=before) for before in (0, 2))
        missing = session.request("/missing")
    for trace, status in ((large, 200), (small, 200), (again, 200), (missing, 404)):
        check(trace)
        assert trace.request["status"] == status
        assert trace.request["http"] == ("2" if http2 else "1.1")
        assert (trace.request["tls"] is not None) is tls
    assert large.request["bytes"] >= LARGE
    # Each byte is read from the file and sent: TLS and frames take sendfile(2) away.
    assert large.summary.bytes_copied == pytest.approx(2 * LARGE, rel=0.02)
    assert large.steps[7].happened
    assert again.request["from_memory"]
    shared = [note for note in large.notes if note.startswith("HTTP/2:")]
    assert len(shared) == http2
    assert all("no other one was seen" in note for note in shared)


CALL = re.compile(r"^(?:\d+ +)?(\w+)\(.*= (\d+)$", re.MULTILINE)


@pytest.mark.alone
@pytest.mark.skipif(shutil.which("strace") is None, reason="strace is not installed")
@pytest.mark.parametrize("how", HOW)
@pytest.mark.parametrize("io", ["blocking", "epoll"])
def test_strace_saw_the_same_calls_in_the_same_order(
    io: str,
    how: str,
    certificate: TlsSettings,
    folder: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    timelines: list[Timeline] = []

    def spied(timeline: Timeline) -> Any:
        timelines.append(timeline)
        return assembled(timeline)

    monkeypatch.setattr("fivefold.tracing.request.session.assembled", spied)
    settings, log = settings_of(how, certificate, folder, "async", io), tmp_path / "strace"
    with Session(settings, privileged=False, http2=HOW[how][1]) as session:
        session.request("/large")
        command = ["strace", "-f", "-e", "trace=recvfrom,sendto", "-p", str(worker_of(session))]
        with witness(command, "attached", log):
            session.request("/large")
    ours = [
        (one.event.partition(".")[0], str(one.detail["bytes"]))
        for one in timelines[-1].all
        if one.event in {"recvfrom.exit", "sendto.exit"} and one.detail.get("bytes")
    ]
    theirs = [call for call in CALL.findall(log.read_text(errors="replace")) if call[1] != "0"]
    assert any(theirs[at : at + len(ours)] == ours for at in range(len(theirs) - len(ours) + 1)), (
        ours,
        theirs,
    )
    assert sum(int(size) for name, size in ours if name == "sendto") > LARGE


def by_curl(address: tuple[str, int], path: str, *_: Any) -> None:
    command = ["curl", "-sS", "--http2-prior-knowledge", f"http://{address[0]}:{address[1]}{path}"]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, timeout=PATIENCE_S)


def by_h2(address: tuple[str, int], path: str, count: int) -> None:
    with Http2Client(address) as client:
        for number in [client.begin(path) for _ in range(count)]:
            assert client.whole(number).status == 200


def traced_while(ask: Callable[..., None], count: int, folder: Path, **pair: str) -> Trace:
    """The trace that a running server gives of one of these requests."""
    with (
        running(target=str(folder), h2c=True, **pair) as (server, address),
        Attached(server.pid, pattern="/large", privileged=False) as attached,
    ):
        ask(address, "/large", count)
        (trace,) = attached.traces(PATIENCE_S)
    return trace


@pytest.mark.parametrize(("ask", "count"), [(by_curl, 1), (by_h2, 3)])
@pytest.mark.parametrize(("serving", "io"), [("async", "epoll"), ("thread", "sigio"), PAIRS[-1]])
def test_a_stream_to_a_running_server_is_traced(
    serving: str, io: str, ask: Callable[..., None], count: int, folder: Path
) -> None:
    trace = traced_while(ask, count, folder, serving=serving, io=io)
    check(trace)
    assert (trace.request["status"], trace.request["http"]) == (200, "2")
    assert trace.request["bytes"] >= LARGE
    (shared,) = [note for note in trace.notes if note.startswith("HTTP/2: reads")]
    alone = "no other one was seen" in shared
    assert alone or re.search(r"; [1-9] other ones? w(as|ere) open meanwhile", shared)
    assert alone or count > 1


PARTS = re.compile(
    r"of ([\d,]+) bytes sent meanwhile ([\d,]+) were this stream's, .*\(([\d,]+) bytes"
)


@pytest.mark.parametrize(("serving", "io"), [("async", "epoll"), ("async", "uring"), PAIRS[-1]])
@pytest.mark.parametrize("count", [1, 3])
def test_what_streams_share_of_the_sends_is_said_in_bytes(
    serving: str, io: str, count: int, folder: Path
) -> None:
    trace = traced_while(by_h2, count, folder, serving=serving, io=io)
    found = [match for note in trace.notes if (match := PARTS.search(note))]
    if count == 1:
        assert not found
    for match in found:
        whole, own, others = (int(each.replace(",", "")) for each in match.groups())
        # By what the client has taken of each: the frames' heads come to it.
        assert LARGE < own < 1.01 * LARGE
        assert 0 < others < 1.01 * LARGE * (count - 1)
        assert own + others <= whole
    assert found or count == 1 or io == "blocking"  # which answers one after the other


def test_the_command_makes_a_certificate_where_none_is_given(folder: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "fivefold", "trace", str(folder), "/small", "--https", "--http2"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "HTTP/2 over TLSv1" in done.stdout
    assert "shared by" in done.stdout
