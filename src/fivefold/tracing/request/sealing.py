"""TLS for our own client, above the socket: so the socket's time stamps are read as without it."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Sequence

from ...errors import TraceFailed

RECEIVE_BYTES = 65536
RECORD_BYTES = 16384


def trusting_context(alpn: Sequence[str]) -> ssl.SSLContext:
    """The server is our own, on this machine: whose certificate it has is no matter."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    context.set_alpn_protocols(list(alpn))
    return context


class Sealing:
    """The two buffers of a client's TLS. Raises `TraceFailed` where it cannot agree."""

    def __init__(self, sock: socket.socket, context: ssl.SSLContext) -> None:
        """Blocks until the keys are agreed upon."""
        self._received, self._sealed = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._tls = context.wrap_bio(self._received, self._sealed)
        while not self._agreed():
            sock.sendall(self._sealed.read())
            data = sock.recv(RECEIVE_BYTES)
            if not data:
                raise TraceFailed("the server left in the middle of the TLS handshake")
            self._received.write(data)
        sock.sendall(self._sealed.read())

    def _agreed(self) -> bool:
        try:
            self._tls.do_handshake()
        except ssl.SSLWantReadError:
            return False
        except ssl.SSLError as error:
            raise TraceFailed(f"TLS: {error.reason}") from None
        return True

    @property
    def protocol(self) -> str | None:
        """What was agreed upon by ALPN."""
        return self._tls.selected_alpn_protocol()

    @property
    def version(self) -> str | None:
        return self._tls.version()

    def seal(self, data: bytes) -> bytes:
        if data:
            self._tls.write(data)
        return self._sealed.read()

    def open(self, data: bytes) -> bytes:
        """What was in these bytes, and in those kept of a record that was not whole."""
        self._received.write(data)
        opened = []
        try:
            while part := self._tls.read(RECORD_BYTES):
                opened.append(part)
        except (ssl.SSLWantReadError, ssl.SSLZeroReturnError):
            pass
        except ssl.SSLError as error:
            raise TraceFailed(f"TLS: {error.reason}") from None
        return b"".join(opened)
