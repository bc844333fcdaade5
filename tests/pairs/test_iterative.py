"""async + blocking: the documented exception, and that it is no more than that."""

from __future__ import annotations

from client import Client
from conftest import Serve


def test_a_silent_client_is_let_go_so_that_the_next_is_served(serve: Serve) -> None:
    with serve(serving="async", io="blocking") as address, Client(address) as silent:
        with Client(address) as next_one:
            assert next_one.get("/1k.bin").status == 200
        assert silent.at_end()
