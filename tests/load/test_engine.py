"""The generator against servers that answer wrongly, late, in pieces, or not at all."""

from __future__ import annotations

import hashlib
import socket
import threading

import pytest

from fivefold.load.engine import Run
from fivefold.load.histogram import bucket_of
from fivefold.load.job import CLOSE, KEEP, Ask, Expected, Group, Job, request
from fivefold.load.tally import Tally
from support.measured_again import measured_again
from support.servers.scripted import Answer, response, scripted

BODY = b"right answer"
RIGHT = Expected(200, len(BODY), hashlib.sha256(BODY).digest())


def ask(connection: str = KEEP) -> Ask:
    return Ask(request("/", host="localhost", connection=connection), RIGHT)


def run(job: Job) -> Tally:
    with Run(job) as one:
        one.prepare()
        return one.go()


def loaded(answer: Answer, group: Group, seconds: float = 0.3) -> Tally:
    with scripted(answer) as address:
        return run(Job(address, seconds, (group,)))


def always(data: bytes) -> Answer:
    def answer(sock: socket.socket, number: int) -> bool:
        sock.sendall(data)
        return True

    return answer


def test_right_answers_are_counted_on_kept_connections() -> None:
    tally = loaded(always(response(BODY)), Group("kept", 3, (ask(),)))

    assert tally.requests > 10
    assert not tally.errors
    assert tally.lost == 0
    assert tally.connected == tally.clients == tally.clients_served == 3
    assert tally.received_bytes == tally.requests * len(response(BODY))


@pytest.mark.parametrize(
    ("data", "wrong"),
    [
        (response(BODY, "500 Oops"), "status"),
        (response(BODY[1:]), "length"),
        (response(b"wrong answer"), "body"),
        (b"SPAM/1.1 200 OK\r\n\r\n", "framing"),
    ],
)
def test_a_wrong_answer_is_an_error_of_its_kind(data: bytes, wrong: str) -> None:
    tally = loaded(always(data), Group("kept", 1, (ask(),)))

    assert tally.requests == 0
    assert set(tally.errors) == {wrong}


def test_one_wrong_answer_after_many_right_ones_is_seen() -> None:
    def answer(sock: socket.socket, number: int) -> bool:
        sock.sendall(response(b"wrong answer" if number == 20 else BODY))
        return True

    tally = loaded(answer, Group("kept", 1, (ask(),)))

    assert tally.errors == {"body": 1}
    assert tally.requests > 20


def test_answers_in_pieces_and_chunks_are_put_together() -> None:
    chunked = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
    chunked += b"3\r\nrig\r\n9\r\nht answer\r\n0\r\n\r\n"

    def answer(sock: socket.socket, number: int) -> bool:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for at in range(len(chunked)):
            sock.sendall(chunked[at : at + 1])
        return True

    tally = loaded(answer, Group("kept", 1, (ask(),)))

    assert tally.requests > 0
    assert not tally.errors


def test_requests_whose_connection_ends_are_lost() -> None:
    def answer(sock: socket.socket, number: int) -> bool:
        if number:
            sock.sendall(response(BODY)[:20])
            return False
        sock.sendall(response(BODY))
        return True

    tally = loaded(answer, Group("kept", 1, (ask(),)))

    assert tally.lost > 0
    assert tally.connected > 1
    assert abs(tally.requests - tally.lost) <= 1


def test_an_announced_end_is_no_loss() -> None:
    def answer(sock: socket.socket, number: int) -> bool:
        sock.sendall(response(BODY, fields="Connection: close\r\n"))
        return False

    tally = loaded(answer, Group("kept", 1, (ask(),)))

    assert tally.requests > 5
    assert (tally.lost, dict(tally.errors)) == (0, {})


def test_fresh_clients_use_a_connection_a_request() -> None:
    def answer(sock: socket.socket, number: int) -> bool:
        sock.sendall(response(BODY, fields="Connection: close\r\n"))
        return False

    tally = loaded(answer, Group("fresh", 2, (ask(CLOSE),)))

    assert tally.requests > 5
    assert 0 <= tally.connected - tally.requests <= 2
    assert (tally.lost, dict(tally.errors)) == (0, {})


@measured_again
def test_idle_clients_ask_once_and_stay() -> None:
    tally = loaded(always(response(BODY)), Group("idle", 20, (ask(),)))

    assert tally.requests == tally.connected == 20


def test_who_comes_first_is_answered_before_the_clock_runs() -> None:
    arrived = []

    def answer(sock: socket.socket, number: int) -> bool:
        arrived.append(sock)
        sock.sendall(response(BODY))
        return True

    with scripted(answer) as address:
        group = Group("idle", 20, (ask(),), first=True)
        with Run(Job(address, 0.1, (group,))) as one:
            one.prepare()
            assert len(arrived) == 20
            assert one.go().connected == 20


def test_a_rate_is_kept() -> None:
    tally = loaded(always(response(BODY)), Group("scheduled", 4, (ask(),), rate=200), seconds=0.5)

    due = 200 * tally.elapsed_s
    assert 0.9 * due <= tally.requests + tally.unanswered <= due + 1


def test_what_was_due_while_no_client_was_free_is_unanswered() -> None:
    """The server answers ten and no more; a closed loop would see one request too few."""

    def answer(sock: socket.socket, number: int) -> bool:
        if number == 10:
            return sock.recv(1) != b""
        sock.sendall(response(BODY))
        return True

    tally = loaded(answer, Group("scheduled", 1, (ask(),), rate=200), seconds=0.5)
    assert tally.requests == 10
    assert tally.unanswered >= 0.9 * 200 * tally.elapsed_s - 10
    assert tally.oldest_unanswered_ns >= (tally.elapsed_s / 2) * 1e9


def test_a_stall_is_charged_to_every_request_that_was_due() -> None:
    """A closed loop would see one slow answer; at a rate all that were due meanwhile are late."""
    stall_s = 0.25

    def answer(sock: socket.socket, number: int) -> bool:
        if number == 20:
            threading.Event().wait(stall_s)
        sock.sendall(response(BODY))
        return True

    tally = loaded(answer, Group("scheduled", 1, (ask(),), rate=200), seconds=1.0)

    late = sum(tally.latencies.counts[bucket_of(int(stall_s * 1e9 / 4)) + 1 :])
    assert late >= 0.7 * 200 * stall_s * 3 / 4


def test_who_is_not_served_shows() -> None:
    """One thread that never goes on to its second client."""
    free = threading.Lock()

    def answer(sock: socket.socket, number: int) -> bool:
        if number == 0 and not free.acquire(blocking=False):
            return sock.recv(1) != b""
        sock.sendall(response(BODY))
        return True

    tally = loaded(answer, Group("kept", 4, (ask(),)))

    assert (tally.clients, tally.clients_served) == (4, 1)
    assert tally.unanswered >= 3
    assert tally.longest_ns > 0.2e9


def test_nobody_there_is_an_error_of_connecting() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = taken.getsockname()

    tally = run(Job(address, 0.1, (Group("kept", 1, (ask(),)),)))

    assert set(tally.errors) == {"connect"}
    assert tally.lost == tally.requests == 0
