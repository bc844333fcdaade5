"""The benchmark's own part: what is counted of a run, its loads, servers, ratios and targets."""

# ruff: noqa: E402 -- bench/ holds scripts, not a package: its folder goes on the path first

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from fivefold.compare import figures
from fivefold.compare.measure.cores import Cores
from fivefold.compare.measure.servers import START_S, DidNotStart, started
from fivefold.compare.plan.peers import find
from fivefold.errors import LoadFailed
from fivefold.linux.accounting import Used, tree, used
from fivefold.load.histogram import Histogram
from fivefold.load.job import Ask, Expected, Group, Job
from fivefold.load.tally import Tally
from fivefold.load.wrk import read

BENCH = Path(__file__).resolve().parents[2] / "bench"
sys.path.append(str(BENCH))

import files
import floor
import rounds
import servers
import verdict
import websocket_load
from rounds import Result, Sample
from rows import FAMILIES, TARGETS, Family, Row, Target, chosen

import load

CORES = Cores(frozenset([min(os.sched_getaffinity(0))]), max(os.sched_getaffinity(0)))
APART = Cores(frozenset([0]), 1)


def needs(program: str) -> pytest.MarkDecorator:
    return pytest.mark.skipif(find(program) is None, reason=f"no {program} here")


# --- the load


def run_of(tally: Tally, cpu_s: float) -> figures.Sample:
    before = Used(1.0, 0.5, 0.5, 0, 0)
    return figures.Sample(tally, before, replace(before, cpu_s=1.0 + cpu_s), None)


def test_a_row_has_the_figures_of_its_run() -> None:
    latencies = Histogram()
    latencies.record(1_000_000, 980)
    latencies.record(9_000_000, 20)
    seen = rounds.shown(run_of(Tally(latencies, elapsed_s=2.0, busy=0.3), cpu_s=0.01), APART)

    assert (seen.cpu_us, seen.requests_per_s) == pytest.approx((10, 500))
    assert (seen.p50_ms, seen.p99_ms) == pytest.approx((1, 9), rel=0.004)
    assert (seen.server_busy, seen.load_busy) == pytest.approx((0.005, 0.3))
    assert (seen.errors, seen.disturbed) == (0, True)


def test_all_kinds_of_errors_are_counted() -> None:
    tally = Tally(errors=Counter(connect=1, status=4000), lost=20, unanswered=300)

    assert rounds.shown(run_of(tally, 0.0), APART).errors == 4321


@pytest.mark.parametrize(("load_busy", "disturbed"), [(0.5, True), (0.85, False)])
def test_a_round_is_disturbed_where_nothing_of_ours_was_busy(
    load_busy: float, disturbed: object
) -> None:
    tally = Tally(elapsed_s=1.0, busy=load_busy)

    assert rounds.shown(run_of(tally, 0.0), APART).disturbed is disturbed


def requests_of(peer: socket.socket) -> list[bytes]:
    """Answers everything on one connection; the requests, once it is closed."""
    seen = []
    with contextlib.suppress(ConnectionResetError):  # wrk leaves without reading the last one
        while data := peer.recv(65536):
            seen.append(data)
            peer.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
    return seen


class Unchecked(load.RowLoad):
    """Of a server that is none."""

    def check(self, job: Job) -> None:
        assert job.groups


@needs("wrk")
def test_browser_requests_are_browser_sized_and_all_different() -> None:
    seen: list[bytes] = []
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            with listener.accept()[0], listener.accept()[0] as peer:  # the first only probes
                seen.extend(requests_of(peer))

        thread = threading.Thread(target=serve)
        thread.start()
        row = Row("browser", "nginx", "/1k.html", "browser.lua")
        with Unchecked(row, CORES.load) as wrk:
            tally = wrk.run(Job(listener.getsockname(), 1, (Group("kept", 1, ()),)))
        thread.join()

    sizes = [len(request) for request in seen]
    assert not tally.errors
    assert all(r.startswith(b"GET /1k.html HTTP/1.1\r\nHost: 127.0.0.1") for r in seen)
    assert min(sizes) > 550
    assert max(sizes) < 750
    assert len(set(seen[:20000])) == len(seen[:20000]) > 100


# --- processor time

BURNING = """
import os, threading, time

def burn():  # 0.1 s of this thread's processor time
    end = time.thread_time() + 0.1
    while time.thread_time() < end:
        pass

burn()
thread = threading.Thread(target=burn)
thread.start()
thread.join()              # a thread that has ended

if (gone := os.fork()) == 0:
    burn()
    os._exit(0)
os.waitpid(gone, 0)        # a child that has ended and was waited for

said, say = os.pipe()
if (living := os.fork()) == 0:
    burn()
    os.write(say, b"x")
    os.read(0, 1)          # a child that lives
    os._exit(0)
os.read(said, 1)
print("burnt", flush=True)
os.read(0, 1)
os.waitpid(living, 0)
"""


def test_processor_time_of_a_tree_is_what_getrusage_says_in_the_end() -> None:
    with subprocess.Popen(
        [sys.executable, "-c", BURNING], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stdout.readline() == b"burnt\n"

        measured = used(process.pid).cpu_s

        process.stdin.close()
        _, status, witness = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    # One child is counted in ticks, user and system apart; the interpreter's end comes after.
    assert witness.ru_utime + witness.ru_stime - measured == pytest.approx(0, abs=0.04)
    assert measured > 0.39


def test_a_process_whose_parent_has_gone_is_still_found_by_its_session() -> None:
    script = "import os, time; os.fork() and os._exit(0); print('x', flush=True); time.sleep(60)"
    leader = subprocess.Popen(
        [sys.executable, "-c", script], stdout=subprocess.PIPE, start_new_session=True
    )
    assert leader.stdout is not None
    assert leader.stdout.readline() == b"x\n"
    leader.wait()

    orphans = [entry.pid for entry in tree(leader.pid)]
    for pid in orphans:
        os.kill(pid, 9)
    leader.stdout.close()

    assert len(orphans) == 1


# --- ratios and targets


def result(name: str, *cpu_us: float, errors: int = 0, disturbed: bool = False) -> Result:
    samples = [Sample(cpu, 1.0, 1.0, 1.0, 1.0, 1.0, errors, disturbed) for cpu in cpu_us]
    return Result(Row(name, name, "/", None), samples)


def judged(limit: float, row: Result, other: Result) -> verdict.Verdict:
    return verdict.judge(Target("a", limit, "b"), {"a": row, "b": other})


def test_a_ratio_is_taken_round_by_round() -> None:
    """In the second round the machine is ten times slower, for both alike."""
    seen = judged(0.75, result("a", 8, 70, 8), result("b", 10, 100, 10))

    assert seen.ratio == verdict.Spread(median=0.8, low=0.7, high=0.8)
    assert seen.reached is False


def test_a_target_is_reached_at_its_limit() -> None:
    assert judged(0.75, result("a", 3.0), result("b", 4.0)).reached is True


def test_errors_and_failures_reach_nothing() -> None:
    failed = Result(Row("a", "a", "/", None), [], "it ended")

    assert judged(9, result("a", 1, errors=1), result("b", 1)).reached is None
    assert judged(9, failed, result("b", 1)).note == "not measured: it ended"
    assert verdict.judge(Target("a", 9, "b"), {"a": result("a", 1)}).note == "not measured"


def test_a_disturbed_round_is_mentioned() -> None:
    seen = judged(9, result("a", 1), result("b", 1, disturbed=True))

    assert (seen.reached, seen.note) == (True, "(disturbed)")


def test_every_target_compares_rows_of_one_family() -> None:
    members = {row.name: family.name for family in FAMILIES for row in family.rows}

    for target in TARGETS:
        assert members[target.row] == members[target.other]


def test_every_row_has_a_server_and_its_files() -> None:
    for row in (row for family in FAMILIES for row in family.rows):
        template = servers.server(row.server).template
        assert template is None or (BENCH / "peers" / template).is_file()
        assert row.script is None or (BENCH / row.script).is_file()


def test_rows_are_chosen_by_pattern() -> None:
    names = [row.name for family in chosen(["1k/f*", "*/apache-w*"]) for row in family.rows]

    assert names == ["1k/floor", "held/apache-worker"]


# --- servers


def job(address: tuple[str, int], right: Expected) -> Job:
    return Job(address, 1, (Group("kept", 1, (Ask(b"", right),)),))


@needs("gcc")
def test_the_floor_answers_with_the_file_and_leaves_nothing_behind(tmp_path: Path) -> None:
    floor.build()
    files.write(tmp_path)
    right = files.right(tmp_path, "/1k.html", None)

    with started(servers.contender("floor", tmp_path, "/1k.html"), CORES) as running:
        assert running.pid is not None
        files.check(job(running.address, right), "/1k.html", "http")
        pinned = os.sched_getaffinity(running.pid)

    assert pinned == CORES.server
    assert tree(running.pid) == []


@needs("gcc")
def test_a_server_that_ends_at_once_says_why(tmp_path: Path) -> None:
    floor.build()
    begun = time.monotonic()

    with (
        pytest.raises(DidNotStart, match=r"status 1: .*No such file"),
        started(servers.contender("floor", tmp_path, "/none"), CORES),
    ):
        pass
    assert time.monotonic() - begun < START_S  # it was not waited for


def test_a_wrong_answer_is_noticed(tmp_path: Path) -> None:
    files.write(tmp_path)
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            with listener.accept()[0] as peer:
                peer.recv(65536)
                peer.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nother")

        thread = threading.Thread(target=serve)
        thread.start()
        right = files.right(tmp_path, "/1k.html", None)
        with pytest.raises(LoadFailed, match="5 bytes"):
            files.check(job(listener.getsockname(), right), "/1k.html", "http")
        thread.join()


def test_choosing_rows_keeps_what_a_family_says_of_its_load() -> None:
    assert chosen([]) == list(FAMILIES)
    assert [family.connections for family in chosen(["sleep/*"])] == [512]


# The load of websockets


@pytest.fixture
def echoing() -> Iterator[tuple[websocket_load.Peer, socket.socket]]:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        yield websocket_load.Peer(ours), theirs


def test_an_echo_may_come_in_two_pieces(
    echoing: tuple[websocket_load.Peer, socket.socket],
) -> None:
    peer, server = echoing
    peer.say()
    assert server.recv(100) == websocket_load.SENT
    server.send(websocket_load.ECHOED[:5])
    assert peer.hear() is None
    server.send(websocket_load.ECHOED[5:])
    elapsed = peer.hear()
    assert elapsed is not None
    assert elapsed >= 0


@pytest.mark.parametrize(
    "came", [b"", websocket_load.SENT, b"\x88\x00", b"\x81\x10hello, webSocket"]
)
def test_what_is_no_echo_is_an_error(
    echoing: tuple[websocket_load.Peer, socket.socket], came: bytes
) -> None:
    peer, server = echoing
    peer.say()
    if came:
        server.send(came)
    else:
        server.shutdown(socket.SHUT_WR)
    with pytest.raises(ConnectionError, match="no echo"):
        peer.hear()


def test_what_the_load_of_websockets_prints_is_read_as_wrk_is() -> None:
    times = [n / 1000 for n in range(100, 0, -1)]
    tally = read(websocket_load.printed(times, 2, 5.0))

    assert (tally.requests, tally.lost, tally.elapsed_s) == (100, 2, 5.0)
    assert tally.latencies.percentile(0.5) == pytest.approx(50e6, rel=0.03)
    assert tally.latencies.highest == 100_000_000


@needs("gcc")
@needs("wrk")
def test_a_program_that_is_not_there_is_its_rows_trouble(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(servers, "PEER_BIN", tmp_path)
    files.write(tmp_path)
    floor.build()
    rows = tuple(Row(each, each, "/1k.html", None) for each in ("wsgi-granian", "floor"))
    plan = rounds.Plan(1, 1, 4, CORES, tmp_path)
    missing, measured = rounds.measure(Family("both", "", "", rows), plan, lambda _: None)

    assert missing.samples == []
    assert "granian is not there" in str(missing.problem)
    (sample,) = measured.samples
    assert (measured.problem, sample.errors) == (None, 0)
    assert sample.cpu_us > 0
    assert sample.requests_per_s > 0
