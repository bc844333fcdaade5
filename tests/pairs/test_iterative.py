"""async + blocking: the documented exception, and that it is no more than that."""

from __future__ import annotations

from support.client import Client
from support.servers.folder import Serve


def test_a_silent_client_is_let_go_so_that_the_next_is_served(serve: Serve) -> None:
    with serve(serving="async", io="blocking") as address, Client(address) as silent:
        with Client(address) as next_one:
            assert next_one.get("/1k.bin").status == 200
        assert silent.at_end()


def test_it_stops_gently_while_a_client_is_idle(serve: Serve) -> None:
    """The end of the block waits for a clean end; grace would keep it for ten minutes."""
    with serve(serving="async", io="blocking", grace_s=600.0) as address:
        idle = Client(address)
        assert idle.get("/1k.bin").status == 200
    with idle:
        assert idle.at_end()
