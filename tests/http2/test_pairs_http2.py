"""What the pairs suite asserts of folders and applications, over HTTP/2, in every pair."""

from __future__ import annotations

import gzip
import json
import os
from pathlib import Path
from typing import Any

import pytest

from applications.asgi import sample as asgi_sample
from applications.wsgi import sample as wsgi_sample
from support.every_pair import pairs
from support.http2_client import Http2Client
from support.ruled_folder import RULES, TEXT
from support.servers.embedded import Site, hosting
from support.servers.folder import SIZES, Serve

Pair = dict[str, Any]


def still_served(client: Http2Client) -> bool:
    return client.ask("/echo", method="POST", body=b"in step").body == b"in step"


@pairs()
def test_files(pair: Pair, serve: Serve, site: Path) -> None:
    with serve(h2c=True, **pair) as address, Http2Client(address) as client:
        for name, size in SIZES.items():
            answer = client.ask(f"/{name}")
            assert (answer.status, len(answer.body)) == (200, size), name
            assert answer.body == (site / name).read_bytes()
            asked = client.ask(f"/{name}", method="HEAD")
            assert (asked.fields["content-length"], asked.body) == (str(size), b"")
        names = ["1k.bin", "0.bin", "64k+1.bin", "1m.bin", "index.html"] * 5
        numbers = [client.begin(f"/{name}") for name in names]
        for name, number in zip(names, numbers, strict=True):
            assert client.whole(number).body == (site / name).read_bytes()
        part = client.ask("/1m.bin", fields=[("range", "bytes=70000-")])
        assert (part.status, part.body) == (206, (site / "1m.bin").read_bytes()[70000:])
        same = client.ask("/1k.bin", fields=[("if-none-match", answer_tag(client, "/1k.bin"))])
        assert (same.status, same.body) == (304, b"")
        assert client.ask("/none").status == 404


def answer_tag(client: Http2Client, path: str) -> str:
    return client.ask(path).fields["etag"]


@pairs()
def test_wsgi(pair: Pair) -> None:
    body = os.urandom(300_000)
    with hosting(wsgi_sample.app, h2c=True, **pair) as site, client_of(site) as client:
        (site.folder / "file").write_bytes(b"0123456789")
        for _ in range(2):
            length = [("content-length", str(len(body)))]
            assert client.ask("/echo", method="POST", fields=length, body=body).body == body
            assert client.ask("/echo", method="POST", body=body).body == body
            assert client.ask("/generator").body == b"onetwo"
            assert client.ask("/file").body == b"3456789"
            assert client.ask("/write-between").body == b"abcdef"
            assert site.notes.next() == "closed"
        numbers = [client.begin("/generator") for _ in range(5)]
        assert [client.whole(number).body for number in numbers] == [b"onetwo"] * 5
        assert client.ask("/fail").status == 500
        number = client.begin("/endless")
        client.more(number)
        client.leave_stream(number)
        assert site.notes.next() == "closed"
        assert still_served(client)
        leaving = client.begin("/endless")
        client.more(leaving)
        client.sock.close()
        assert site.notes.next() == "closed"


@pairs()
def test_asgi(pair: Pair) -> None:
    body = os.urandom(300_000)
    with hosting(asgi_sample.app, h2c=True, **pair) as site, client_of(site) as client:
        (site.folder / "file").write_bytes(b"0123456789")
        for _ in range(2):
            assert client.ask("/echo", method="POST", body=body).body == body
            assert client.ask_json("/tools") == [True, [0, 1, 2], 6, "hello", 0]
            assert client.ask_json("/context") == ["nobody", "somebody", "somebody"]
            assert client.ask("/children", method="POST", body=b"123").body == b"123abc"
            assert client.ask("/pathsend?file").body == b"0123456789"
            assert client.ask("/zerocopysend").body == b"12389!"
            number = client.begin("/trailers", fields=[("te", "trailers")])
            assert client.whole(number).body == b"whole"
            assert client.streams[number].trailers
        counted = [json.loads(client.ask("/count").body) for _ in range(2)]
        assert counted == [[1, True], [2, True]]
        assert client.ask("/fail").status == 500
        assert still_served(client)


@pairs()
def test_asgi_streams_both_ways(pair: Pair) -> None:
    with hosting(asgi_sample.app, h2c=True, **pair) as site, client_of(site) as client:
        number = client.begin("/converse", method="POST", end=False)
        for word in (b"one", b"two", b"three"):
            client.put_part(number, word)
            assert client.more(number) == word.upper()
        client.put_part(number, b"", end=True)
        assert client.whole(number).body == b""
        assert still_served(client)
        number = client.begin("/pushing")
        client.paused.add(number)
        client.more(number, 65535)
        assert site.recorded("sent") < asgi_sample.BLOCKS
        client.paused.clear()
        client.session.acknowledge_received_data(65535, number)
        client.flush()
        rest = client.whole(number).body
        assert len(rest) == asgi_sample.BLOCK_BYTES * asgi_sample.BLOCKS - 65535
        assert site.notes.next() == "done"


@pairs()
def test_asgi_notices_the_client(pair: Pair) -> None:
    with hosting(asgi_sample.app, h2c=True, **pair) as site, client_of(site) as client:
        for _ in range(5):
            assert client.ask("/listening").body == b"ab"
            assert still_served(client)
        number = client.begin("/left")
        assert client.more(number) == b"begun"
        client.leave_stream(number)
        assert [site.notes.next(), site.notes.next()] == ["http.disconnect", "OSError"]
        assert still_served(client)
        number = client.begin("/left-while-sending")
        client.more(number)
        client.sock.close()
        assert site.notes.next() == "OSError"


@pairs()
@pytest.mark.parametrize("application", [wsgi_sample.app, asgi_sample.app], ids=["wsgi", "asgi"])
def test_a_stream_that_vanishes_harms_no_later_one(pair: Pair, application: Any) -> None:
    kind = application.__module__.split(".")[1]
    path, noted = {"wsgi": ("/endless", "closed"), "asgi": ("/left-while-sending", "OSError")}[kind]
    with hosting(application, h2c=True, **pair) as site, client_of(site) as client:
        for _ in range(5):
            number = client.begin(path)
            client.more(number)
            client.leave_stream(number)
            assert site.notes.next() == noted
            for _ in range(3):
                assert still_served(client)


def client_of(site: Site) -> Http2Client:
    return Http2Client(site.address)


@pairs()
def test_rules_codings_and_listings(pair: Pair, ruled_folder: Path, serve: Serve) -> None:
    settings = {"target": str(ruled_folder), "h2c": True, **RULES, **pair}
    with serve(**settings) as address, Http2Client(address) as client:
        for _ in range(2):
            packed = client.ask("/long.txt", fields=[("accept-encoding", "gzip")])
            assert packed.fields["content-encoding"] == "gzip"
            assert gzip.decompress(packed.body) == TEXT
            assert client.ask("/long.txt").body == TEXT
            sidecar = client.ask("/both.css", fields=[("accept-encoding", "br")])
            assert sidecar.body == b"shorter"
            assert sidecar.fields["cache-control"] == "max-age=60"
            assert sidecar.fields["x-style"] == "yes"
            tag = sidecar.fields["etag"]
            asked = [("accept-encoding", "br"), ("if-none-match", tag)]
            same = client.ask("/both.css", fields=asked)
            assert (same.status, same.fields["vary"]) == (304, "Accept-Encoding")
            assert client.ask("/users/1").body == b"application"
            missing = client.ask("/missing.txt")
            assert (missing.status, missing.body) == (404, b"not here")
            assert missing.fields["access-control-allow-origin"] == "*"
        options = client.ask("/", method="OPTIONS")
        assert (options.status, options.body) == (204, b"")
        items = client.ask_json("/many/", fields=[("accept", "application/json")])
        assert [item["name"] for item in items] == [f"{number:03}" for number in range(600)]


@pairs()
def test_a_file_that_is_written_to_while_it_is_sent(
    pair: Pair, ruled_folder: Path, serve: Serve
) -> None:
    big = ruled_folder / "big"
    big.write_bytes(b"a" * 30_000_000)
    with (
        serve(target=str(ruled_folder), h2c=True, **pair) as address,
        Http2Client(address) as client,
    ):
        number = client.begin("/big")
        client.more(number)
        with big.open("r+b") as file:
            file.write(b"b" * 30_000_000)
        with pytest.raises(EOFError):
            client.whole(number)
        assert client.ask("/both.css").body == b"p {}"  # its neighbours have no part in it
