"""Deadlines in every pair: whoever is too slow gets the right answer, and nobody hangs."""

from __future__ import annotations

import select

from client import Client
from conftest import Serve
from every_pair import pairs

Pair = dict[str, str]

SHORT = {
    "first_byte_s": 0.4,
    "head_s": 0.4,
    "body_s": 0.4,
    "keep_alive_s": 0.4,
    "send_s": 0.4,
    "linger_s": 0.4,
}


@pairs()
def test_too_slow(pair: Pair, serve: Serve) -> None:
    with serve(**pair, **SHORT) as address:
        with Client(address) as silent:
            assert silent.at_end()
        with Client(address) as half_a_head:
            half_a_head.send(b"GET / HTTP/1.1\r\nHo")
            assert half_a_head.answer().status == 408
            assert half_a_head.at_end()
        with Client(address) as half_a_body:
            half_a_body.send(b"GET / HTTP/1.1\r\nHost: t\r\nContent-Length: 9\r\n\r\nhalf")
            assert half_a_body.answer().status == 408
            assert half_a_body.at_end()
        with Client(address) as idle:
            assert idle.get("/1k.bin").status == 200
            assert idle.at_end()


@pairs()
def test_a_client_that_takes_nothing_is_cut(pair: Pair, serve: Serve) -> None:
    with serve(**pair, **SHORT) as address, Client(address, receive_buffer=4096) as stuck:
        stuck.send(b"GET /50m.bin HTTP/1.1\r\nHost: t\r\n\r\n")
        stuck.exactly(1)
        # Another client is answered only once the first is gone, where one thread serves
        # one client; everywhere it is a witness that the server goes on.
        with Client(address) as other:
            assert other.get("/1k.bin").status == 200
        reset = select.poll()
        reset.register(stuck.sock, 0)  # nothing but POLLERR and POLLHUP
        assert reset.poll(30_000)
