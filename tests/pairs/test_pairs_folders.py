"""What a folder can do besides sending files, in every pair."""

from __future__ import annotations

import gzip
import http.client
import json
from pathlib import Path

import pytest

from support.client import Client
from support.every_pair import pairs
from support.ruled_folder import RULES, TEXT
from support.servers.folder import Serve

Pair = dict[str, str]


@pairs()
def test_rules_codings_and_listings(pair: Pair, ruled_folder: Path, serve: Serve) -> None:
    with serve(target=str(ruled_folder), **RULES, **pair) as address:
        with Client(address) as client:
            for _ in range(2):
                packed = client.get("/long.txt", accept_encoding="gzip")
                assert packed.fields["content-encoding"] == "gzip"
                assert gzip.decompress(packed.body) == TEXT
                assert client.get("/long.txt").body == TEXT
                sidecar = client.get("/both.css", accept_encoding="br")
                assert sidecar.body == b"shorter"
                assert sidecar.fields["cache-control"] == "max-age=60"
                assert sidecar.fields["x-style"] == "yes"
                same = client.get(
                    "/both.css", accept_encoding="br", if_none_match=sidecar.fields["etag"]
                )
                assert (same.status, same.fields["vary"]) == (304, "Accept-Encoding")
                assert client.get("/users/1").body == b"application"
                missing = client.get("/missing.txt")
                assert (missing.status, missing.body) == (404, b"not here")
                assert missing.fields["access-control-allow-origin"] == "*"
            assert client.get("/", method="OPTIONS").status == 204
        listing = http.client.HTTPConnection(*address, timeout=60)
        listing.request("GET", "/many/", headers={"Accept": "application/json"})
        items = json.loads(listing.getresponse().read())
        listing.close()
        assert [item["name"] for item in items] == [f"{number:03}" for number in range(600)]


@pairs()
def test_a_file_that_is_written_to_while_it_is_sent(
    pair: Pair, ruled_folder: Path, serve: Serve
) -> None:
    big = ruled_folder / "big"
    big.write_bytes(b"a" * 30_000_000)
    with serve(target=str(ruled_folder), **pair) as address, Client(address) as client:
        client.send(b"GET /big HTTP/1.1\r\nHost: t\r\n\r\n")
        client._received = client.exactly(1)
        with big.open("r+b") as file:
            file.write(b"b" * 30_000_000)
        assert len(client.answer().body) == 30_000_000
        assert client.at_end()


@pairs()
def test_passwords(pair: Pair, site: Path, serve: Serve, tmp_path: Path) -> None:
    bcrypt = pytest.importorskip("bcrypt")
    users = tmp_path / "htpasswd"
    users.write_bytes(b"ann:" + bcrypt.hashpw(b"secret", bcrypt.gensalt(4)))
    with serve(auth=str(users), **pair) as address, Client(address) as client:
        for _ in range(2):
            assert client.get("/1k.bin").status == 401
            answer = client.get("/1k.bin", authorization="Basic YW5uOnNlY3JldA==")
            assert (answer.status, answer.body) == (200, (site / "1k.bin").read_bytes())
            assert client.get("/1k.bin", authorization="Basic YW5uOndyb25n").status == 401
