"""Workers that take no turn any more: `--stuck-s`."""

from __future__ import annotations

from pathlib import Path

import pytest

from fivefold.errors import SettingsError
from fivefold.processes.supervision.pulse import SECOND_LOOK_S, Pulse
from fivefold.server.settings import Settings
from support.client import Client
from support.servers.deployed import CRASHES, deployed

STUCK = """
import asyncio, os, time

async def app(scope, receive, send):
    if scope["type"] != "http":
        raise NotImplementedError
    if scope["path"] == "/blocks":
        blocks_the_loop()
    body = str(os.getpid()).encode()
    headers = [(b"content-length", b"%d" % len(body))]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})

def blocks_the_loop():
    time.sleep(600)
"""


@pytest.mark.parametrize(
    ("target", "arguments", "path", "where"),
    [
        ("stuck:app", ("--serving", "async"), "/blocks", "in blocks_the_loop"),
        ("crashes:app", ("--serving", "thread"), "/regex", "in holds_the_gil"),
        ("crashes:app", ("--serving", "async", "--inline"), "/regex", "in holds_the_gil"),
    ],
)
def test_a_worker_that_is_stuck_is_replaced_and_its_stack_is_shown(
    target: str, arguments: tuple[str, ...], path: str, where: str, tmp_path: Path
) -> None:
    (tmp_path / "stuck.py").write_text(STUCK)
    (tmp_path / "crashes.py").write_text(CRASHES)
    with deployed(tmp_path, target, *arguments, "--stuck-s", "1") as server:
        stuck = server.get("/")
        assert stuck is not None
        with Client(server.address) as client:
            client.send(f"GET {path} HTTP/1.1\r\nHost: t\r\n\r\n".encode())
            assert client.at_end()
        server.said(f"worker {int(stuck)} is killed: it is stuck for ")
        server.said("(--stuck-s); this is where it is:")
        assert where in server.log
        server.answers()
        assert server.get("/") != stuck
        assert server.stop() == 0


def test_a_pulse_is_looked_at_twice() -> None:
    """A server that was stopped as a whole finds all pulses missed when it goes on."""
    pulse = Pulse(2.0)
    began = pulse.due - 2.0
    assert not pulse.has_stopped(began + 1.9)
    assert not pulse.has_stopped(began + 100.0), "it may just have been let go on"
    assert pulse.due == began + 100.0 + SECOND_LOOK_S
    assert not pulse.has_stopped(began + 100.5)
    assert pulse.has_stopped(pulse.due)
    pulse.beat()
    assert not pulse.has_stopped(pulse.due - 0.1)
    assert not pulse.has_stopped(pulse.due), "the first time again"
    pulse.close()


def test_a_time_that_no_worker_can_keep_is_refused() -> None:
    with pytest.raises(SettingsError, match=r"stuck_s: 0\.5 is too short"):
        Settings.of({"target": ".", "stuck_s": 0.5})
    for never in (float("nan"), float("inf")):
        with pytest.raises(SettingsError, match=r"stuck_s: "):
            Settings.of({"target": ".", "stuck_s": never})
