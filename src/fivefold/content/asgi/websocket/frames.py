"""The frames of a websocket: the `websockets` library's protocol, and what that leaves to us.

The protocol (RFC 6455, permessage-deflate of RFC 7692) is the library's, without I/O.  In
three points a client could make more of it than it should, or gets less:

- control frames amid the fragments of a message are measured by what is left of its limit,
  so a ping near the limit would be answered with 1009;
- a close amid fragments is answered with 1002, though it may be there (section 5.4);
- after a final DEFLATE block the library inflates nothing more and keeps all that it is given
  for the life of the connection.
"""

from __future__ import annotations

import logging
import zlib
from collections.abc import Sequence

from websockets.exceptions import PayloadTooBig, ProtocolError
from websockets.extensions import Extension, ServerExtensionFactory
from websockets.extensions.permessage_deflate import (
    PerMessageDeflate,
    enable_server_permessage_deflate,
)
from websockets.frames import Frame, Opcode
from websockets.server import ServerProtocol
from websockets.typing import ExtensionParameter

from ....isolation.reporting import logger

log = logger("fivefold.asgi.websocket")
log.setLevel(logging.WARNING)  # the library reports every connection that opens

CLOSE = Opcode.CLOSE
DATA = (Opcode.CONT, Opcode.TEXT, Opcode.BINARY)

LONGEST_CONTROL = 125
"""Bytes of a control frame, at most (RFC 6455, section 5.5)."""

STREAM_END = (b"", b"\xff\xff")
"""What is left behind a final block, without zeros: padding, and the end of each message that
is not transferred (RFC 7692, section 7.2.1)."""

LIBRARYS = enable_server_permessage_deflate(None)[0]
"""The library's own choice for servers: windows of 4 KiB instead of 32."""


class Frames(ServerProtocol):
    """The server's side of one websocket, without I/O. `message_bytes`: the largest message,
    inflated; a larger one fails it with 1009, before more than that has been inflated."""

    def __init__(self, message_bytes: int, *, deflate: bool) -> None:
        extensions = [Deflate()] if deflate else None
        most = message_bytes + LONGEST_CONTROL
        super().__init__(extensions=extensions, max_size=most, logger=log)
        self._message_bytes = message_bytes

    def recv_frame(self, frame: Frame) -> None:
        if self.current_size is not None or len(frame.data) > self._message_bytes:
            self._look_at(frame)
        super().recv_frame(frame)

    def _look_at(self, frame: Frame) -> None:
        """One that is large, or comes amid a message."""
        if frame.opcode in DATA:
            before = self.current_size or 0
            if before + len(frame.data) > self._message_bytes:
                raise PayloadTooBig(len(frame.data), self._message_bytes - before)
        elif frame.opcode is CLOSE:
            self.current_size = None  # a message that is not ended is given up


class Deflate(ServerExtensionFactory):
    """Agrees on permessage-deflate, as the library does."""

    name = PerMessageDeflate.name

    def process_request_params(
        self, params: Sequence[ExtensionParameter], accepted_extensions: Sequence[Extension]
    ) -> tuple[list[ExtensionParameter], Extension]:
        answer, agreed = LIBRARYS.process_request_params(params, accepted_extensions)
        assert isinstance(agreed, PerMessageDeflate)
        return answer, Restarting(agreed)


class Restarting(Extension):
    """permessage-deflate where a client may end its stream of DEFLATE with a message: what
    comes next begins another (RFC 7692, section 7.2.3.4)."""

    name = PerMessageDeflate.name

    def __init__(self, deflate: PerMessageDeflate) -> None:
        self._deflate = deflate
        self.encode = deflate.encode  # type: ignore[method-assign]

    def decode(self, frame: Frame, *, max_size: int | None = None) -> Frame:
        deflate = self._deflate
        frame = deflate.decode(frame, max_size=max_size)
        # Without context takeover there is none between two messages.
        decoder = getattr(deflate, "decoder", None)
        if decoder is not None and decoder.eof:
            if decoder.unused_data.strip(b"\0") not in STREAM_END:
                raise ProtocolError("data behind the final block of a message")
            deflate.decoder = zlib.decompressobj(wbits=-deflate.remote_max_window_bits)
        return frame
