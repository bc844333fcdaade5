"""`fivefold.testing.running`: what a test of an application needs."""

from __future__ import annotations

import json
import os
import socket
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

import pytest

from fivefold import FivefoldError
from fivefold.errors import ApplicationError, SettingsError, WorkerFailed
from fivefold.testing import running
from support.every_pair import pairs
from support.openssl import self_signed


def get(url: str) -> bytes:
    with urllib.request.urlopen(url, timeout=30) as answer:
        return bytes(answer.read())


def silent(environ: Any, start_response: Any) -> list[bytes]:
    return []


def test_a_folder(site: Path) -> None:
    with running(site) as url:
        assert url.startswith("http://127.0.0.1:")
        assert get(f"{url}/1k.bin") == (site / "1k.bin").read_bytes()


@pairs()
def test_an_application_that_the_test_made_itself(pair: dict[str, str]) -> None:
    greeting = f"hello from {os.getpid()}".encode()

    def hello(environ: dict[str, Any], start_response: Any) -> list[bytes]:
        start_response("200 OK", [("Content-Type", "text/plain")])
        return [greeting]

    async def goodbye(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": greeting[::-1]})

    with running(hello, **pair) as url, running(goodbye, **pair) as other:
        assert get(url) == greeting
        assert get(other) == greeting[::-1]


def test_many_servers_one_by_one_leave_no_descriptor(tmp_path: Path) -> None:
    """Each shares files in memory with its processes: for the access log, for certificates."""
    made = self_signed(tmp_path, "localhost")
    open_files = len(os.listdir("/proc/self/fd"))
    settings = {"access_log": f"{tmp_path}/log", "tls_cert": made.cert, "tls_key": made.key}
    for _ in range(3):
        with running(silent, **settings):
            pass
    assert len(os.listdir("/proc/self/fd")) == open_files


def test_a_lambda() -> None:
    with running(lambda _, start: (start("200 OK", []), [b"x"])[1]) as url:
        assert get(url) == b"x"


def test_a_target_by_name(tmp_path: Path) -> None:
    (tmp_path / "shop.py").write_text(
        "def app(environ, start):\n    start('200 OK', [])\n    return [b'shop']\n"
    )
    with running("shop:app", chdir=os.fspath(tmp_path)) as url:
        assert get(url) == b"shop"


def test_settings_reach_the_application() -> None:
    def application(environ: dict[str, Any], start_response: Any) -> list[bytes]:
        start_response("200 OK", [])
        kept = ("SCRIPT_NAME", "wsgi.multithread", "wsgi.multiprocess")
        return [json.dumps({name: environ[name] for name in kept}).encode()]

    with running(application, root_path="/shop", serving="process") as url:
        assert json.loads(get(url)) == {
            "SCRIPT_NAME": "/shop",
            "wsgi.multithread": False,
            "wsgi.multiprocess": True,
        }


def test_an_application_that_raises_is_a_500_and_the_test_goes_on() -> None:
    def fail(environ: Any, start_response: Any) -> Any:
        raise RuntimeError

    with running(fail) as url, pytest.raises(urllib.error.HTTPError, match="500"):
        get(url)


def test_nothing_listens_after_the_block() -> None:
    with running(silent) as url:
        port = int(url.rpartition(":")[2])
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", port), timeout=30).close()


def test_an_error_of_the_test_is_what_is_seen() -> None:
    with pytest.raises(ZeroDivisionError), running(silent):
        _ = 1 / 0


@pytest.mark.parametrize(
    ("target", "settings", "error"),
    [
        ("nowhere:app", {}, ApplicationError),
        ("/does/not/exist", {}, SettingsError),
        (".", {"serving": "fibre"}, SettingsError),
        (".", {"colour": "red"}, SettingsError),
        (7, {}, SettingsError),
    ],
)
def test_what_cannot_be_served_raises(
    target: Any, settings: dict[str, Any], error: type[FivefoldError]
) -> None:
    with pytest.raises(error), running(target, **settings):
        pass


def test_an_application_that_does_not_start_raises() -> None:
    async def lifespan(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        await send({"type": "lifespan.startup.failed", "message": "no database"})

    with pytest.raises(WorkerFailed), running(lifespan):
        pass
