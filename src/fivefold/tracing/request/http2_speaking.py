"""HTTP/2 as our own client speaks it: by the library of the server's frames, in its other role.

Imported where it is spoken: libnghttp2 takes 29 ms.
"""

from __future__ import annotations

import ngh2

from ...errors import TraceFailed
from .received_answer import Answer

WINDOW_BYTES = 16 << 20
"""Of a stream and of its connection: a trace shall not be about windows (curl takes 10 MiB)."""


class Http2Speaking:
    """RFC 9113: one stream after the other on a connection of our own."""

    version = "2"

    def __init__(self, scheme: str, authority: str) -> None:
        self._scheme, self._authority = scheme, authority
        self._frames = ngh2.Connection(ngh2.Role.CLIENT)
        setting = ngh2.Setting
        self._frames.initiate_connection(
            {setting.INITIAL_WINDOW_SIZE: WINDOW_BYTES, setting.ENABLE_PUSH: 0}
        )
        self._frames.set_local_window_size(WINDOW_BYTES)
        self._stream = 0
        self._missing: set[type] = {ngh2.SettingsReceived, ngh2.SettingsAcknowledged}
        """What the server has not said yet before a first request."""

    def greeted(self, data: bytes) -> bool:
        if data:
            self._receive(data)
        seen = [type(event) for event in self._frames.events()]
        self._missing -= set(seen)
        return not self._missing

    def request(self, method: str, target: str) -> bytes:
        fields = [
            (b":method", method.encode()),
            (b":scheme", self._scheme.encode()),
            (b":authority", self._authority.encode()),
            (b":path", target.encode()),
        ]
        self._stream = self._frames.send_request(fields, end_stream=True)
        return self.to_send()

    def take(self, data: bytes, answer: Answer) -> bool:
        answer.total_bytes += len(data)
        self._receive(data)
        is_complete = False
        for event in self._frames.events():
            is_complete |= self._ends(event, answer)
        return is_complete

    def _receive(self, data: bytes) -> None:
        try:
            self._frames.receive_data(data)
        except ngh2.NGH2Error as error:
            raise TraceFailed(f"the server broke HTTP/2: {error}") from None

    def _ends(self, event: ngh2.Event, answer: Answer) -> bool:
        if isinstance(event, ngh2.ConnectionClosed):
            raise TraceFailed(f"HTTP/2 ended: {event}")
        if getattr(event, "stream_id", None) != self._stream:
            return False
        if isinstance(event, ngh2.StreamReset):
            raise TraceFailed(f"the server reset the stream: {event}")
        if isinstance(event, ngh2.ResponseReceived):
            fields = {one[0]: one[1] for one in event.headers}
            answer.status = int(fields[b":status"])
        return isinstance(event, ngh2.StreamClosed) or bool(getattr(event, "end_stream", False))

    def end(self) -> None:
        raise TraceFailed("the server closed the connection without an answer")

    def to_send(self) -> bytes:
        return bytes(self._frames.data_to_send())
