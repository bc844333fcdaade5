"""Validators of foreign files: dates of any year, times that stand still, files being written."""

from __future__ import annotations

import http.client
import json
import os
import tempfile
import threading
from collections.abc import Iterator
from email.utils import formatdate, parsedate_to_datetime
from pathlib import Path
from typing import Any

import pytest

from fivefold.content.static.files.file_cache import FileCache
from fivefold.content.static.policy import Policy
from fivefold.content.static.representations.variants import Variants
from fivefold.content.static.rules import DEFAULT
from fivefold.errors import FileShrank
from fivefold.iomodels.interface import File
from support.client import Answer, Client, until
from support.every_pair import pairs
from support.servers.folder import Serve

SMALL, LARGE = 1000, 100_000
"""On either side of what is kept in memory."""

SECONDS_IN = {
    -1199: -99_999_999_999,
    1: -62_135_596_800,
    1900: -2_208_988_800,
    1970: 1,
    2001: 1_000_000_000,
    9999: 253_402_300_799,
    30828: 910_692_730_085,
}


def foreign(path: Path, content: bytes, seconds: int) -> None:
    """A file with a time that somebody has set. Skips where the file system cannot hold it."""
    other = path.with_name("being copied")
    other.write_bytes(content)
    try:
        os.utime(other, (seconds, seconds))
    except OverflowError:
        pytest.skip("this Python cannot say it")
    if int(other.stat().st_mtime) != seconds:
        other.unlink()
        pytest.skip("this file system cannot hold it")
    other.rename(path)


@pytest.fixture
def any_time() -> Iterator[Path]:
    """A folder on tmpfs, which holds any time."""
    memory = Path("/dev/shm")
    if not os.access(memory, os.W_OK):
        pytest.skip(f"there is no {memory}")
    with tempfile.TemporaryDirectory(dir=memory) as name:
        yield Path(name)


@pytest.mark.parametrize("size", [SMALL, LARGE])
@pytest.mark.parametrize("year", SECONDS_IN)
def test_a_file_of_any_year_is_sent(year: int, size: int, any_time: Path, serve: Serve) -> None:
    foreign(any_time / "file", b"a" * size, SECONDS_IN[year])
    with serve(target=str(any_time), listing=True) as address, Client(address) as client:
        for asked in (
            {},
            {"range": "bytes=0-"},
            {"if_modified_since": "Thu, 01 Jan 1970 00:00:01 GMT"},
        ):
            answer = client.get("/file", **asked)
            assert answer.status in (200, 206)
            assert answer.body == b"a" * size
            modified = answer.fields.get("last-modified")
            assert (modified is None) is (year < 1990)
            assert modified is None or parsedate_to_datetime(modified).year <= 2100
            assert answer.fields["etag"]
        assert client.get("/file", if_none_match=answer.fields["etag"]).status == 304
        for kind in ("text/html", "application/json"):
            listing = http.client.HTTPConnection(*address, timeout=30)
            listing.request("GET", "/", headers={"Accept": kind})
            text = listing.getresponse().read()
            listing.close()
            assert b"file" in text
    (item,) = json.loads(text)
    assert item["mtime"] is None or item["mtime"].startswith(f"{year:04}-")
    assert (item["mtime"] is not None) is (1 <= year <= 9999)
    assert item["size"] == size


@pytest.mark.parametrize("seconds", [1, 315_532_800, 1_577_836_800])
@pytest.mark.parametrize("size", [SMALL, LARGE])
def test_new_content_of_the_same_time_and_size_is_noticed(
    size: int, seconds: int, tmp_path: Path, serve: Serve
) -> None:
    """Nix, archives and reproducible builds give every file the same time."""
    file = tmp_path / "app.js"
    foreign(file, b"1" * size, seconds)
    with serve(target=str(tmp_path)) as address, Client(address) as client:
        before = client.get("/app.js").fields
        foreign(file, b"2" * size, seconds)
        after = until(lambda: client.get("/app.js"), lambda answer: answer.body[:1] == b"2")
        assert after.fields["etag"] != before["etag"]
        for _ in range(2):  # the second from memory
            assert client.get("/app.js", if_none_match=before["etag"]).status == 200
            part = client.get("/app.js", range="bytes=5-", if_range=before["etag"])
            assert (part.status, part.body) == (200, b"2" * size)
            if "last-modified" in before:
                dated = client.get("/app.js", range="bytes=5-", if_range=before["last-modified"])
                assert (dated.status, dated.body) == (200, b"2" * size)
        if seconds < SECONDS_IN[2001]:
            assert (
                client.get("/app.js", if_modified_since=formatdate(seconds, usegmt=True)).status
                == 200
            )
        tag = after.fields["etag"]
        assert client.get("/app.js", if_none_match=tag).status == 304
        if not tag.startswith("W/"):
            assert client.get("/app.js", range="bytes=5-", if_range=tag).status == 206


@pytest.mark.parametrize("name", ["app.js", "app.js.gz"])
@pytest.mark.parametrize("size", [SMALL, LARGE])
def test_two_versions_within_a_second_are_not_glued(
    size: int, name: str, tmp_path: Path, serve: Serve
) -> None:
    """A date tells no two versions apart that were written in the same second."""
    file = tmp_path / name
    (tmp_path / "app.js").write_bytes(b"0" * size)
    with serve(target=str(tmp_path)) as address, Client(address) as client:

        def get(**asked: str) -> Answer:
            return client.get("/app.js", accept_encoding="gzip", **asked)

        for _ in range(5):
            file.write_bytes(b"1" * size)
            second = int(file.stat().st_mtime)
            before = until(get, lambda answer: answer.body[:1] == b"1").fields["last-modified"]
            (tmp_path / "new").write_bytes(b"2" * size)
            (tmp_path / "new").rename(file)
            until(get, lambda answer: answer.body[:1] == b"2")
            if int(file.stat().st_mtime) == second:
                break
        part = get(range="bytes=5-", if_range=before)
        assert (part.status, part.body) == (200, b"2" * size)


def test_a_large_file_has_a_strong_tag_once_its_last_change_is_over(
    tmp_path: Path, serve: Serve
) -> None:
    """Two changes within a tick of the kernel's clock look the same."""
    (tmp_path / "large").write_bytes(b"a" * LARGE)
    with serve(target=str(tmp_path)) as address, Client(address) as client:
        first = client.get("/large").fields["etag"]
        strong = until(
            lambda: client.get("/large"), lambda a: not a.fields["etag"].startswith("W/")
        )
        assert strong.fields["etag"] == first.removeprefix("W/")
        tag = strong.fields["etag"]
        assert client.get("/large", range="bytes=5-", if_range=tag).status == 206
        assert client.get("/large", range="bytes=5-", if_range=f"W/{tag}").status == 200


def test_two_machines_agree_about_small_files(tmp_path: Path, serve: Serve) -> None:
    tags = set()
    for number, name in enumerate(("one", "other")):
        (tmp_path / name).mkdir()
        (tmp_path / name / "page.html.gz").write_bytes(b"compressed")
        foreign(tmp_path / name / "page.html", b"the same", 1_500_000_000 + number)
        with serve(target=str(tmp_path / name)) as address, Client(address) as client:
            for coding in ("gzip", "identity"):
                answer = client.get("/page.html", accept_encoding=coding)
                tags.add((coding, answer.fields["etag"]))
    assert len(tags) == len({tag for _, tag in tags}) == 2


STATES = [json.dumps({"state": state, "data": "x" * state}).encode() for state in (10, 2000, 500)]


@pytest.fixture
def rewritten(tmp_path: Path) -> Iterator[Path]:
    """A folder in which status.json is written to in place, again and again."""
    ended = threading.Event()
    file = tmp_path / "status.json"
    file.write_bytes(STATES[0])

    def run() -> None:
        fd = os.open(file, os.O_WRONLY)
        while not ended.wait(0.03):
            for state in STATES:
                os.pwrite(fd, state, 0)
                os.ftruncate(fd, len(state))
        os.close(fd)

    thread = threading.Thread(target=run)
    thread.start()
    yield tmp_path
    ended.set()
    thread.join()


@pairs()
def test_a_file_that_is_rewritten_in_place_answers_with_a_state_or_503(
    pair: dict[str, str], rewritten: Path, serve: Serve
) -> None:
    with serve(target=str(rewritten), **pair) as address, Client(address) as client:
        answers = [client.get(f"/status.json?{number}") for number in range(15)]
    assert any(answer.status == 200 for answer in answers)
    for answer in answers:
        if answer.status == 503:
            assert answer.fields["retry-after"] == "1"
        else:
            assert (answer.status, answer.body in STATES) == (200, True)


MADE_UP = Path("/sys/kernel/mm/transparent_hugepage")


@pytest.mark.skipif(not (MADE_UP / "enabled").exists(), reason="needs sysfs")
@pairs()
def test_a_file_whose_size_is_made_up_is_sent(pair: dict[str, str], serve: Serve) -> None:
    content = (MADE_UP / "enabled").read_bytes()
    assert (MADE_UP / "enabled").stat().st_size != len(content)
    with serve(target=str(MADE_UP), **pair) as address, Client(address) as client:
        for _ in range(2):
            answer = client.get("/enabled")
            assert (answer.status, answer.body) == (200, content)
            assert client.get("/enabled", range="bytes=1-3").body == content[1:4]


class Failing:
    """A connection whose reads of files fail, and the model that it waits with."""

    def __init__(self, error: BaseException) -> None:
        self._error = error
        self.io = self

    async def sleep(self, seconds: float) -> None:
        pass

    async def read_file(self, file: File, offset: int, count: int) -> bytes:
        if self._error is FAILS_LATER:
            return os.pread(file.fd, count, offset)
        raise self._error


FAILS_LATER = RuntimeError("when it is described")


@pytest.mark.parametrize(
    "error", [OSError(5, "EIO"), FileShrank("x"), RuntimeError("x"), GeneratorExit(), FAILS_LATER]
)
def test_whatever_happens_no_descriptor_is_lost(
    error: BaseException, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "page.html").write_bytes(b"p" * SMALL)
    (tmp_path / "page.html.gz").write_bytes(b"c" * SMALL)
    (tmp_path / "large.html").write_bytes(b"p" * LARGE)
    (tmp_path / "large.html.gz").write_bytes(b"c" * SMALL)
    root = os.open(tmp_path, os.O_RDONLY)
    cache = FileCache(root, siblings=True)
    variants = Variants(cache, Policy(DEFAULT), None)

    def failing(self: Policy, path: bytes) -> bytes:
        raise error

    if error is FAILS_LATER:
        monkeypatch.setattr(Policy, "lasting", failing)
    before = len(os.listdir("/proc/self/fd"))
    for name in (b"page.html", b"large.html"):
        for _ in range(3):
            found: Any = variants.find(name, Failing(error), b"gzip")  # type: ignore[arg-type]
            try:
                found.send(None)
            except StopIteration as done:
                done.value.drop()  # the file itself is there
            except BaseException as raised:  # noqa: BLE001 - it is ours
                assert raised is error
    cache.clear()
    assert len(os.listdir("/proc/self/fd")) == before
    os.close(root)
