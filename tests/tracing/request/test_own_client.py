"""The tracer's own client, before a server that is not ours."""

from __future__ import annotations

import socket
import struct
import threading

import pytest

from fivefold.errors import TraceFailed
from fivefold.tracing.request.own_client import Manner, OwnClient

REFUSAL = b"HTTP/1.1 408 Request Timeout\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"
RESET_AT_CLOSE = struct.pack("ii", 1, 0)
LATE_S = 0.05


def refusing(listener: socket.socket, answer: bytes) -> None:
    conn, _ = listener.accept()
    with conn:
        conn.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET_AT_CLOSE)
        conn.recv(100)
        conn.sendall(answer)


@pytest.mark.parametrize("answer", [REFUSAL, b""])
def test_a_server_that_has_refused_and_gone_has_answered(answer: bytes) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        server = threading.Thread(target=refusing, args=(listener, answer))
        server.start()
        host, port = listener.getsockname()
        client = OwnClient(host, port, manner=Manner(sends_late_s=LATE_S))
        try:
            if answer:
                assert client.ask("GET", "/", in_its_manner=True).status == 408
            else:
                with pytest.raises(TraceFailed, match=r"without an answer|connection broke"):
                    client.ask("GET", "/", in_its_manner=True)
        finally:
            client.close()
            server.join()
