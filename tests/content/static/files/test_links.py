"""Symbolic links, and errors of the kernel: what is followed, what is tried again, what is told."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from fivefold.content.static.files.beneath import open_inside
from fivefold.content.static.refusals import status_of
from fivefold.errors import SettingsError
from support.client import Client
from support.every_pair import pairs
from support.servers.folder import Serve


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A folder with links of every kind, beside what must not be reached."""
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "secret").write_text("secret")
    root = tmp_path / "root"
    (root / "v1" / "deep").mkdir(parents=True)
    (root / "v1" / "app.js").write_text("app")
    (root / "v1" / "deep" / "x").write_text("x")
    (root / "latest").symlink_to(root / "v1")
    (root / "file").symlink_to(root / "v1" / "app.js")
    (root / "itself").symlink_to(root)
    (root / "relative").symlink_to("latest/deep")  # leads through an absolute one
    (root / "v1" / "back").symlink_to(root / "latest")
    (root / "dots").symlink_to(f"{root}/v1/../../{root.name}/v1")
    (tmp_path / "another").symlink_to(root)
    (root / "by another name").symlink_to(tmp_path / "another" / "v1")
    (root / "out").symlink_to(tmp_path / "outside")
    (root / "v1" / "far").symlink_to(tmp_path / "outside" / "secret")
    (root / "gone").symlink_to(root / "nothing")
    (root / "loop").symlink_to(root / "loop")
    (root / "up").symlink_to("..")
    return root


INSIDE = {
    "latest/app.js": "app",
    "file": "app",
    "itself/latest/app.js": "app",
    "relative/x": "x",
    "v1/back/back/deep/x": "x",
    "dots/app.js": "app",
    "by another name/app.js": "app",
}

OUTSIDE = {
    "out/secret": errno.EXDEV,
    "latest/far": errno.EXDEV,
    "itself/up/outside/secret": errno.EXDEV,
    "latest/../../outside/secret": errno.EXDEV,
    "gone": errno.ENOENT,
    "loop": errno.ELOOP,
}


def read(root: Path, path: str) -> str:
    folder = os.open(root, os.O_RDONLY)
    try:
        fd = open_inside(folder, path.encode())
    finally:
        os.close(folder)
    with os.fdopen(fd) as file:
        return file.read()


@pytest.mark.parametrize("path", INSIDE)
def test_absolute_links_that_stay_inside_are_followed(root: Path, path: str) -> None:
    assert read(root, path) == INSIDE[path]


@pytest.mark.parametrize("path", OUTSIDE)
def test_links_that_lead_out_are_not(root: Path, path: str) -> None:
    with pytest.raises(OSError, match=r"\[Errno") as refused:
        read(root, path)
    assert refused.value.errno == OUTSIDE[path]


@pytest.mark.parametrize("error", [errno.ENOSYS, errno.EPERM, errno.EAGAIN])
def test_the_same_without_openat2_and_where_it_always_says_try_again(
    root: Path, error: int
) -> None:
    script = """
import sys, test_links
from support import seccomp
from pathlib import Path
seccomp.refuse(437, int(sys.argv[2]))
root = Path(sys.argv[1])
for path, content in test_links.INSIDE.items():
    assert test_links.read(root, path) == content, path
for path, error in test_links.OUTSIDE.items():
    try:
        test_links.read(root, path)
    except OSError as refused:
        assert refused.errno == error, (path, refused)
    else:
        raise AssertionError(path)
"""
    subprocess.run(
        [sys.executable, "-c", script, str(root), str(error)],
        check=True,
        timeout=60,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},  # what pytest has found
    )


@pytest.fixture
def renaming(tmp_path: Path) -> Iterator[None]:
    """Somebody renames files all the time, somewhere else."""
    ended = threading.Event()
    one, other = tmp_path / "renamed" / "one", tmp_path / "renamed" / "other"
    one.parent.mkdir()
    one.touch()

    def run() -> None:
        while not ended.is_set():
            one.rename(other)
            other.rename(one)

    threads = [threading.Thread(target=run)]
    for thread in threads:
        thread.start()
    yield
    ended.set()
    for thread in threads:
        thread.join()


@pytest.mark.usefixtures("renaming")
@pairs(overlapping=True)
def test_a_file_is_there_while_others_are_renamed(
    pair: dict[str, str], root: Path, serve: Serve
) -> None:
    """openat2 says EAGAIN to a walk over `..` (openat2(2)): no reason for a 404."""
    for number in range(100):
        (root / "v1" / f"{number}").symlink_to("../v1/deep/../app.js")
    with serve(target=str(root), **pair) as address, Client(address) as client:
        for number in range(100):
            assert client.get(f"/v1/{number}").status == 200
        assert client.get("/latest/app.js").body == b"app"
        assert client.get("/out/secret").status == 404


def test_an_absolute_link_is_listed_and_has_its_compressed_files(root: Path, serve: Serve) -> None:
    (root / "v1" / "app.js.gz").write_bytes(b"compressed")
    with serve(target=str(root), listing=True) as address, Client(address) as client:
        answer = client.get("/latest/app.js", accept_encoding="gzip")
        assert (answer.fields["content-encoding"], answer.body) == ("gzip", b"compressed")
        client.send(b"GET / HTTP/1.1\r\nHost: t\r\nAccept: application/json\r\n\r\n")
        listing = b""
        while b"\r\n0\r\n\r\n" not in listing:
            listing += client.sock.recv(65536)
        assert b'"latest", "type": "directory"' in listing
        assert b'"out"' not in listing


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (errno.ENOENT, 404),
        (errno.ENOTDIR, 404),
        (errno.ELOOP, 404),
        (errno.ENAMETOOLONG, 404),
        (errno.EXDEV, 404),
        (errno.EACCES, 403),
        (errno.EIO, 500),
        (errno.EUCLEAN, 500),
        (errno.ENOTCONN, 500),
        (errno.EMFILE, 503),
        (errno.ENFILE, 503),
        (errno.ENOMEM, 503),
        (errno.EAGAIN, 503),
    ],
)
def test_only_what_is_not_there_is_404(error: int, status: int) -> None:
    assert status_of(b"path", OSError(error, os.strerror(error))) == status


def test_a_disk_that_fails_is_500_and_a_lack_of_descriptors_503(
    root: Path, serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    def failing(folder: int, path: bytes, flags: int) -> int:
        number = int(path)
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr("fivefold.content.static.files.beneath.open_beneath", failing)
    with serve(target=str(root)) as address, Client(address) as client:
        assert client.get(f"/{errno.EIO}").status == 500
        answer = client.get(f"/{errno.EMFILE}")
        assert (answer.status, answer.fields["retry-after"]) == (503, "1")
        assert client.get(f"/{errno.ENOENT}").status == 404


@pytest.mark.parametrize(("error", "status"), [(errno.EIO, 500), (errno.EMFILE, 503)])
def test_no_failure_is_hidden_behind_a_file_that_is_looked_for_instead(
    error: int, status: int, root: Path, serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    def failing(folder: int, path: bytes, flags: int) -> int:
        number = errno.ENOENT if path in (b"guide", b"v1/index.html") else error
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr("fivefold.content.static.files.beneath.open_beneath", failing)
    rules = {"clean_urls": True, "listing": True}
    with serve(target=str(root), **rules) as address, Client(address) as client:
        assert client.get("/guide").status == status  # guide.html could not be looked for
        assert client.get("/v1/").status == status  # nor could the folder be listed


def test_a_root_path_is_for_applications(root: Path, serve: Serve) -> None:
    with (
        pytest.raises(SettingsError, match="root_path: a folder needs none"),
        serve(target=str(root), root_path="/app"),
    ):
        pass
