"""Ranges and conditions in every pair: small files from memory, large ones by every model's way."""

from __future__ import annotations

from pathlib import Path

import pytest

from support.client import Client
from support.every_pair import pairs
from support.servers.folder import Serve

Pair = dict[str, str]


@pairs()
@pytest.mark.parametrize("name", ["64k.bin", "1m.bin"])
def test_parts_and_conditions(pair: Pair, name: str, serve: Serve, site: Path) -> None:
    content = (site / name).read_bytes()
    with serve(**pair) as address, Client(address) as client:
        one = client.get(f"/{name}", range="bytes=5000-60000")
        assert (one.status, one.body) == (206, content[5000:60001])
        two = client.get(f"/{name}", range="bytes=1-2,60000-60999")
        assert two.status == 206
        assert content[60000:61000] in two.body
        assert client.get(f"/{name}", range="bytes=99999999-").status == 416
        for _ in range(2):
            assert client.get(f"/{name}", if_none_match=one.fields["etag"]).status == 304
        assert client.get(f"/{name}", if_match='"x"').status == 412
        assert client.get(f"/{name}").body == content
