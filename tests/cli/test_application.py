"""`fivefold serve module:attribute`: where it is looked for, and how errors are told."""

from __future__ import annotations

import json
import os
import urllib.request
from pathlib import Path
from typing import Any

import pytest
from test_cli import fivefold

from fivefold.errors import SettingsError
from fivefold.testing import running

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
        told = json.loads(get(url))[2]
    assert told == {"SHOP_OLD": "kept", "SHOP_NEW": "a b", "SHOP_EMPTY": ""}
    assert "SHOP_NEW" not in os.environ, "only the server's processes have it"


def test_the_interface_can_be_told(shop: str) -> None:
    with running("tells:disguised", chdir=shop, interface="asgi") as url:
        assert get(url) == b"asgi"
    with running("tells:coroutine", chdir=shop) as url:
        assert get(url) == b"asgi"


WRONG: dict[str, tuple[list[str], str]] = {
    "no module": (["tell:app"], "there is no module 'tell' in"),
    "near": (["tell:app"], "did you mean tells?"),
    "no attribute": (["tells:ap"], "tells has no attribute 'ap'; did you mean app?"),
    "not callable": (["tells:broken"], "not callable"),
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


@pytest.mark.parametrize("target", ["tells:app", lambda environ, start: []])
def test_a_missing_file_is_found_before_anything_starts(target: Any, shop: str) -> None:
    with pytest.raises(SettingsError, match="env_file"), running(target, env_file="none"):
        pass
