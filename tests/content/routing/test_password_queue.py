"""Wrong passwords keep nobody else out: each address has its turn, and who has left has none."""

from __future__ import annotations

import socket
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from time import monotonic

import pytest

from support.client import Client, basic
from support.servers.folder import Serve

bcrypt = pytest.importorskip("bcrypt")

COST = 11

GUESSES = 120

FEW = 15
"""Checks that another one may have to wait for, of the many that were begun before: generous,
for a machine that is busy with something else."""


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("auth") / "htpasswd"
    hashed = bcrypt.hashpw(b"right", bcrypt.gensalt(COST)).decode()
    path.write_text("".join(f"{name}:{hashed}\n" for name in ("ann", "bob", "eve")))
    return path


class From(Client):
    """A client with an address of its own."""

    def __init__(self, address: tuple[str, int], source: str) -> None:
        self.sock = socket.create_connection(address, 60, (source, 0))
        self._received = b""


def guess(address: tuple[str, int], number: int) -> Client:
    client = From(address, "127.0.0.1")
    field = f"Authorization: {basic('eve', str(number))}"
    client.send(f"GET /1.bin HTTP/1.1\r\nHost: t\r\n{field}\r\n\r\n".encode())
    return client


def logged_in(client: Client, user: str) -> None:
    while (status := client.get("/1.bin", authorization=basic(user, "right")).status) == 503:
        pass  # so many wait already
    assert status == 200


def seconds(action: Callable[[], None]) -> float:
    begun = monotonic()
    action()
    return monotonic() - begun


@pytest.mark.parametrize(("stays", "source"), [(True, "127.0.0.2"), (False, "127.0.0.1")])
@pytest.mark.parametrize("serving", ["async", "thread", "process"])
def test_a_user_comes_in_while_many_guess(
    serving: str, source: str, file: Path, serve: Serve, *, stays: bool
) -> None:
    """From elsewhere at once, and from the same address if those who guess have left."""
    with (
        serve(auth=str(file), serving=serving) as address,
        From(address, source) as client,
        ExitStack() as stack,
    ):
        alone = seconds(lambda: logged_in(client, "ann"))
        guessing = [stack.enter_context(guess(address, number)) for number in range(GUESSES)]
        if not stays:
            stack.close()
        assert seconds(lambda: logged_in(client, "bob")) < FEW * alone
        if stays:
            assert all(each.answer().status in (401, 503) for each in guessing)
