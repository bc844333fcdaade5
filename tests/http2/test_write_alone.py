"""`write()` of one WSGI call: other streams of its thread go on, but no call begins in it."""

from __future__ import annotations

from pathlib import Path

import pytest

from support.every_pair import pairs
from support.http2_client import Http2Client
from support.servers.folder import Serve

APPLICATION = """
import threading

inside = threading.local()

def app(environ, start_response):
    if getattr(inside, "depth", 0):
        start_response("500 Entered again", [])
        return [b"entered again"]
    put = start_response("200 OK", [("Content-Type", "text/plain")])
    if environ["PATH_INFO"] == "/large":
        inside.depth = 1
        put(bytes(200_000))
        inside.depth = 0
        return [b"end"]
    return [b"small"]
"""


@pairs(overlapping=True)
@pytest.mark.parametrize("way", ["inline", "as-chosen"])
def test_no_call_begins_in_it(pair: dict[str, str], way: str, serve: Serve, tmp_path: Path) -> None:
    """The client takes no more of the first response until it has asked for the second."""
    inline = way == "inline"
    if inline and pair["serving"] != "async":
        return  # it is called in place anyway
    (tmp_path / "writes.py").write_text(APPLICATION)
    settings = {"target": "writes:app", "chdir": str(tmp_path), "h2c": True, "inline": inline}
    with serve(**settings, **pair) as address, Http2Client(address) as client:
        large = client.begin("/large")
        client.paused.add(large)
        stream = client.streams[large]
        client.until(lambda: len(stream.body) == 65535)  # it is in its `write`
        small = client.begin("/small")
        client.caught_up()
        client.paused.clear()
        client.session.acknowledge_received_data(65535, large)
        client.flush()
        assert client.whole(small).body == b"small"
        assert client.whole(large).body == bytes(200_000) + b"end"
