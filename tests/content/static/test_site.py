"""A folder as clients see it: what is found, what is refused, what changes."""

from __future__ import annotations

import errno
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from email.utils import parsedate_to_datetime
from pathlib import Path
from urllib.parse import urljoin

import pytest

from fivefold import Server, Settings
from fivefold.content.static.files.entry import Entry
from fivefold.content.static.files.file_cache import FileCache
from fivefold.content.static.policy import Policy
from fivefold.content.static.representations.validators import validators_of
from fivefold.content.static.rules import DEFAULT
from support import TESTS
from support.client import Client
from support.servers.embedded import address_of
from support.servers.folder import SIZES, Serve


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "page.html").write_text("<p>page")
    return tmp_path


@pytest.fixture
def client(folder: Path) -> Iterator[Client]:
    settings = Settings.of({"target": str(folder), "bind": "127.0.0.1:0"})
    with Server(settings) as server, Client(address_of(server)) as connection:
        yield connection


def test_index_types_and_validators(serve: Serve) -> None:
    with serve() as address, Client(address) as client:
        for path in ("/", "/index.html", "/?query", "//"):
            answer = client.get(path)
            assert (answer.status, answer.body) == (200, b"<!doctype html><title>home</title>")
        assert answer.fields["content-type"] == "text/html; charset=utf-8"
        assert answer.fields["last-modified"].endswith(" GMT")
        assert answer.fields["date"].endswith(" GMT")
        assert answer.fields["etag"].startswith('"')
        assert client.get("/sub/").body == b"<!doctype html><title>sub</title>"
        assert client.get("/a%20b.txt").body == b"space"
        assert client.get("/%C3%BC.txt").body == b"umlaut"
        assert client.get("/1k.bin").fields["content-type"] == "application/octet-stream"


def test_a_file_from_the_future_was_last_modified_now(client: Client, folder: Path) -> None:
    os.utime(folder / "page.html", (2**32, 2**32))
    fields = client.get("/page.html").fields
    modified, date = (parsedate_to_datetime(fields[name]) for name in ("last-modified", "date"))
    assert modified <= date


def test_a_folder_without_its_slash_is_redirected_on_this_host(serve: Serve) -> None:
    with serve() as address, Client(address) as client:
        for path, location in (("/sub", "sub/"), ("//sub?a=b", "sub/?a=b")):
            answer = client.get(path)
            assert (answer.status, answer.fields["location"]) == (301, location)


def test_redirects_hold_below_whatever_prefix_a_proxy_takes_away(
    client: Client, folder: Path
) -> None:
    for name in ("sub", "sub/deep", "a:b", "q?", "ü"):
        (folder / name).mkdir()
    for target, there in (
        ("/sub", "/app/sub/"),
        ("/sub/deep?x=/y", "/app/sub/deep/?x=/y"),
        ("/sub%2Fdeep", "/app/sub/deep/"),
        ("/a:b", "/app/a:b/"),
        ("/q%3F", "/app/q%3F/"),
        ("/%C3%BC", "/app/%C3%BC/"),
    ):
        answer = client.get(target)
        assert answer.status == 301
        assert urljoin("http://proxy/app" + target, answer.fields["location"]) == (
            "http://proxy" + there
        )


@pytest.mark.parametrize("name", SIZES)
def test_head_tells_the_length(name: str, serve: Serve) -> None:
    with serve() as address, Client(address) as client:
        for _ in range(2):
            answer = client.get(f"/{name}", method="HEAD")
            assert answer.fields["content-length"] == str(SIZES[name])
        assert client.get("/1.bin").body == b"\0"  # nothing of a body came before it


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS", "PATCH"])
def test_other_methods_are_405_with_allow(method: str, client: Client) -> None:
    answer = client.get("/page.html", method=method)
    assert (answer.status, answer.fields["allow"]) == (405, "GET, HEAD")
    assert client.get("/page.html").status == 200


def test_a_changed_file_is_seen_within_the_second(client: Client, folder: Path) -> None:
    page = folder / "page.html"
    seen = {client.get("/page.html").body}
    old_tag = client.get("/page.html").fields["etag"]
    replacement = folder / "new"
    replacement.write_text("<p>other")
    replacement.rename(page)
    while True:  # at most until the second is over
        answer = client.get("/page.html")
        seen.add(answer.body)
        if answer.body == b"<p>other":
            break
    assert seen == {b"<p>page", b"<p>other"}
    assert answer.fields["etag"] != old_tag
    page.unlink()
    while client.get("/page.html").status != 404:
        pass


def test_what_is_no_regular_file_is_never_opened_for_long(client: Client, folder: Path) -> None:
    os.mkfifo(folder / "fifo")
    with socket.socket(socket.AF_UNIX) as unix:
        unix.bind(str(folder / "socket"))
        assert client.get("/fifo").status == 403
        assert client.get("/socket").status in (403, 404)  # ENXIO from open(2)
    assert client.get("/page.html/").status == 404
    assert client.get("/" + "x" * 300).status == 404


def test_symbolic_links_work_inside_and_never_lead_out(client: Client, folder: Path) -> None:
    (folder / "inside").symlink_to("page.html")
    (folder / "outside").symlink_to("/etc/passwd")
    (folder / "up").symlink_to("..")
    (folder / "loop").symlink_to("loop")
    assert client.get("/inside").body == b"<p>page"
    for path in ("/outside", "/up/", f"/up/{folder.name}/page.html", "/loop"):
        assert client.get(path).status == 404


@pytest.mark.parametrize("error", [errno.ENOSYS, errno.EPERM])
def test_links_are_refused_by_kernels_without_openat2_too(error: int, folder: Path) -> None:
    (folder / "outside").symlink_to("/etc/passwd")
    script = """
import os, sys
from fivefold.content.static.files.beneath import open_inside
from support.seccomp import refuse
refuse(437, int(sys.argv[2]))
folder = os.open(sys.argv[1], os.O_RDONLY)
os.close(open_inside(folder, b"page.html"))
try:
    open_inside(folder, b"outside")
except OSError as error:
    print(error.errno)
"""
    done = subprocess.run(
        [sys.executable, "-c", script, str(folder), str(error)],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "PYTHONPATH": TESTS},
    )
    assert done.stdout.strip() == str(errno.EXDEV)


def test_a_file_that_shrinks_while_it_is_sent_closes_the_connection(
    client: Client, folder: Path
) -> None:
    big = folder / "big"
    with big.open("wb") as file:
        file.truncate(200 * 1024 * 1024)
    client.send(b"GET /big HTTP/1.1\r\nHost: t\r\n\r\nGET /page.html HTTP/1.1\r\nHost: t\r\n\r\n")
    client.exactly(1)
    os.truncate(big, 1024 * 1024)
    with pytest.raises((EOFError, ConnectionResetError)):
        client.exactly(201 * 1024 * 1024)


def test_a_file_that_grows_while_it_is_sent_ends_where_it_was_promised(
    client: Client, folder: Path
) -> None:
    growing = folder / "growing"
    growing.write_bytes(b"a" * 50_000_000)
    client.send(b"GET /growing HTTP/1.1\r\nHost: t\r\n\r\n")
    first = client.exactly(1)
    with growing.open("ab") as file:
        file.write(b"b")
    client._received = first + client._received
    assert client.answer().body == b"a" * 50_000_000
    assert client.at_end()  # it was written to: what was sent might have been a mixture


def test_a_file_that_is_written_to_while_it_is_sent_closes_the_connection(
    client: Client, folder: Path
) -> None:
    big = folder / "big"
    big.write_bytes(b"a" * 50_000_000)
    for asked in ("", "Range: bytes=1-49000000\r\n", "Range: bytes=0-1,5-49000000\r\n"):
        with Client(client.sock.getpeername()) as reader:
            reader.send(f"GET /big HTTP/1.1\r\nHost: t\r\n{asked}\r\n".encode())
            reader._received = reader.exactly(1)
            with big.open("r+b") as file:
                file.write(b"b" * 50_000_000)
            answer = b""
            try:
                answer = reader.answer().body
            except EOFError:
                assert "," in asked  # the last boundary was not sent
            assert len(answer) in (0, 50_000_000, 49_000_000)
            assert reader.at_end()
    assert client.get("/page.html").status == 200
    assert client.get("/big", method="HEAD").status == 200


def test_a_file_that_is_replaced_or_removed_while_it_is_sent_arrives_as_it_was(
    client: Client, folder: Path
) -> None:
    for action in (Path.unlink, (folder / "new").replace):
        (folder / "big").write_bytes(b"a" * 20_000_000)
        (folder / "new").write_bytes(b"b" * 20_000_000)
        while client.get("/big").body != b"a" * 20_000_000:
            pass  # at most until the second is over
        client.send(b"GET /big HTTP/1.1\r\nHost: t\r\n\r\n")
        client._received = client.exactly(1)
        action(folder / "big")
        assert client.answer().body == b"a" * 20_000_000
        assert client.get("/page.html").body == b"<p>page"


def test_a_file_that_was_being_written_is_read_again(folder: Path) -> None:
    """A write changes the time first and the bytes after it: who reads between the two could
    not tell later."""
    root = os.open(folder, os.O_RDONLY)
    cache = FileCache(root)
    for age_s, trusted in ((0, False), (60, True)):
        then = time.time() - age_s
        os.utime(folder / "page.html", (then, then))
        with cache.open(b"page.html") as file:
            known, metadata = validators_of(file, None), Policy(DEFAULT).metadata(file.path)
            made = Entry(file.path, file, None, known, metadata, varies=False)
        cache.keep(made)
        found = cache.lookup(b"page.html")
        assert (found is not None) is trusted
        for entry in filter(None, (made, found)):
            entry.drop()
    cache.clear()
    os.close(root)
