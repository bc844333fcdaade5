"""Basic authentication as clients see it, with files that htpasswd could have made."""

from __future__ import annotations

import base64
import os
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from fivefold import Server, Settings
from fivefold.content.routing.basic_auth import credentials
from fivefold.errors import SettingsError
from fivefold.serving import MODELS
from support.client import Client, basic
from support.process_tree import wait_until_gone, workers_of
from support.servers.embedded import address_of
from support.servers.folder import Serve

bcrypt = pytest.importorskip("bcrypt")

from fivefold.content.routing.htpasswd import (  # noqa: E402 - without bcrypt there is nothing
    LastRead,
    Passwords,
)


def line(user: str, password: str) -> str:
    hashed = bcrypt.hashpw(password.encode(), bcrypt.gensalt(4)).decode()
    return f"{user}:{hashed.replace('$2b$', '$2y$')}\n"  # as htpasswd writes it


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "htpasswd"
    path.write_text("# people\n\n" + line("ann", "s:cret ü") + line("bob", "other"))
    return path


@pytest.mark.parametrize("serving", ["async", "thread"])
def test_only_the_right_password_opens(serving: str, file: Path, serve: Serve) -> None:
    with serve(auth=str(file), serving=serving) as address, Client(address) as client:
        for _ in range(2):
            refused = client.get("/1k.bin")
            assert refused.status == 401
            assert refused.fields["www-authenticate"].startswith("Basic realm=")
            for authorization in (
                basic("ann", "other"),
                basic("eve", "s:cret ü"),
                basic("ann", ""),
                basic("ann", "s:cret ü\0"),
                "Basic",
                "Basic ====",
                "Bearer abc",
                "Basic " + base64.b64encode(b"ann").decode(),
            ):
                assert client.get("/1k.bin", authorization=authorization).status == 401
        for _ in range(3):
            for authorization in (basic("ann", "s:cret ü"), basic("bob", "other").lower()[:5]):
                status = client.get("/1k.bin", authorization=authorization).status
                assert status == (200 if len(authorization) > 5 else 401)
            assert client.get("/1k.bin").status == 401
            assert client.get("/missing").status == 401


def test_mounts_and_applications_are_guarded_too(file: Path, serve: Serve, site: Path) -> None:
    for target in (str(site), "applications.frameworks.flask_site:app"):
        pytest.importorskip("flask")
        with (
            serve(target=target, mount=f"/files={site}", auth=str(file)) as address,
            Client(address) as client,
        ):
            assert client.get("/").status == 401
            assert client.get("/files/1k.bin").status == 401
            authorization = basic("bob", "other")
            assert client.get("/files/1k.bin", authorization=authorization).status == 200


def test_a_changed_file_is_read_again_and_a_broken_one_changes_nothing(
    file: Path, serve: Serve
) -> None:
    with serve(auth=str(file)) as address, Client(address) as client:
        old, new = basic("ann", "s:cret ü"), basic("ann", "new")
        assert client.get("/1k.bin", authorization=old).status == 200
        file.write_text("ann:broken\n")
        assert client.get("/1k.bin", authorization=old).status == 200
        file.write_text(line("ann", "new"))
        while client.get("/1k.bin", authorization=old).status == 200:
            pass  # at most for a second
        assert client.get("/1k.bin", authorization=new).status == 200


def test_a_password_that_changes_in_place_is_seen_whatever_the_time_says(tmp_path: Path) -> None:
    """All hashes are of one length, and rsync or an image keeps the time of modification."""
    path = tmp_path / "htpasswd"
    path.write_text(line("ann", "old"))
    before = path.stat()
    users = Passwords(str(path))
    path.write_text(line("ann", "new"))
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    after = path.stat()
    same = ("st_ino", "st_size", "st_mtime_ns")
    assert [getattr(after, name) for name in same] == [getattr(before, name) for name in same]
    users.look_again()
    assert not users.right(b"ann", b"old")
    assert users.right(b"ann", b"new")
    assert users.generation == 1
    users.look_again()  # read once more, as it is younger than a second: nothing has changed
    assert users.generation == 1


def test_the_first_of_two_lines_for_one_user_counts(tmp_path: Path) -> None:
    """As for Apache and nginx; and an editor's mark belongs to no name."""
    path = tmp_path / "htpasswd"
    path.write_text("\ufeff" + line("ann", "first") + line("ann", "second"), "utf-8")
    users = Passwords(str(path))
    assert users.right(b"ann", b"first")
    assert not users.right(b"ann", b"second")


def broken(path: Path) -> None:
    path.write_text("ann:broken\n")


def fifo_without_writer(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


SPOILT: list[Callable[[Path], None]] = [broken, Path.unlink, fifo_without_writer]


@pytest.mark.parametrize("spoil", SPOILT)
def test_what_was_read_last_outlives_whoever_read_it(
    spoil: Callable[[Path], None], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "htpasswd"
    path.write_text(line("ann", "old"))
    last = LastRead()
    starts, reads = Passwords(str(path), last), Passwords(str(path), last)
    path.write_text(line("ann", "new"))
    reads.look_again()
    spoil(path)
    follows = Passwords(str(path), last)
    for users in (follows, reads, starts):
        users.look_again()
        users.look_again()
    assert caplog.text.count("the users stay as they were") == 3  # once each
    for users in (follows, reads):
        assert users.right(b"ann", b"new")
        assert not users.right(b"ann", b"old")
    path.unlink(missing_ok=True)
    path.write_text(line("ann", "newer"))
    follows.look_again()
    assert follows.right(b"ann", b"newer")


def test_what_a_writer_has_not_finished_is_nothing(tmp_path: Path) -> None:
    last = LastRead()
    assert last.text() is None
    last.keep(line("ann", "a much longer name and password").encode() * 2)
    last.keep(line("ann", "short").encode())
    kept = last.text()
    assert kept is not None
    assert kept.count(b"\n") == 1
    os.pwrite(last.fileno(), b"#", os.fstat(last.fileno()).st_size - len("#\n"))  # of no hash
    assert last.text() is None
    broken(tmp_path / "htpasswd")
    with pytest.raises(SettingsError, match="no bcrypt hash"):
        Passwords(str(tmp_path / "htpasswd"), last)


@pytest.mark.parametrize("serving", MODELS)
def test_a_worker_starts_while_the_file_is_broken(serving: str, file: Path, site: Path) -> None:
    authorization = basic("ann", "s:cret ü")
    settings = {"target": str(site), "bind": "127.0.0.1:0", "auth": str(file), "serving": serving}
    with Server(Settings.of({**settings, "grace_s": 2.0})) as server:
        address = address_of(server)
        with Client(address) as client:
            assert client.get("/1k.bin", authorization=authorization).status == 200
        broken(file)
        before = workers_of(server.pid)
        assert before
        os.kill(server.pid, signal.SIGHUP)
        for pid in before:  # they stay until others are ready
            wait_until_gone(pid)
        with Client(address) as client:
            assert client.get("/1k.bin", authorization=authorization).status == 200
            assert client.get("/1k.bin").status == 401


WRONG = {
    "ann:$apr1$c9xvSVzr$N2z0dqqxB4JQ2u7PGSBYI1": "line 1: an MD5 hash",
    "ann:{SHA}W6ph5Mm5Pz8GgiULbPgzG37mj9g=": "line 1: a SHA-1 hash",
    "ann:$6$salt$hash": "line 1: a SHA-512 hash",
    "ann:secret": "line 1: no bcrypt hash",
    "ann": "line 1: not USER:HASH",
    "": "names no user",
}


@pytest.mark.parametrize("text", WRONG)
def test_weak_hashes_are_refused_with_the_line_and_the_remedy(text: str, tmp_path: Path) -> None:
    path = tmp_path / "htpasswd"
    path.write_text(text)
    with pytest.raises(SettingsError) as refused:
        Passwords(str(path))
    assert WRONG[text] in str(refused.value)
    assert "secret" not in str(refused.value)


def test_a_file_that_is_not_there(serve: Serve) -> None:
    with (
        pytest.raises(SettingsError, match="cannot read /no/such/file"),
        serve(auth="/no/such/file"),
    ):
        pass


def test_two_fields_are_none() -> None:
    one = f"\r\nAuthorization: {basic('a', 'b')}"
    assert credentials(f"GET / HTTP/1.1{one}\r\n\r\n".encode()) == (b"a", b"b")
    assert credentials(f"GET / HTTP/1.1{one}{one}\r\n\r\n".encode()) is None


def test_curl_logs_in(file: Path, serve: Serve, site: Path) -> None:
    with serve(auth=str(file)) as (host, port):
        url = f"http://{host}:{port}/1k.bin"
        done = subprocess.run(
            ["curl", "-sSf", "-u", "bob:other", url], capture_output=True, check=True
        )
        assert done.stdout == (site / "1k.bin").read_bytes()
