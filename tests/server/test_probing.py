"""`fivefold serve module:attribute`: where it is looked for, and how errors are told."""

from __future__ import annotations

import json
import os
import re
import urllib.request
from pathlib import Path
from typing import Any

import pytest

from fivefold import Settings
from fivefold.errors import ApplicationError, SettingsError
from fivefold.server.probing import interface
from fivefold.testing import running
from support.command_line import fivefold
from support.process_tree import children_of
from support.servers.embedded import MODELS, hosting

TELLS = """
import json, os
from greeting import word

def app(environ, start_response):
    start_response("200 OK", [])
    told = {name: value for name, value in os.environ.items() if name.startswith("SHOP_")}
    return [json.dumps([word, os.getcwd(), told]).encode()]

def disguised(*args):
    return coroutine(*args)

async def coroutine(scope, receive, send):
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"asgi"})

def create_app():
    return app

broken = 7
"""


@pytest.fixture
def shop(tmp_path: Path) -> str:
    folder = tmp_path / "shop"
    folder.mkdir()
    (folder / "tells.py").write_text(TELLS)
    (folder / "greeting.py").write_text("word = 'hello'\n")
    return os.fspath(folder)


def get(url: str) -> bytes:
    with urllib.request.urlopen(url, timeout=30) as answer:
        return bytes(answer.read())


@pytest.mark.parametrize("target", ["tells:app", "tells:create_app()"])
@pytest.mark.parametrize("serving", ["process", "thread", "async"])
def test_the_application_lives_in_the_folder_that_is_entered(
    shop: str, target: str, serving: str
) -> None:
    with running(target, chdir=shop, serving=serving) as url:
        assert json.loads(get(url)) == ["hello", shop, {}]


def test_a_relative_folder_is_entered_from_where_the_server_starts(
    shop: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(Path(shop).parent)
    with running("tells:app", chdir="shop") as url:
        assert json.loads(get(url))[1] == shop


def test_variables_of_the_file_are_seen_and_existing_ones_win(
    shop: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SHOP_OLD", "kept")
    file = tmp_path / ".env"
    file.write_text("SHOP_OLD=lost\nSHOP_NEW='a b'\nSHOP_EMPTY=\nSHOP_BARE\n# comment\n")
    with running("tells:app", chdir=shop, env_file=os.fspath(file)) as url:
        answer = json.loads(get(url))[2]
    assert answer == {"SHOP_OLD": "kept", "SHOP_NEW": "a b", "SHOP_EMPTY": ""}
    assert "SHOP_NEW" not in os.environ, "only the server's processes have it"


def test_the_interface_can_be_set(shop: str) -> None:
    with running("tells:disguised", chdir=shop, interface="asgi") as url:
        assert get(url) == b"asgi"
    with running("tells:coroutine", chdir=shop) as url:
        assert get(url) == b"asgi"


WRONG: dict[str, tuple[list[str], str]] = {
    "no module": (["tell:app"], "there is no module 'tell' in"),
    "near": (["tell:app"], "did you mean tells?"),
    "no attribute": (["tells:ap"], "tells has no attribute 'ap'; did you mean app?"),
    "not callable": (["tells:broken"], "which cannot be called"),
    "a factory": (["tells:create_app"], "write module:create_app()"),
    "no folder to enter": (["tells:app", "--chdir", "none"], "chdir: there is no folder 'none'"),
    "no variables": (["tells:app", "--env-file", "none"], "env_file: there is no file 'none'"),
    "no variables for a folder": ([".", "--env-file", "none"], "env_file: there is no file"),
    "no text": (["tells:app", "--env-file", "bytes"], "env_file: cannot read 'bytes'"),
    "a folder as application": ([".", "--interface", "wsgi"], "is not module:attribute"),
}


@pytest.mark.parametrize("case", WRONG)
def test_a_wrong_target_is_one_clear_line_and_status_2(
    case: str, shop: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(shop)
    Path("bytes").write_bytes(b"A=\xff\n")
    arguments, message = WRONG[case]
    done = fivefold("serve", *arguments, "--bind", "127.0.0.1:0")
    assert done.returncode == 2
    assert message in done.stderr
    assert len(done.stderr.splitlines()) == 1


STARTS: dict[str, tuple[str, str | None]] = {
    "forks a process that stays": (
        "import os, time\nif not os.fork():\n    time.sleep(30)\n    os._exit(0)\n",
        None,
    ),
    "starts a program that stays": (
        "import subprocess\nsubprocess.Popen(['sleep', '30'], close_fds=False)\n",
        None,
    ),
    "starts a thread that stays": (
        "import threading, time\nthreading.Thread(target=time.sleep, args=[30]).start()\n",
        None,
    ),
    "leaves": ("import os\nos._exit(0)\n", "importing starts:app exited with 0"),
    "leaves by another status": ("import os\nos._exit(7)\n", "importing starts:app exited with 7"),
    "kills itself": ("import os\nos.kill(os.getpid(), 9)\n", "was killed by SIGKILL"),
    "crashes": ("import ctypes\nctypes.string_at(0)\n", "was killed by SIGSEGV"),
    "closes everything": (
        "import os\nos.closerange(3, 1024)\n",
        "importing starts:app exited with",
    ),
    "cannot be written": ("raise ValueError('\\ud800')\n", "ValueError: \\ud800"),
}


@pytest.mark.parametrize("case", STARTS)
def test_an_import_may_do_whatever_it_likes(case: str, tmp_path: Path) -> None:
    code, message = STARTS[case]
    (tmp_path / "starts.py").write_text(code + "def app(environ, start_response): ...\n")
    settings = Settings(target="starts:app", chdir=os.fspath(tmp_path))
    before = children_of(os.getpid())
    if message is None:
        assert interface(settings) == "wsgi"
    else:
        with pytest.raises(ApplicationError, match=re.escape(message)):
            interface(settings)
    assert children_of(os.getpid()) == before, "the child that looked is reaped"


@pytest.mark.parametrize("serving", ["process", "thread", "async"])
def test_a_monkey_patch_is_one_clear_line(serving: str, tmp_path: Path) -> None:
    """With the real library: it would hang, in every pair, and without a word."""
    code = "from gevent import monkey\nmonkey.patch_all()\ndef app(environ, start_response): ...\n"
    (tmp_path / "green.py").write_text(code)
    done = fivefold("serve", "green:app", "--chdir", os.fspath(tmp_path), "--serving", serving)
    assert done.returncode == 2
    *_, line = done.stderr.splitlines()
    assert "the application has patched socket, select, threading" in line
    assert "take gunicorn -k gevent" in line


ASGI = """
import asyncio

async def app(scope, receive, send):
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": name().encode()})

def name():
    return type(asyncio.get_running_loop()).__name__
"""

OWN_POLICY = """
import asyncio

class Policy(asyncio.DefaultEventLoopPolicy):
    pass

asyncio.set_event_loop_policy(Policy())
"""


@pytest.mark.parametrize(
    ("policy", "named"),
    [
        ("import uvloop\nuvloop.install()\n", "(uvloop.EventLoopPolicy)"),
        (OWN_POLICY, "(shop.Policy)"),
        ("import asyncio\nasyncio.get_event_loop_policy()\n", ""),
    ],
    ids=["uvloop", "own", "asyncio's"],
)
def test_a_policy_for_event_loops_is_one_clear_line(
    policy: str, named: str, tmp_path: Path
) -> None:
    """With the real library, in each serving model; the application is served all the same."""
    (tmp_path / "shop.py").write_text(policy + ASGI)
    for model in MODELS.values():
        with hosting("shop:app", chdir=os.fspath(tmp_path), lifespan="off", **model) as site:
            assert get(site.url) == b"_UnixSelectorEventLoop"
            lines = [line for line in site.log.splitlines() if "event loop policy" in line]
            assert [named in line for line in lines] == ([True] if named else [])


def test_gevent_without_its_patch_is_served(tmp_path: Path) -> None:
    (tmp_path / "green.py").write_text("import gevent.monkey\ndef app(environ, start): ...\n")
    assert interface(Settings(target="green:app", chdir=os.fspath(tmp_path))) == "wsgi"


def test_a_slow_import_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("fivefold.server.probing.PATIENCE_S", 0.01)
    (tmp_path / "slow.py").write_text("import time\ntime.sleep(0.5)\ndef app(e, s): ...\n")
    assert interface(Settings(target="slow:app", chdir=os.fspath(tmp_path))) == "wsgi"
    assert "still importing slow:app" in caplog.text


@pytest.mark.parametrize("target", ["tells:app", lambda environ, start: []])
def test_a_missing_file_is_found_before_anything_starts(target: Any, shop: str) -> None:
    with pytest.raises(SettingsError, match="env_file"), running(target, env_file="none"):
        pass
