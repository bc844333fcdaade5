"""The clients of the soak: each knows the right answer to all that it asks."""

from __future__ import annotations

import hashlib
import json
import os
import random
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from time import monotonic

from soak_ledger import Failure, Ledger
from websockets.exceptions import WebSocketException
from websockets.sync.client import connect

from support.wire import Wire

PAUSE_S = 0.02
"""Between two requests of a client: the machine is not to be full."""

LARGE = 256 * 1024

EVENTS = 10

PURCHASES = 200
"""By one customer: the database counts the orders of each, which must not take ever longer."""

Lost = (OSError, EOFError, WebSocketException)


class WrongAnswer(Exception):
    """Not what was asked for."""


@dataclass
class Asker:
    """One client of a server: where it is, and what is known of its connection."""

    server: str
    address: tuple[str, int]
    kind: str
    ledger: Ledger
    number: int
    pid: int | None = None
    well: float = 0.0
    """When the last thing was asked that was answered: whoever serves was alive after it."""
    asked: float = 0.0
    bought = 0
    uncertain = 0
    """Purchases whose answer was lost: they may have been made."""
    customers = 0
    """As whom this client has bought before."""

    def asks(self) -> None:
        self.asked = monotonic()

    def answered(self, fields: dict[str, str]) -> None:
        self.pid, self.well = int(fields["x-worker"]), self.asked

    def goes_on(self) -> None:
        """It has heard something more of what it has asked for."""
        self.well, self.asked = self.asked, monotonic()

    def connects(self) -> None:
        """Before it does: once it is connected, a worker may have accepted it and been killed."""
        self.pid, self.well, self.asked = None, monotonic(), monotonic()

    def right(self) -> None:
        self.ledger.was_right(self.server, self.kind)


def expect(got: object, wanted: object) -> None:
    if got != wanted:
        raise WrongAnswer(f"{str(got)[:200]} instead of {str(wanted)[:200]}")


def ask(
    asker: Asker, wire: Wire, path: str, method: str = "GET", body: bytes | None = None
) -> bytes:
    asker.asks()
    answer = wire.ask(path, method=method, body=body)
    expect(answer.status, 200)
    asker.answered(answer.fields)
    if answer.fields.get("connection") == "close":
        wire.sock.close()  # the next one is asked elsewhere
    return answer.body


def double(asker: Asker, wire: Wire) -> None:
    number = random.randrange(1_000_000)
    expect(json.loads(ask(asker, wire, f"/double/{number}")), number * 2)


def kept(asker: Asker) -> None:
    """As many requests on a connection as it takes, with pauses."""
    with Wire(asker.address) as wire:
        for _ in range(200):
            double(asker, wire)
            asker.right()
            if wire.sock.fileno() < 0:
                return
            time.sleep(PAUSE_S)


def fresh(asker: Asker) -> None:
    with Wire(asker.address) as wire:
        double(asker, wire)
    asker.right()


def slow(asker: Asker) -> None:
    """Writes its request in pieces, and reads the answer so."""
    with Wire(asker.address, receive_buffer=16384) as wire:
        request = f"GET /large/{LARGE} HTTP/1.1\r\nHost: slow\r\nConnection: close\r\n\r\n".encode()
        for at in range(0, len(request), 20):
            wire.send(request[at : at + 20])
            time.sleep(PAUSE_S)
        head = wire.head()
        expect(head.status, 200)
        asker.answered(head.fields)
        for _ in range(LARGE // 32768):
            expect(wire.exactly(32768), bytes(range(256)) * 128)
            time.sleep(PAUSE_S)
    asker.right()


def uploading(asker: Asker) -> None:
    body = os.urandom(300_000)
    with Wire(asker.address) as wire:
        said = json.loads(ask(asker, wire, "/digest", "POST", body))
    expect(said, hashlib.sha256(body).hexdigest())
    asker.right()


def events(asker: Asker, count: int, wanted: int) -> Wire:
    wire = Wire(asker.address)
    try:
        wire.put(f"/events/{count}")
        head = wire.head()
        expect(head.status, 200)
        asker.answered(head.fields)
        for number in range(wanted):
            expect(wire.chunk(), b"data: %d\n\n" % number)
            asker.goes_on()
    except BaseException:
        wire.sock.close()
        raise
    return wire


def server_sent(asker: Asker) -> None:
    with events(asker, EVENTS, EVENTS) as wire:
        expect(wire.chunks(), [])
    asker.right()


def leaving(asker: Asker) -> None:
    """Goes in the middle of a stream that would never end, by a FIN or a reset."""
    wire = events(asker, 1_000_000, 2)
    if asker.number % 2:
        wire.leave()
    else:
        wire.sock.close()
    asker.right()


def websocket(asker: Asker) -> None:
    host, port = asker.address
    with connect(f"ws://{host}:{port}/echo", open_timeout=30, close_timeout=5) as client:
        for number in range(EVENTS):
            client.send(f"message {number}")
            expect(client.recv(timeout=30), f"message {number}"[::-1])
            asker.goes_on()
            time.sleep(PAUSE_S)
    asker.right()


def buying(asker: Asker) -> None:
    """What was paid for is there, also after a death."""
    if asker.bought > PURCHASES:
        asker.customers, asker.bought, asker.uncertain = asker.customers + 1, 0, 0
    customer = f"customer{asker.number}-{asker.customers}"
    with Wire(asker.address) as wire:
        for _ in range(20):
            asker.uncertain += 1
            ask(asker, wire, f"/buy/{customer}")
            asker.bought, asker.uncertain = asker.bought + 1, asker.uncertain - 1
            asker.right()
            if wire.sock.fileno() < 0:
                return
            orders = json.loads(ask(asker, wire, f"/total/{customer}"))["orders"]
            if not 3 * asker.bought <= orders <= 3 * (asker.bought + asker.uncertain):
                raise WrongAnswer(f"{orders} orders, {asker.bought} purchases")
            if wire.sock.fileno() < 0:
                return
            time.sleep(PAUSE_S)


OF_SERVICE: dict[str, Callable[[Asker], None]] = {
    "kept": kept,
    "fresh": fresh,
    "slow": slow,
    "uploading": uploading,
    "events": server_sent,
    "leaving": leaving,
    "websocket": websocket,
}
OF_SHOP: dict[str, Callable[[Asker], None]] = {"buying": buying}


def living(asker: Asker, conduct: Callable[[Asker], None], over: threading.Event) -> None:
    """One client, again and again; a thread."""
    while not over.is_set():
        asker.connects()
        try:
            conduct(asker)
        except WrongAnswer as wrong:
            asker.ledger.was_wrong(asker.server, asker.kind, str(wrong))
        except Lost as error:
            asker.ledger.failed(
                Failure(
                    *(asker.server, asker.kind, asker.well, monotonic(), asker.pid),
                    f"{type(error).__name__}: {error}",
                )
            )
        time.sleep(PAUSE_S)
