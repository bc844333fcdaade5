"""Clients and handlers that are slow, block, burn or vanish, and the others beside them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from applications.asgi import sample as asgi_sample
from applications.wsgi import sample as wsgi_sample
from support.servers.embedded import ASYNC, MODELS, PROCESS, THREAD, Site, hosting, open_gate

APPS: dict[str, Any] = {"wsgi": wsgi_sample.app, "asgi": asgi_sample.app}

EVERYWHERE = [(kind, name) for kind in APPS for name in MODELS]

MORE_THAN_BLOCKING = {
    "wsgi-async": (wsgi_sample.app, ASYNC),  # in its pool of threads
    "wsgi-thread": (wsgi_sample.app, THREAD),
    "wsgi-process": (wsgi_sample.app, PROCESS),
    "asgi-process": (asgi_sample.app, PROCESS),
}
"""Where a handler that blocks stops itself only; the one event loop of a worker cannot promise
that, whatever serves its connections."""


@pytest.fixture(scope="module", params=EVERYWHERE, ids="-".join)
def site(request: pytest.FixtureRequest) -> Iterator[Site]:
    kind, name = request.param
    with hosting(APPS[kind], **MODELS[name]) as site:
        yield site


@pytest.fixture(scope="module", params=MORE_THAN_BLOCKING)
def patient(request: pytest.FixtureRequest) -> Iterator[Site]:
    application, settings = MORE_THAN_BLOCKING[request.param]
    with hosting(application, **settings) as site:
        yield site


def others_are_served(site: Site) -> bool:
    for _ in range(5):
        with site.wire() as wire:
            for _ in range(2):
                if wire.ask("/echo", method="POST", body=b"x").body != b"x":
                    return False
    return True


def test_a_slow_uploader_holds_up_nobody(site: Site) -> None:
    with site.wire() as slow:
        slow.put("/echo", method="POST", fields="Content-Length: 20\r\n")
        for number in range(20):
            slow.send(b"%d" % (number % 10))
            assert others_are_served(site)
        assert slow.answer().body == b"01234567890123456789"


def test_a_slow_reader_holds_up_nobody(site: Site) -> None:
    path = "/pushing" if site.is_asgi else "/endless"
    with site.wire(receive_buffer=4096) as slow:
        slow.put(path)
        slow.head()
        assert others_are_served(site)
    if not site.is_asgi:
        assert site.notes.next() == "closed"


def test_clients_that_leave_midway_harm_nobody(site: Site) -> None:
    for _ in range(10):
        wire = site.wire()
        wire.put("/generator")
        wire.put("/echo", method="POST", fields="Content-Length: 20\r\n")
        wire.leave()
    assert others_are_served(site)


def test_a_handler_that_waits_holds_up_nobody(site: Site) -> None:
    gate = site.gate("gate")
    with site.wire() as waiting:
        waiting.put("/gate?gate")
        site.notes.until("waiting")
        assert others_are_served(site)
        open_gate(gate)
        assert waiting.answer().body == b"passed"


def test_handlers_that_block_stop_nobody_else(patient: Site) -> None:
    gates = [patient.gate(f"gate{number}") for number in range(8)]
    path = "/block" if patient.is_asgi else "/gate"
    wires = [patient.wire() for _ in gates]
    for wire, gate in zip(wires, gates, strict=True):
        wire.put(f"{path}?{gate.name}")
        patient.notes.until("waiting")
    assert others_are_served(patient)
    for wire, gate in zip(wires, gates, strict=True):
        open_gate(gate)
        with wire:
            assert wire.answer().body == b"passed"


def test_a_handler_that_burns_the_processor_stops_nobody_else(patient: Site) -> None:
    with patient.wire() as burning:
        burning.put("/burn?enough")
        assert patient.notes.next() == "burning"
        assert others_are_served(patient)
        (patient.folder / "enough").touch()
        assert burning.answer().body == b"burnt"


def test_more_handlers_than_threads_wait_for_their_turn() -> None:
    with hosting(wsgi_sample.app, threads=2, **ASYNC) as site:
        gates = [site.gate(f"gate{number}") for number in range(2)]
        wires = [site.wire() for _ in range(4)]
        for wire, gate in zip(wires, gates, strict=False):
            wire.put(f"/gate?{gate.name}")
            site.notes.until("waiting")
        for wire in wires[2:]:
            wire.put("/generator")
        for gate in gates:
            open_gate(gate)
        bodies = []
        for wire in wires:
            with wire:
                bodies.append(wire.answer().body)
    assert bodies == [b"passed", b"passed", b"onetwo", b"onetwo"]


@pytest.mark.parametrize(("kind", "name"), EVERYWHERE)
def test_a_server_that_stops_finishes_what_has_begun(kind: str, name: str) -> None:
    """SIGTERM comes while a handler is at work: its client gets the whole answer."""
    with hosting(APPS[kind], **MODELS[name]) as site, site.wire() as waiting:
        gate = site.gate("gate")
        waiting.put("/gate?gate")
        site.notes.until("waiting")
        site.terminate()
        open_gate(gate)
        assert waiting.answer().body == b"passed"
        assert waiting.at_end()
