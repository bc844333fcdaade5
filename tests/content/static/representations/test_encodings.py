"""Content codings as clients see them: files beside a file, and compression on the fly."""

from __future__ import annotations

import gzip
import os
import random
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from fivefold.content.static.representations.compression import (
    LEAST_BYTES,
    compressible,
    compressors,
)
from support.client import Answer, Client, until
from support.servers.folder import Serve

TEXT = b"Five ways to wait, three ways to serve.\n" * 100
BIG = TEXT * 100


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "a.css").write_bytes(TEXT)
    (tmp_path / "a.css.br").write_bytes(b"brotli, says its name")
    (tmp_path / "a.css.gz").write_bytes(gzip.compress(TEXT))
    (tmp_path / "big.js").write_bytes(BIG)
    (tmp_path / "big.js.gz").write_bytes(gzip.compress(random.Random(1).randbytes(100_000)))
    (tmp_path / "plain.txt").write_bytes(TEXT)
    (tmp_path / "short.txt").write_bytes(b"x" * (LEAST_BYTES - 1))
    (tmp_path / "noise.txt").write_bytes(random.Random(2).randbytes(5000))
    (tmp_path / "photo.jpg").write_bytes(TEXT)
    return tmp_path


def coding(answer: Answer) -> str | None:
    return answer.fields.get("content-encoding")


def test_sidecars_of_a_file(folder: Path, serve: Serve) -> None:
    with serve(target=str(folder)) as address, Client(address) as client:
        for accepts, expected in (
            ("gzip, br", "br"),
            ("gzip", "gzip"),
            ("br;q=0.5, gzip", "gzip"),
            ("zstd", None),
            ("identity, gzip;q=0.5", None),
            ("*", "br"),
        ):
            for _ in range(2):  # from the file, then from memory
                answer = client.get("/a.css", accept_encoding=accepts)
                assert (answer.status, coding(answer)) == (200, expected)
                name = {"br": "a.css.br", "gzip": "a.css.gz", None: "a.css"}[expected]
                assert answer.body == (folder / name).read_bytes()
                assert answer.fields["vary"] == "Accept-Encoding"
                assert answer.fields["content-type"] == "text/css; charset=utf-8"
        assert coding(client.get("/a.css")) is None
        itself = client.get("/a.css.gz", accept_encoding="gzip")
        assert (coding(itself), itself.fields["content-type"]) == (None, "application/gzip")
        assert "vary" not in client.get("/plain.txt", accept_encoding="gzip").fields


def test_a_large_one_is_sent_from_the_page_cache(folder: Path, serve: Serve) -> None:
    with serve(target=str(folder)) as address, Client(address) as client:
        for _ in range(3):
            answer = client.get("/big.js", accept_encoding="gzip")
            assert coding(answer) == "gzip"
            assert answer.body == (folder / "big.js.gz").read_bytes()
        part = client.get("/big.js", accept_encoding="gzip", range="bytes=1-3")
        assert (part.status, coding(part), part.body) == (206, "gzip", answer.body[1:4])


def test_every_coding_has_validators_of_its_own(folder: Path, serve: Serve) -> None:
    with serve(target=str(folder)) as address, Client(address) as client:
        tags = {}
        for accepts in ("br", "gzip", "identity"):
            tags[accepts] = client.get("/a.css", accept_encoding=accepts).fields["etag"]
        assert len(set(tags.values())) == 3
        for accepts, tag in tags.items():
            for other, other_tag in tags.items():
                answer = client.get("/a.css", accept_encoding=accepts, if_none_match=other_tag)
                assert answer.status == (304 if accepts == other else 200)
                assert answer.fields["vary"] == "Accept-Encoding"
                assert answer.fields["etag"] == tag
        several = client.get("/a.css", accept_encoding="br", range="bytes=0-0,3-3")
        assert (several.status, coding(several)) == (200, "br")
        ranged = client.get(
            "/a.css", accept_encoding="br", range="bytes=0-1", if_range=tags["gzip"]
        )
        assert ranged.status == 200


def test_a_sidecar_that_appears_or_vanishes_is_noticed(folder: Path, serve: Serve) -> None:
    with serve(target=str(folder)) as address, Client(address) as client:
        assert coding(client.get("/plain.txt", accept_encoding="gzip")) is None
        (folder / "plain.txt.gz").write_bytes(gzip.compress(TEXT))
        while coding(client.get("/plain.txt", accept_encoding="gzip")) is None:
            pass  # what was looked at in this second is trusted until it ends
        (folder / "plain.txt.gz").unlink()
        while coding(client.get("/plain.txt", accept_encoding="gzip")) == "gzip":
            pass
        assert client.get("/plain.txt").body == TEXT


def test_one_that_is_older_than_the_file_is_not_sent(folder: Path, serve: Serve) -> None:
    os.utime(folder / "a.css.br", (1, 1))
    with serve(target=str(folder)) as address, Client(address) as client:
        assert coding(client.get("/a.css", accept_encoding="br, gzip;q=0.1")) == "gzip"


def test_one_that_leads_out_of_the_folder_is_not_sent(
    folder: Path, serve: Serve, tmp_path_factory: pytest.TempPathFactory
) -> None:
    secret = tmp_path_factory.mktemp("elsewhere") / "secret"
    secret.write_text("secret")
    (folder / "plain.txt.br").symlink_to(secret)
    os.mkfifo(folder / "plain.txt.gz")
    with serve(target=str(folder)) as address, Client(address) as client:
        for _ in range(2):
            assert client.get("/plain.txt", accept_encoding="br, gzip").body == TEXT


def test_it_can_be_switched_off(folder: Path, serve: Serve) -> None:
    with serve(target=str(folder), precompressed=False) as address, Client(address) as client:
        answer = client.get("/a.css", accept_encoding="br")
        assert (coding(answer), answer.body) == (None, TEXT)
        assert "vary" not in answer.fields


DECODERS: dict[str, Callable[[bytes], bytes]] = {"gzip": gzip.decompress}
for _coding, _library in (("br", "brotli"), ("zstd", "zstandard")):
    if _coding.encode() in compressors():
        DECODERS[_coding] = __import__(_library).decompress


@pytest.mark.parametrize("accepts", DECODERS)
def test_on_the_fly(accepts: str, folder: Path, serve: Serve) -> None:
    with (
        serve(target=str(folder), compress=True, precompressed=False) as address,
        Client(address) as client,
    ):
        for path, content in (("/plain.txt", TEXT), ("/big.js", BIG)):
            for _ in range(3):
                answer = client.get(path, accept_encoding=accepts)
                assert coding(answer) == accepts
                assert DECODERS[accepts](answer.body) == content
                assert len(answer.body) < len(content) / 10
                assert answer.fields["etag"].startswith("W/")
                assert "accept-ranges" not in answer.fields
                assert answer.fields["vary"] == "Accept-Encoding"
            tag = answer.fields["etag"]
            for _ in range(2):
                assert client.get(path, accept_encoding=accepts, if_none_match=tag).status == 304
            assert client.get(path, accept_encoding=accepts, if_match=tag).status == 412
            part = client.get(path, accept_encoding=accepts, range="bytes=1-4")
            assert (part.status, coding(part), part.body) == (206, None, content[1:5])
            assert client.get(path).body == content
        for path in ("/short.txt", "/noise.txt", "/photo.jpg"):
            for _ in range(2):
                assert coding(client.get(path, accept_encoding=accepts)) is None
        head = client.get("/plain.txt", method="HEAD", accept_encoding=accepts)
        assert coding(head) == accepts


def test_the_file_that_somebody_has_compressed_is_preferred(folder: Path, serve: Serve) -> None:
    with serve(target=str(folder), compress=True) as address, Client(address) as client:
        assert client.get("/a.css", accept_encoding="br").body == b"brotli, says its name"


def test_a_changed_file_is_compressed_again(folder: Path, serve: Serve) -> None:
    with serve(target=str(folder), compress=True) as address, Client(address) as client:
        assert coding(client.get("/plain.txt", accept_encoding="gzip")) == "gzip"
        (folder / "plain.txt").write_bytes(TEXT.upper())
        while True:
            body = gzip.decompress(client.get("/plain.txt", accept_encoding="gzip").body)
            if body == TEXT.upper():
                break
            assert body == TEXT


@pytest.mark.parametrize(
    ("kind", "shrinks"),
    [
        (b"text/html; charset=utf-8", True),
        (b"image/svg+xml", True),
        (b"application/problem+json", True),
        (b"image/png", False),
        (b"application/octet-stream", False),
        (b"video/mp4", False),
    ],
)
def test_what_is_worth_compressing(kind: bytes, *, shrinks: bool) -> None:
    assert compressible(kind) is shrinks


def test_curl_decodes_what_it_gets(folder: Path, serve: Serve) -> None:
    with serve(target=str(folder), compress=True) as (host, port):
        command = ["curl", "-sS", "--compressed", f"http://{host}:{port}/big.js"]
        (folder / "big.js.gz").unlink()
        done = subprocess.run(command, capture_output=True, check=True)
    assert done.stdout == BIG


def test_a_new_one_is_noticed_though_the_time_of_the_folder_is_set_back(
    tmp_path: Path, serve: Serve
) -> None:
    """As rsync and tar do."""
    (tmp_path / "a.css").write_text("p {}")
    long_ago = 1_500_000_000
    for name in (tmp_path / "a.css", tmp_path):
        os.utime(name, (long_ago, long_ago))
    with serve(target=str(tmp_path)) as address, Client(address) as client:
        assert client.get("/a.css", accept_encoding="gzip").body == b"p {}"
        (tmp_path / "a.css.gz").write_bytes(b"compressed")
        os.utime(tmp_path, (long_ago, long_ago))
        until(
            lambda: client.get("/a.css", accept_encoding="gzip"),
            lambda answer: answer.body == b"compressed",
        )
