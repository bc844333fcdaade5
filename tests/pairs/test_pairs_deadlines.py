"""Deadlines in every pair: whoever is too slow gets the right answer, and nobody hangs."""

from __future__ import annotations

import contextlib
import select

from support.client import Client
from support.every_pair import pairs
from support.servers.folder import Serve

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


def drip(client: Client, byte: bytes) -> None:
    """Send byte after byte, until the server has said something or nobody takes them."""
    heard = select.poll()
    heard.register(client.sock, select.POLLIN)
    for _ in range(1000):
        if heard.poll(20):
            return
        client.send(byte)
    raise AssertionError("it is still taken")


@pairs()
def test_a_client_that_drips(pair: Pair, serve: Serve) -> None:
    """A deadline holds while bytes keep arriving: of a head, and after a refusal."""
    with serve(**pair, **SHORT) as address:
        with Client(address) as head:
            head.send(b"GET / HTTP/1.1\r\nX: ")
            drip(head, b"x")
            assert head.answer().status == 408
        with Client(address) as refused:
            refused.send(b"what?\r\n\r\n")
            assert refused.answer().status == 400
            assert refused.sock.recv(1) == b""  # half-closed: it reads on for a while
            gone = select.poll()
            gone.register(refused.sock, 0)  # nothing but POLLERR and POLLHUP
            for _ in range(1000):
                if gone.poll(20):
                    break
                with contextlib.suppress(ConnectionError):
                    refused.send(b"x")
            assert gone.poll(0)


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
