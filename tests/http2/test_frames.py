"""What a server does with each frame that a client can get wrong (RFC 9113, 7541, 8441, 9218).

The order and the choice are h2spec's, a program that tries servers in this way; the answers are the
RFC's. A connection error is a GOAWAY with the right code, a stream error a reset of that stream,
after which the connection goes on.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from support import TESTS
from support.frame_cases.case import Case
from support.frame_cases.harmless import GOES_ON, IGNORED
from support.frame_cases.of_connections import OF_CONNECTIONS
from support.frame_cases.of_streams import OF_STREAMS
from support.raw_http2 import GOAWAY, RST_STREAM, RawHttp2, request
from support.servers.folder import serving


@pytest.fixture(scope="module")
def address() -> Iterator[tuple[str, int]]:
    with serving(
        Path(TESTS), target="applications.asgi.counted:app", chdir=str(TESTS), h2c=True
    ) as at:
        yield at


@pytest.mark.parametrize("case", OF_CONNECTIONS, ids=str)
def test_an_error_of_the_connection(address: tuple[str, int], case: Case) -> None:
    with RawHttp2(address) as client:
        client.begin()
        client.send(case.sent)
        goaway = client.end()
        assert goaway is not None
        assert goaway.code in case.codes, goaway
    assert serves(address)


@pytest.mark.parametrize("case", OF_STREAMS, ids=str)
def test_an_error_of_a_stream(address: tuple[str, int], case: Case) -> None:
    with RawHttp2(address) as client:
        client.begin()
        client.send(case.sent)
        found = client.next_where(lambda f: f.kind in {RST_STREAM, GOAWAY})
        assert found.code in case.codes
        if found.kind == RST_STREAM:
            client.send(request(101))
            assert client.status(101) == 200
        else:  # as section 5.4.1 allows
            client.end()


@pytest.mark.parametrize("case", [*GOES_ON, *IGNORED], ids=str)
def test_what_is_no_error(address: tuple[str, int], case: Case) -> None:
    with RawHttp2(address) as client:
        client.begin()
        client.send(case.sent + request(101))
        assert client.status(101) == 200
        assert not [found for found in client.passed if found.kind in {RST_STREAM, GOAWAY}]


def serves(address: tuple[str, int]) -> bool:
    with RawHttp2(address) as client:
        client.begin()
        client.send(request(1))
        return client.status(1) == 200
