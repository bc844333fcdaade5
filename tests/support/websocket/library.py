"""The client of the `websockets` library."""

from __future__ import annotations

from typing import Any

import pytest
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection, connect

from support.client import TIMEOUT_S
from support.servers.embedded import Site


def opened(site: Site, path: str, **options: Any) -> ClientConnection:
    client: ClientConnection = connect(
        site.ws + path, proxy=None, open_timeout=TIMEOUT_S, **options
    )
    return client


def closed_by(client: ClientConnection) -> tuple[int, str]:
    """What the server closes with, after whatever it sent before."""
    with pytest.raises(ConnectionClosed) as caught:
        while True:
            client.recv(timeout=30)
    assert caught.value.rcvd is not None
    return caught.value.rcvd.code, caught.value.rcvd.reason
