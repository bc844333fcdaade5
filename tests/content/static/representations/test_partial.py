"""Ranges and conditions as clients see them: our own, and curl."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
from email import message_from_bytes
from email.policy import HTTP
from pathlib import Path

import pytest

from support.client import Answer, Client
from support.servers.folder import SIZES, Serve

SMALL, LARGE = "64k.bin", "1m.bin"


def parts_of(answer: Answer) -> list[tuple[str, bytes]]:
    """Content-Range and bytes of each part, by Python's own parser of MIME."""
    kind = answer.fields["content-type"]
    message = message_from_bytes(
        f"Content-Type: {kind}\r\n\r\n".encode() + answer.body, policy=HTTP
    )
    assert message.get_content_type() == "multipart/byteranges"
    found = []
    for part in message.iter_parts():
        content = part.get_payload(decode=True)
        assert isinstance(content, bytes)
        found.append((part["Content-Range"], content))
    return found


@pytest.mark.parametrize("name", [SMALL, LARGE])
def test_one_range(name: str, serve: Serve, site: Path) -> None:
    content, size = (site / name).read_bytes(), SIZES[name]
    with serve() as address, Client(address) as client:
        for field, first, last in (
            ("bytes=0-0", 0, 0),
            ("bytes=100-199", 100, 199),
            (f"bytes={size - 1}-", size - 1, size - 1),
            ("bytes=-5", size - 5, size - 1),
            ("bytes=7-999999999", 7, size - 1),
        ):
            answer = client.get(f"/{name}", range=field)
            assert answer.status == 206
            assert answer.fields["content-range"] == f"bytes {first}-{last}/{size}"
            assert answer.body == content[first : last + 1]
            assert answer.fields["etag"]
        whole = client.get(f"/{name}")
        assert (whole.status, whole.fields["accept-ranges"]) == (200, "bytes")


@pytest.mark.parametrize("name", [SMALL, LARGE])
def test_several_ranges(name: str, serve: Serve, site: Path) -> None:
    content, size = (site / name).read_bytes(), SIZES[name]
    with serve() as address, Client(address) as client:
        for _ in range(2):
            answer = client.get(f"/{name}", range="bytes=0-9, 20-29, -4")
            assert answer.status == 206
            assert parts_of(answer) == [
                (f"bytes 0-9/{size}", content[:10]),
                (f"bytes 20-29/{size}", content[20:30]),
                (f"bytes {size - 4}-{size - 1}/{size}", content[-4:]),
            ]
        merged = client.get(f"/{name}", range="bytes=10-19,0-9")
        assert (merged.fields["content-range"], merged.body) == (
            f"bytes 0-19/{size}",
            content[:20],
        )


def test_what_cannot_be_satisfied_and_what_is_ignored(serve: Serve) -> None:
    with serve() as address, Client(address) as client:
        for field in ("bytes=1024-", "bytes=-0", "bytes=5000-6000,9999-"):
            refused = client.get("/1k.bin", range=field)
            assert (refused.status, refused.fields["content-range"]) == (416, "bytes */1024")
        for field in ("bytes=9-1", "lines=1-2", "bytes=x", "bytes=" + ",".join(["0-0"] * 100)):
            assert client.get("/1k.bin", range=field).status == 200
        assert client.get("/1k.bin", method="HEAD", range="bytes=0-1").status == 200
        assert client.get("/0.bin", range="bytes=0-").status == 200


def test_a_range_of_what_has_changed_is_the_whole(serve: Serve) -> None:
    with serve() as address, Client(address) as client:
        fields = client.get("/1k.bin").fields
        for condition in (fields["etag"], fields["last-modified"]):
            assert client.get("/1k.bin", range="bytes=0-1", if_range=condition).status == 206
        for condition in ('"other"', f"W/{fields['etag']}", "Sun, 06 Nov 1994 08:49:37 GMT"):
            assert client.get("/1k.bin", range="bytes=0-1", if_range=condition).status == 200


def test_what_the_client_has_is_not_sent_again(serve: Serve) -> None:
    with serve() as address, Client(address) as client:
        fields = client.get("/1k.bin").fields
        etag, modified = fields["etag"], fields["last-modified"]
        for _ in range(2):  # the second from memory
            for condition in ({"if_none_match": etag}, {"if_modified_since": modified}):
                answer = client.get("/1k.bin", **condition)
                assert (answer.status, answer.body) == (304, b"")
                assert answer.fields["etag"] == etag
                assert "date" in answer.fields
                assert "content-length" not in answer.fields
            assert client.get("/1k.bin", if_none_match='"other"').status == 200
        head = client.get("/1k.bin", method="HEAD", if_none_match="*")
        assert head.status == 304


def test_what_the_client_insists_on(serve: Serve) -> None:
    with serve() as address, Client(address) as client:
        etag = client.get("/1k.bin").fields["etag"]
        assert client.get("/1k.bin", if_match=etag).status == 200
        assert client.get("/1k.bin", if_match='"other"').status == 412
        assert client.get("/1k.bin", if_match=f"W/{etag}").status == 412
        long_ago = "Sun, 06 Nov 1994 08:49:37 GMT"
        assert client.get("/1k.bin", if_unmodified_since=long_ago).status == 412
        both = client.get("/1k.bin", if_match=etag, if_none_match=etag, range="bytes=0-0")
        assert both.status == 304
        assert client.get("/missing", if_match=etag).status == 404


def test_a_changed_file_is_sent_again(serve: Serve, tmp_path: Path) -> None:
    (tmp_path / "page").write_bytes(b"first")
    with serve(target=str(tmp_path)) as address, Client(address) as client:
        before = client.get("/page").fields["etag"]
        (tmp_path / "page").write_bytes(b"other")
        with Client(address) as another:
            while (answer := another.get("/page", if_none_match=before)).status == 304:
                pass  # what was looked at in this second is trusted until it ends
        assert (answer.status, answer.body) == (200, b"other")


@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")
def test_curl_resumes_a_download(serve: Serve, site: Path, tmp_path: Path) -> None:
    content = (site / "50m.bin").read_bytes()
    target = tmp_path / "download"
    target.write_bytes(content[:12_345_678])
    with serve() as (host, port):
        command = ["curl", "-sS", "-C", "-", "-o", str(target), f"http://{host}:{port}/50m.bin"]
        subprocess.run(command, check=True)
    assert hashlib.sha256(target.read_bytes()).digest() == hashlib.sha256(content).digest()
