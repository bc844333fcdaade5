"""One application object has one loop and one lifespan, whatever serves its connections."""

from __future__ import annotations

import errno
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from time import monotonic, sleep
from typing import Any

import pytest
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect

from applications.asgi import one_loop
from fivefold.content.asgi.application_loop import ApplicationLoop
from fivefold.iomodels import ENGINES
from fivefold.iomodels.asyncio_loop.engines import loop_engine
from fivefold.iomodels.multiplexing import Epoll
from fivefold.serving import MODELS as SERVING
from support.client import TIMEOUT_S
from support.every_pair import pairs
from support.servers.embedded import MODELS, Site, hosting, open_gate

SAME = {"loop": True, "thread": True, "state": True}

CASES = [
    pytest.param(
        {"serving": serving, "io": engine.engine},
        id=f"{serving}-{engine.engine}",
        marks=[pytest.mark.skip(reason=reason)] if (reason := engine.available()) else [],
    )
    for serving, model in SERVING.items()
    if model.traits.many_threads
    for engine in ENGINES
]
"""Where connections have threads, and the application one of its own."""


@pytest.fixture(scope="module", params=CASES)
def site(request: pytest.FixtureRequest) -> Iterator[Site]:
    with hosting(one_loop.app, **request.param) as site:
        yield site


def until(condition: Any) -> None:
    end = monotonic() + 20
    while not condition():
        assert monotonic() < end
        sleep(0.005)


def test_an_application_is_started_and_shut_down_once_per_worker(site: Site) -> None:
    with ThreadPoolExecutor(6) as pool:
        answers = list(pool.map(lambda _: asked(site), range(12)))
    assert answers == [SAME] * 12
    assert site.recorded("started") == 1


@pytest.mark.parametrize("settings", [{"fresh": True}, {"workers": 2}], ids=["fresh", "workers"])
def test_each_worker_has_one_and_no_thread_has(settings: dict[str, Any]) -> None:
    record = Record()
    with hosting(one_loop.app, prepare=record.keep, **MODELS["thread"], **settings) as site:
        assert all(asked(site) == SAME for _ in range(8))
    workers = settings.get("workers", 1)
    assert sorted(record.read()[0]) == sorted(["started", "stopping", "stopped"] * workers)


def asked(site: Site) -> Any:
    with site.wire() as wire:
        return wire.ask_json("/where")


def test_requests_share_what_belongs_to_the_loop(site: Site) -> None:
    with site.wire() as waiting, site.wire() as other:
        waiting.put("/wait")
        site.notes.until("waiting")
        assert other.ask("/release").status == 200
        assert waiting.answer().body == b"from another"
    with ThreadPoolExecutor(6) as pool:
        assert list(pool.map(lambda _: lent(site), range(12))) == [b"lent"] * 12


def lent(site: Site) -> bytes:
    with site.wire() as wire:
        return wire.ask("/lend").body


def test_a_receive_that_is_cancelled_loses_nothing(site: Site) -> None:
    data = bytes(range(256)) * 40
    with site.wire() as wire:
        wire.put("/impatient", method="POST", fields=f"Content-Length: {len(data)}\r\n")
        site.notes.until("cancelled")
        for start in range(0, len(data), 512):
            wire.send(data[start : start + 512])
            sleep(0.0007)  # about the time of one wait, so that cancellation and arrival meet
        assert wire.answer().body == data


def test_a_slow_reader_holds_the_application_back(site: Site) -> None:
    with site.wire(receive_buffer=4096) as slow, site.wire() as other:
        slow.put("/flood")
        slow.head()
        seen = [-1, 0]
        while seen[-1] != seen[-2]:
            sleep(0.05)
            seen.append(int(other.ask("/flooded").body))
        assert 0 < seen[-1] < 500, "parts of 64 KiB that the kernel's buffers have taken"


def test_an_upload_waits_for_the_application(site: Site) -> None:
    gate, size = site.gate("gate"), 24 * 1024 * 1024
    with site.wire() as wire:
        wire.put("/reluctant", method="POST", fields=f"Content-Length: {size}\r\n")
        wire.sock.settimeout(0.2)
        sent, part = 0, bytes(65536)
        with pytest.raises(TimeoutError):
            while sent < size:
                sent += wire.sock.send(part[: size - sent])
        assert 0 < sent < size
        wire.sock.settimeout(30)
        open_gate(gate)
        while sent < size:
            sent += wire.sock.send(part[: size - sent])
        assert wire.answer().body == b"%d" % size


def test_a_call_goes_on_when_its_connection_has_gone(site: Site) -> None:
    gate, before = site.gate("gate"), site.recorded("background")
    with site.wire() as wire:
        assert wire.ask("/later").body == b"now"
        site.notes.until("http.disconnect")
        assert wire.ask_json("/where") == SAME
    open_gate(gate)
    until(lambda: site.recorded("background") == before + 1)


def test_websockets_meet_in_one_loop(site: Site) -> None:
    with (
        connect(site.ws + "/", open_timeout=TIMEOUT_S) as one,
        connect(site.ws + "/", open_timeout=TIMEOUT_S) as two,
    ):
        assert one.recv(20) == two.recv(20) == "joined"
        for number in range(50):
            one.send(str(number))
            assert two.recv(20) == one.recv(20) == str(number)
    until(lambda: site.recorded("left") >= 2)


def test_a_message_that_was_sent_is_the_applications_again(site: Site) -> None:
    with site.wire() as wire:
        assert [wire.ask("/reuse").body for _ in range(20)] == [b"first"] * 20


def test_what_a_request_leaves_in_its_scope_no_other_one_finds(site: Site) -> None:
    with site.wire() as wire, site.wire() as other:
        assert [each.ask_json("/mark") for each in (wire, wire, other)] == [[], [], []]


def test_parts_that_were_sent_before_the_last_one_have_been_sent(site: Site) -> None:
    with site.wire() as wire:
        assert wire.ask("/together").body == bytes(1_500_000)
        site.notes.until("all sent")


def test_an_answer_that_does_not_suit_a_websocket_refuses_it(site: Site) -> None:
    with pytest.raises(InvalidStatus) as refused:
        connect(site.ws + "/http", open_timeout=20)
    assert refused.value.response.status_code == 500


@pytest.mark.parametrize("query", ["", "?later"])
def test_a_forked_copy_of_the_loop_ends_and_takes_nothing(site: Site, query: str) -> None:
    children = site.recorded("child")
    with site.wire() as wire, site.wire() as other:
        assert wire.ask(f"/fork{query}").body == b"forked"
        until(lambda: site.recorded("child") == children + 1)
        for _ in range(5):
            assert wire.ask_json("/where") == SAME
            assert other.ask_json("/where") == SAME
    said = "a process that the application forked returned into the server; it ends"
    until(lambda: site.log.count(said) == children + 1)


def test_a_loop_that_cannot_wait_any_more_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    host = ApplicationLoop(loop_engine(Epoll)())

    def select(timeout: float | None) -> Any:
        raise OSError(errno.EBADF, "its descriptors are closed")

    with monkeypatch.context() as patch:
        patch.setattr(vars(host.loop)["_selector"], "select", select)
        with pytest.raises(OSError, match="descriptors are closed"):
            host.keep_going(host.loop.create_future())
    host.close()


class Record:
    """What a server has recorded, also when its folder is gone."""

    def keep(self, folder: str) -> None:
        self._files = [(Path(folder) / name).open("a+") for name in ("record", "log")]

    def read(self) -> tuple[list[str], str]:
        """What the application has recorded, in its order, and the log."""
        texts = []
        for file in self._files:
            with file:
                file.seek(0)
                texts.append(file.read())
        return texts[0].split(), texts[1]


@pairs()
def test_a_shutdown_waits_for_calls_whose_response_is_out(pair: dict[str, Any]) -> None:
    record = Record()
    with hosting(one_loop.app, prepare=record.keep, **pair) as site:
        gate = site.gate("gate")
        with site.wire() as wire:
            assert wire.ask("/later").body == b"now"
            site.notes.until("http.disconnect")
        site.terminate()
        opening = threading.Timer(0.1, open_gate, [gate])
        opening.start()
    opening.join()
    lines, log = record.read()
    assert lines.index("background") < max(n for n, line in enumerate(lines) if line == "stopping")
    assert lines.count("started") == lines.count("stopped")
    assert not log


@pytest.mark.parametrize("model", MODELS)
def test_a_handler_that_never_ends_is_cancelled_before_the_shutdown(model: str) -> None:
    record = Record()
    settings = MODELS[model] | {"grace_s": 0.3}
    with hosting(one_loop.app, prepare=record.keep, **settings) as site:
        wire = site.wire()
        wire.put("/never")
        site.notes.until("waiting")
    wire.leave()
    lines, log = record.read()
    assert "stopped" in lines[lines.index("cancelled") :], "the shutdown has its time after it"
    assert lines.count("started") == lines.count("stopped")
    assert "1 call of the application cancelled: the grace time is over (--grace-s)" in log


@pytest.mark.parametrize("model", MODELS)
def test_the_time_of_the_shutdown_is_not_taken_from_what_follows(model: str) -> None:
    record = Record()
    settings = MODELS[model] | {"grace_s": 0.2, "lifespan_s": 6.0}
    with hosting(one_loop.app, prepare=record.keep, **settings) as site, site.wire() as wire:
        assert wire.ask("/slow_end").status == 200
    lines, _ = record.read()
    assert lines.count("atexit") == 1
    assert "stopped" in lines[: lines.index("atexit")]
