"""`--reload`: new code is served, wrong code is shown, and no connection is refused."""

from __future__ import annotations

import http.client
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from fivefold import Settings
from fivefold.content.application.broken import Broken, trace_of
from fivefold.errors import ApplicationError, SettingsError
from fivefold.server.reloading import wanted_by
from fivefold.testing import running

WSGI = """
def app(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [b"{}"]
"""

ASGI = """
async def app(scope, receive, send):
    await send({{"type": "http.response.start", "status": 200, "headers": []}})
    await send({{"type": "http.response.body", "body": b"{}"}})
"""

NO_LIFESPAN = """
async def app(scope, receive, send):
    await receive()
    await send({"type": "lifespan.startup.failed", "message": "no database"})
"""

PATIENCE_S = 30.0
"""Until a change must have been noticed; a bound, not a measure."""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "shop.py").write_text(WSGI.format("one"))
    return tmp_path


def get(url: str, accept: str = "*/*") -> tuple[int, str, str]:
    """On a connection of its own, which must not be refused."""
    connection = http.client.HTTPConnection(url.removeprefix("http://"), timeout=PATIENCE_S)
    try:
        connection.request("GET", "/", headers={"Accept": accept})
        answer = connection.getresponse()
        return answer.status, answer.headers["Content-Type"] or "", answer.read().decode()
    finally:
        connection.close()


def until(
    url: str,
    arrived: Callable[[int, str], bool],
    accept: str = "*/*",
    tolerated: tuple[type[OSError], ...] = (),
) -> str:
    """Ask again and again; every single request must be answered.

    The old worker may answer a few requests more after the new one's first.
    """
    give_up_at = time.monotonic() + PATIENCE_S
    last = "no answer"
    while time.monotonic() < give_up_at:
        try:
            status, _, last = get(url, accept)
        except tolerated:
            continue
        if arrived(status, last):
            return last
    pytest.fail(f"still {last}")


def says(word: str) -> Callable[[int, str], bool]:
    return lambda status, text: (status, text) == (200, word)


def failed(status: int, text: str) -> bool:
    return status == 500


@pytest.mark.parametrize("serving", ["process", "thread", "async"])
def test_changes_are_served_and_nobody_is_refused(folder: Path, serving: str) -> None:
    with running("shop:app", chdir=os.fspath(folder), reload=True, serving=serving) as url:
        assert get(url)[2] == "one"
        for word in ("two", "six", "ten"):  # as long as each other, and within a second
            (folder / "shop.py").write_text(WSGI.format(word))
            until(url, says(word))


def test_an_error_is_shown_until_a_change_mends_it(folder: Path) -> None:
    with running("shop:app", chdir=os.fspath(folder), reload=True) as url:
        (folder / "shop.py").write_text("raise ValueError('<b> & ü')\n")
        text = until(url, failed)
        assert "importing shop failed: ValueError: <b> & ü" in text
        page = until(url, lambda _, text: text.startswith("<!doctype html>"), "text/html,*/*")
        assert "&lt;b&gt; &amp; ü" in page
        assert f"{folder}/shop.py&quot;, line 1" in page
        assert "<b>" not in page
        assert "importlib" not in page
        assert "loading.py" not in page
        (folder / "shop.py").write_text(WSGI.format("mended"))
        until(url, says("mended"))


@pytest.mark.parametrize("first", ["import nowhere_to_be_found\n", "def app(:\n", "raise KeyError"])
def test_the_first_import_may_fail_as_well(folder: Path, first: str) -> None:
    (folder / "shop.py").write_text(first)
    with running("shop:app", chdir=os.fspath(folder), reload=True) as url:
        assert get(url)[0] == 500
        (folder / "shop.py").write_text(WSGI.format("mended"))
        until(url, says("mended"))


def test_the_interface_may_change(folder: Path) -> None:
    settings = {"bind": ["127.0.0.1:0", "127.0.0.1:0"], "reload": True}
    with running("shop:app", chdir=os.fspath(folder), **settings) as url:
        for source, word in ((ASGI, "asgi"), (WSGI, "wsgi"), (ASGI, "back")):
            (folder / "shop.py").write_text(source.format(word))
            until(url, says(word))


@pytest.mark.parametrize(
    ("serving", "shown"),
    [
        ("process", "no connection process can start"),
        ("thread", "start-up failed: no database"),
        ("async", "start-up failed: no database"),
    ],
)
def test_an_application_that_does_not_start_is_shown(
    folder: Path, serving: str, shown: str
) -> None:
    with running("shop:app", chdir=os.fspath(folder), serving=serving, reload=True) as url:
        (folder / "shop.py").write_text(NO_LIFESPAN)
        until(
            url,
            lambda status, text: status == 500 and shown in text,
            # Threads and processes start it after the worker began to accept.
            tolerated=(ConnectionResetError, http.client.RemoteDisconnected),
        )
        (folder / "shop.py").write_text(ASGI.format("mended"))
        until(url, says("mended"))


def test_a_variable_file_is_watched_and_read_again(folder: Path) -> None:
    (folder / "shop.py").write_text("import os\n" + WSGI.replace('b"{}"', "os.environb[b'WORD']"))
    (folder / ".env").write_text("WORD=one\n")
    file = os.fspath(folder / ".env")
    with running("shop:app", chdir=os.fspath(folder), env_file=file, reload=True) as url:
        assert get(url)[2] == "one"
        (folder / ".env").write_text("WORD=two\n")
        until(url, says("two"))


def test_another_folder_can_be_watched(
    folder: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    library = tmp_path_factory.mktemp("library")
    (library / "word.txt").write_text("one")
    path = os.fspath(library / "word.txt")
    (folder / "shop.py").write_text(
        f"word = open({path!r}).read().encode()\n" + WSGI.replace('b"{}"', "word")
    )
    settings = {"reload_dir": os.fspath(library), "reload_include": "*.txt", "reload": True}
    with running("shop:app", chdir=os.fspath(folder), **settings) as url:
        assert get(url)[2] == "one"
        (library / "word.txt").write_text("two")
        until(url, says("two"))


@pytest.fixture
def process(folder: Path) -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, "-m", "fivefold", "serve", "shop:app", "--reload"]
    with subprocess.Popen(
        [*command, "--bind", "127.0.0.1:0"],
        cwd=folder,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as process:
        yield process
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)


@pytest.mark.parametrize("broken", [False, True])
def test_ctrl_c_leaves_no_process(
    process: subprocess.Popen[str], folder: Path, *, broken: bool
) -> None:
    assert process.stderr is not None
    url = process.stderr.readline().split("listening on ")[1].strip()
    assert get(url)[2] == "one"
    if broken:
        (folder / "shop.py").write_text("raise ValueError\n")
        until(url, failed)
    os.killpg(process.pid, signal.SIGINT)  # as a terminal does: the whole group
    assert process.wait(timeout=PATIENCE_S) == 0
    said = process.stderr.read()  # ends when the last process has closed it
    assert ("shop.py changed; loading the application again" in said) == broken
    assert ("ValueError" in said) == broken
    with pytest.raises(ProcessLookupError):
        os.killpg(process.pid, 0)


def test_a_killed_supervisor_takes_the_watcher_along(process: subprocess.Popen[str]) -> None:
    assert process.stderr is not None
    assert "listening on" in process.stderr.readline()
    process.kill()
    process.wait(timeout=PATIENCE_S)
    process.stderr.read()  # ends when the last process has closed it


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"target": "."}, "reload: only an application given as module:attribute"),
        ({"target": lambda environ, start_response: []}, "reload: only an application given"),
        ({"target": "shop:app", "reload_dir": "none"}, "reload_dir: there is no folder '.*/none'"),
        ({"reload_dir": 7}, "reload_dir: 7 is not a folder or a list of them"),
    ],
)
def test_what_cannot_be_reloaded_is_said(settings: dict[str, object], message: str) -> None:
    with pytest.raises(SettingsError, match=message), running(**{"reload": True, **settings}):
        pass


def test_without_watchfiles_one_line_says_what_to_install(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("fivefold.server.reloading.find_spec", lambda name: None)
    with (
        pytest.raises(SettingsError, match=r"pip install watchfiles"),
        running("shop:app", chdir=os.fspath(folder), reload=True),
    ):
        pass


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("/shop/app.py", True),
        ("/shop/deep/app.py", True),
        ("/shop/app.pyc", False),
        ("/shop/page.html", True),
        ("/shop/templates/page.html", True),
        ("/shop/tests/test_app.py", False),
        ("/shop/conf/.env", True),
        ("/shop/notes.txt", False),
    ],
)
def test_which_files_matter(path: str, *, expected: bool) -> None:
    settings = Settings(
        reload_include=("*.html",), reload_exclude=("tests/*",), env_file="conf/.env"
    )
    assert wanted_by(settings)(path) == expected


def test_a_chain_of_errors_is_shown_without_our_part_in_it() -> None:
    error = ApplicationError("no")
    try:
        try:
            int("inner")
        except ValueError as inner:
            raise KeyError("outer") from inner
    except KeyError as outer:
        error.__cause__ = outer
    trace = trace_of(error)
    assert "ValueError: invalid literal" in trace
    assert "KeyError: 'outer'" in trace
    assert trace_of(ApplicationError("nothing was raised")) == ""
    assert b"<pre>" not in Broken(ApplicationError("nothing was raised"))._page


SIGNALLED_EARLY = """
import os, signal, sys, threading
from types import SimpleNamespace
from fivefold import Settings
from fivefold.server import reloading

over = threading.Event()
threading.Thread(target=over.wait).start()
os.chdir(sys.argv[1])
settings = Settings(target="shop:app", reload=True)
server = SimpleNamespace(settings=settings, companions=[], close_sockets=lambda: None)
with reloading.watching(server):
    os.kill(os.getpid(), signal.SIGHUP)
over.set()
print("lives")
"""


def test_a_change_before_there_is_a_supervisor_ends_no_program_with_threads(
    tmp_path: Path,
) -> None:
    """The kernel gives another thread what the main thread blocks."""
    done = subprocess.run(
        [sys.executable, "-c", SIGNALLED_EARLY, str(tmp_path)],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert (done.returncode, done.stdout) == (0, "lives\n"), done.stderr
