"""The folder that is served is a path: what it leads to may change, and is looked at again."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from time import monotonic

import pytest

from fivefold import Server, Settings
from support.client import TIMEOUT_S, Answer, Client, until
from support.every_pair import pairs
from support.process_tree import children_of
from support.servers.embedded import address_of
from support.servers.folder import Serve

Pair = dict[str, str]


@pytest.fixture
def current(tmp_path: Path) -> Path:
    """A link to one of two releases, as deployments set it."""
    for name in ("old", "new"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "index.html").write_text(name)
    link = tmp_path / "current"
    link.symlink_to("old")
    return link


def lead(link: Path, to: str) -> None:
    """Set a link in one step, so that it is never away."""
    other = link.with_name("another")
    other.symlink_to(to)
    other.rename(link)


@pairs()
def test_another_folder_and_what_is_new_in_it_are_seen(
    pair: Pair, current: Path, serve: Serve
) -> None:
    """Of what was asked for before, too: a file, and a name for which another file was sent."""
    new = current.with_name("new")
    (new / "about").write_text("a file now")
    (new / "docs").mkdir()
    (new / "docs" / "index.html").write_text("a folder now")
    with serve(target=str(current), spa="index.html", **pair) as address, Client(address) as client:
        for path in ("/", "/about", "/docs/", "/about", "/docs/"):
            assert client.get(path).body == b"old"
        assert client.get("/about", range="bytes=1-").body == b"ld"
        lead(current, "new")
        until(lambda: client.get("/"), lambda answer: answer.body == b"new")
        until(lambda: client.get("/about"), lambda answer: answer.body == b"a file now")
        until(lambda: client.get("/docs/"), lambda answer: answer.body == b"a folder now")
        assert client.get("/about", range="bytes=2-").body == b"file now"


@pytest.mark.parametrize("how", ["target", "mount", "host"])
def test_a_folder_that_is_away_is_503_and_comes_back(how: str, current: Path, serve: Serve) -> None:
    settings: dict[str, object] = {"target": str(current.with_name("old"))}
    if how == "target":
        settings["target"] = str(current)
    elif how == "mount":
        settings["mount"] = f"/m={current}"
    else:
        settings["host"] = [{"name": "test", "target": str(current)}]
    path = "/m/" if how == "mount" else "/"
    with serve(**settings) as address, Client(address) as client:
        assert client.get(path).body == b"old"
        current.unlink()
        away = until(lambda: client.get(path), lambda answer: answer.status != 200)
        assert (away.status, away.fields["retry-after"]) == (503, "1")
        current.symlink_to("new")
        until(lambda: client.get(path), lambda answer: answer.body == b"new")


def test_a_worker_that_starts_while_the_folder_is_away_waits_for_it(current: Path) -> None:
    settings = Settings.of({"target": str(current), "bind": "127.0.0.1:0"})
    with Server(settings) as server:
        current.unlink()
        for worker in children_of(server.pid):
            os.kill(worker, signal.SIGKILL)

        def ask() -> Answer:
            with Client(address_of(server)) as client:
                try:
                    return client.get("/")
                except (EOFError, ConnectionResetError):
                    return Answer(0, {}, b"")  # of the one that was killed

        until(ask, lambda answer: answer.status == 503)
        current.symlink_to("new")
        until(ask, lambda answer: answer.body == b"new")


def test_a_folder_that_is_built_again_is_served(current: Path, serve: Serve) -> None:
    old = current.with_name("old")
    with serve(target=str(old)) as address, Client(address) as client:
        assert client.get("/").body == b"old"
        shutil.rmtree(old)
        old.mkdir()
        (old / "index.html").write_text("built")
        until(lambda: client.get("/"), lambda answer: answer.body == b"built")


def test_a_file_system_that_is_mounted_over_it_is_served(current: Path, serve: Serve) -> None:
    old = current.with_name("old")
    with serve(target=str(old)) as address, Client(address) as client:
        assert client.get("/").body == b"old"
        command = ["mount", "-t", "tmpfs", "none", str(old)]
        if subprocess.run(command, capture_output=True, check=False).returncode:
            pytest.skip("may not mount here")
        try:
            (old / "index.html").write_text("mounted")
            until(lambda: client.get("/"), lambda answer: answer.body == b"mounted")
        finally:
            subprocess.run(["umount", "--lazy", str(old)], check=True)
        until(lambda: client.get("/"), lambda answer: answer.body == b"old")


@contextmanager
def started_in(folder: Path, log: Path) -> Iterator[tuple[str, int]]:
    """A server of `.`, started by a shell that has gone to the folder."""
    command = f"cd '{folder}' && exec {sys.executable} -m fivefold serve --bind 127.0.0.1:0"
    with log.open("w") as file, subprocess.Popen(["sh", "-c", command], stderr=file) as server:
        end = monotonic() + TIMEOUT_S
        while not (found := re.search(r"http://([\d.]+):(\d+)", log.read_text())):
            assert monotonic() < end, log.read_text()
        try:
            yield found[1], int(found[2])
        finally:
            server.terminate()


def test_the_folder_of_the_shell_is_a_path_too_and_the_log_says_what_happened(
    current: Path, tmp_path: Path
) -> None:
    log = tmp_path / "log"
    with started_in(current, log) as address, Client(address) as client:
        assert client.get("/").body == b"old"
        lead(current, "nowhere")
        shutil.rmtree(current.with_name("old"))
        until(lambda: client.get("/"), lambda answer: answer.status == 503)
        lead(current, "new")
        until(lambda: client.get("/"), lambda answer: answer.body == b"new")
    said = log.read_text()
    assert said.count("cannot be served: No such file or directory") == 1
    assert said.count("leads to another folder") == 1
