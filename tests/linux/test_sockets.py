"""What the kernel knows of a socket: its peer, its round trips, and when bytes moved."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from fivefold.linux import timestamping
from fivefold.linux.peer_credentials import NO_UID, peer_of
from fivefold.linux.tcp_info import last_taken_s, tcp_info

Pair = tuple[socket.socket, socket.socket]

CONNECTING = """
import os, socket, sys
with socket.socket(socket.AF_UNIX) as sock:
    sock.connect(sys.argv[1])
    print(os.getpid(), flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def pair() -> Iterator[Pair]:
    """A connection over loopback."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        client = socket.create_connection(listener.getsockname(), 10)
        accepted, _ = listener.accept()
        client.settimeout(None)  # which would be waited for before the error queue is read
        with client, accepted:
            yield client, accepted


def test_the_peer_is_the_process_that_connected(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(tmp_path / "socket"))
        listener.listen()
        with subprocess.Popen(
            [sys.executable, "-c", CONNECTING, str(tmp_path / "socket")],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        ) as other:
            accepted, _ = listener.accept()
            with accepted:
                assert other.stdout is not None
                assert peer_of(accepted).pid == int(other.stdout.readline())
                assert peer_of(accepted).uid == os.geteuid()
            other.communicate(timeout=30)
        assert other.returncode == 0


def test_without_a_peer_it_is_no_user() -> None:
    with socket.socket(socket.AF_UNIX) as alone, socket.socket() as tcp:
        for sock in (alone, tcp):
            assert (peer_of(sock).pid, peer_of(sock).uid) == (0, NO_UID)


def test_a_tcp_connection_has_a_round_trip(pair: Pair) -> None:
    client, accepted = pair
    client.sendall(b"1")
    assert accepted.recv(1) == b"1"
    known = tcp_info(client)
    assert known is not None
    assert 0 < known.rtt_us < 60_000_000  # a length, not what stands elsewhere in the structure
    assert known.retransmitted == 0


def test_a_probe_of_a_closed_window_is_nothing_that_was_taken(pair: Pair) -> None:
    client, _ = pair
    client.setblocking(False)
    with pytest.raises(BlockingIOError):
        while True:
            client.send(bytes(1 << 16))
    taken_s = last_taken_s(client)
    assert taken_s is not None
    backoff = 4  # tcpi_backoff, which grows by each probe that is answered "not yet"
    while client.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 8)[backoff] < 2:
        time.sleep(0.001)
    silent_s = last_taken_s(client)
    assert silent_s is not None
    assert silent_s > 0.2  # TCP_RTO_MIN: the first probe alone was so much later


def test_what_is_read_lets_the_kernel_send_on(pair: Pair) -> None:
    client, accepted = pair
    accepted.setblocking(False)
    client.setblocking(False)
    with pytest.raises(BlockingIOError):
        while True:
            client.send(bytes(1 << 16))
    before_s = 0.0
    while before_s < 0.1:
        before_s, reads_at = last_taken_s(client) or 0.0, time.monotonic()
    with pytest.raises(BlockingIOError):
        while True:
            accepted.recv(1 << 16)
    silent_s = last_taken_s(client)
    assert silent_s is not None
    assert silent_s < before_s + time.monotonic() - reads_at


def test_others_have_none() -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        assert tcp_info(ours) is None
        assert last_taken_s(ours) is None
    with socket.socket(type=socket.SOCK_DGRAM) as datagrams:
        assert tcp_info(datagrams) is None
        assert last_taken_s(datagrams) is None


def test_bytes_are_stamped_when_they_leave_and_arrive(pair: Pair) -> None:
    client, accepted = pair
    assert timestamping.enable(client) is None
    assert timestamping.enable(accepted) is None
    offset = timestamping.realtime_offset_ns()
    warmed = 0
    while True:  # the kernel begins to stamp a moment after the first socket has asked
        client.sendall(b"1")
        _, ancillary, _, _ = accepted.recvmsg(1, timestamping.CONTROL_BYTES)
        warmed += 1
        if timestamping.received(ancillary, offset) is not None:
            break
    timestamping.sent(client, offset)
    # Two clocks, one of which may be adjusted meanwhile.
    began = time.monotonic_ns() - 50_000_000
    client.sendall(b"12345")
    data, ancillary, _, _ = accepted.recvmsg(10, timestamping.CONTROL_BYTES)
    arrived = timestamping.received(ancillary, offset)
    ended = time.monotonic_ns() + 50_000_000
    assert data == b"12345"
    assert arrived is not None
    assert arrived.kind == "RX"
    assert began <= arrived.at_ns <= ended

    stamps = {stamp.kind: stamp for stamp in timestamping.sent(client, offset)}
    assert {"SCHED", "SND"} <= stamps.keys()
    assert began <= stamps["SCHED"].at_ns <= stamps["SND"].at_ns <= ended
    assert stamps["SND"].byte == warmed + 4  # the last, counted from 0
    assert timestamping.sent(client, offset) == []


def test_a_socket_that_cannot_be_stamped_says_why() -> None:
    with socket.socket(socket.AF_UNIX) as sock:
        said = timestamping.enable(sock)
    assert said is None or said.startswith("they need Linux 5.1 (")
    with socket.socket() as closed:
        pass
    assert timestamping.enable(closed) == "they need Linux 5.1 (Bad file descriptor)"


def test_what_comes_without_a_stamp_has_none(pair: Pair) -> None:
    client, accepted = pair
    client.send(b"x")
    _, ancillary, _, _ = accepted.recvmsg(10, timestamping.CONTROL_BYTES)
    assert timestamping.received(ancillary, 0) is None
    rights = (socket.SOL_SOCKET, socket.SCM_RIGHTS, b"\0" * 48)
    assert timestamping.received([rights], 0) is None


def test_an_error_queue_without_stamps_is_empty(pair: Pair) -> None:
    assert timestamping.sent(pair[0], 0) == []


def test_the_clocks_are_so_far_apart() -> None:
    """Within a jump of the clock, which a machine may make at any time: so twice at most."""
    for _ in range(2):
        offset_ns = timestamping.realtime_offset_ns()
        apart = time.time_ns() - time.monotonic_ns() - offset_ns
        if abs(apart) < 1_000_000_000:
            return
    raise AssertionError(apart)
