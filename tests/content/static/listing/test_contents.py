"""Listings, read by Python's own parsers of HTML and JSON, and by curl."""

from __future__ import annotations

import http.client
import json
import os
import re
import subprocess
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import urljoin, urlsplit

import pytest

from fivefold.content.static.listing.contents import wants_json
from fivefold.content.static.listing.forms import crumbs, in_words
from support.servers.folder import Serve

AWKWARD = [
    b"a b.txt",
    b"a&b<script>alert(1)<script>.txt",
    b'"quoted".txt',
    b"javascript:alert(1)",
    b"http:evil",
    b"%41.txt",
    b"a?b#c",
    "ü.txt".encode(),
    b"not-\xff-utf8",
    b"new\nline",
]


class Links(HTMLParser):
    """The links of a page, as a browser would resolve them, and all of its text."""

    def __init__(self, page: str, base: str) -> None:
        super().__init__()
        self.found: list[str] = []
        self.tags: set[str] = set()
        self.text = ""
        self._base = base
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.found += [urljoin(self._base, value or "") for name, value in attrs if name == "href"]

    def handle_data(self, data: str) -> None:
        self.text += data


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in AWKWARD:
        (tmp_path / os.fsdecode(name)).write_bytes(b"content")
    (tmp_path / "Zoo").mkdir()
    (tmp_path / "alpha").mkdir()
    (tmp_path / "back\\slash").write_text("no target can name it")
    (tmp_path / ".hidden").write_text("secret")
    (tmp_path / "inside").symlink_to("alpha")
    (tmp_path / "outside").symlink_to("/etc")
    os.mkfifo(tmp_path / "fifo")
    (tmp_path / "with-index").mkdir()
    (tmp_path / "with-index" / "index.html").write_text("index")
    return tmp_path


def fetch(
    address: tuple[str, int], target: str, method: str = "GET", **fields: str
) -> tuple[http.client.HTTPResponse, bytes]:
    """By the client of the standard library, which decodes chunks."""
    connection = http.client.HTTPConnection(*address, timeout=60)
    try:
        connection.request(method, target, headers=fields)
        response = connection.getresponse()
        return response, response.read()
    finally:
        connection.close()


def test_every_link_leads_to_its_file_and_nowhere_else(folder: Path, serve: Serve) -> None:
    with serve(target=str(folder), listing=True) as address:
        base = f"http://{address[0]}:{address[1]}/"
        response, body = fetch(address, "/")
        assert response.status == 200
        assert response.headers["content-type"] == "text/html; charset=utf-8"
        page = Links(body.decode(), base)
        assert "script" not in page.tags
        names = []
        for link in page.found:
            assert link.startswith(base), link
            target = link.removeprefix(base.rstrip("/"))
            if not target.endswith("/"):
                assert fetch(address, target)[1] == b"content", target
                names.append(target)
        assert len(names) == len(AWKWARD)
        assert "secret" not in page.text
        for absent in (".hidden", "outside", "fifo", "slash"):
            assert absent not in page.text
        assert "inside/" in page.text
        assert fetch(address, "/with-index/")[1] == b"index"


def test_json_by_accept_sorted(folder: Path, serve: Serve) -> None:
    with serve(target=str(folder), listing=True) as address:
        response, body = fetch(address, "/", Accept="application/json")
        assert response.headers["content-type"] == "application/json"
        assert response.headers["vary"] == "Accept"
        items = json.loads(body)
        kinds = [item["type"] for item in items]
        assert kinds[:3] == ["directory"] * 3
        assert [i["name"] for i in items[:3]] == ["alpha", "with-index", "Zoo"]
        files = [i["name"] for i in items if i["type"] == "file"]
        assert files == sorted(files, key=lambda n: n.encode("utf-8", "replace").lower())
        assert {i["size"] for i in items if i["type"] == "file"} == {7}
        assert items[0]["mtime"].endswith("Z")


@pytest.mark.parametrize(
    ("accept", "json_"),
    [
        ("", False),
        ("*/*", False),
        ("application/json, text/plain, */*", True),
        ("text/html, application/json;q=0.9", False),
        ("text/html;q=0.5, application/json", True),
        ("application/json;q=0", False),
    ],
)
def test_who_gets_json(accept: str, *, json_: bool) -> None:
    assert wants_json(f"GET / HTTP/1.1\r\nAccept: {accept}\r\n\r\n".encode()) is json_


def test_without_listing_or_without_a_folder_it_is_404(folder: Path, serve: Serve) -> None:
    with serve(target=str(folder)) as address:
        assert fetch(address, "/")[0].status == 404
    with serve(target=str(folder), listing=True) as address:
        for target in ("/missing/", "/a%20b.txt/", "/outside/", "/.hidden/", "/%2e%2e/"):
            assert fetch(address, target)[0].status == 404, target
        response, _ = fetch(address, "/alpha")
        assert response.status == 301
        assert urlsplit(response.headers["location"]).netloc == ""


def test_a_mounted_folder_shows_its_whole_path(folder: Path, serve: Serve, site: Path) -> None:
    with serve(target=str(site), mount=f"/files={folder}", listing=True) as address:
        base = f"http://{address[0]}:{address[1]}/files/alpha/"
        page = Links(fetch(address, "/files/alpha/")[1].decode(), base)
        assert urljoin(base, "/files/") in page.found
        assert "Index of /files/alpha/" in page.text


def test_fields_by_pattern(folder: Path, serve: Serve) -> None:
    rules = {"header": ["/alpha/**: X-A: b", "*: X-C: d"], "cors": "*"}
    with serve(target=str(folder), listing=True, **rules) as address:
        fields = fetch(address, "/alpha/")[0].headers
        assert (fields["x-a"], fields["x-c"]) == ("b", "d")
        assert fields["access-control-allow-origin"] == "*"
        assert fetch(address, "/")[0].headers["x-a"] is None


def test_head_and_http_1_0(folder: Path, serve: Serve) -> None:
    with serve(target=str(folder), listing=True) as (host, port):
        response, body = fetch((host, port), "/", "HEAD")
        assert (response.status, body) == (200, b"")
        done = subprocess.run(
            ["curl", "-sS0", f"http://{host}:{port}/"], capture_output=True, check=True
        )
    assert done.stdout.endswith(b"</html>\n")


def test_a_hundred_thousand_entries_are_streamed(
    tmp_path_factory: pytest.TempPathFactory, serve: Serve
) -> None:
    folder = tmp_path_factory.mktemp("many")
    fd = os.open(folder, os.O_RDONLY)
    for number in range(100_000):
        os.close(os.open(f"{number:06}", os.O_CREAT | os.O_WRONLY, dir_fd=fd))
    os.close(fd)
    with serve(target=str(folder), listing=True) as address:
        response, body = fetch(address, "/", Accept="application/json")
        assert response.headers["transfer-encoding"] == "chunked"
        assert [item["name"] for item in json.loads(body)] == [f"{n:06}" for n in range(100_000)]
    for entry in os.scandir(folder):
        Path(entry.path).unlink()


@pytest.mark.parametrize(
    ("size", "words"),
    [
        (0, "0 B"),
        (1023, "1023 B"),
        (1024, "1.0 KiB"),
        (1 << 30, "1.0 GiB"),
        (1 << 52, "4096.0 TiB"),
    ],
)
def test_sizes(size: int, words: str) -> None:
    assert in_words(size) == words


def test_crumbs_hold_below_whatever_prefix_a_proxy_takes_away() -> None:
    links = re.findall('href="([^"]*)"', crumbs(b"a/b c/d/"))
    base = "http://proxy/app/a/b%20c/d/"
    there = ["http://proxy/app/", "http://proxy/app/a/", "http://proxy/app/a/b%20c/"]
    assert [urljoin(base, link) for link in links] == there
    assert "href" not in crumbs(b"")
