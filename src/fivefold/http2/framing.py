"""The frames of one connection, by ngh2 (libnghttp2): the only module that knows that library.

Facts.        libnghttp2 judges what comes (RFC 9113's errors, HPACK, floods) and orders what
              leaves by windows and priorities (RFC 9218).  It does not check outgoing fields,
              queues data without bound, and gives windows back by itself unless it is not to.
              Where a limit of its own is broken it ends without a word, and for a stream above the
              greatest number it ends the connection.
Choice.       Fields are checked where all responses' are (`content.application.fields`).  A sender
              gives it one part and waits until that has left (`queued`).  A window is given back
              when content has read (`read`), so a client sends no more than content takes; what the
              library itself loses of one, `InboundWindow` finds.  Its limits are above those that
              clients are told, so that who passes one a little gets an answer (431), or a stream
              that is refused; who passes them far gets a GOAWAY that is made here.
Assumption.   After an error of the connection nothing else is asked of it but what to send.
"""

from __future__ import annotations

from collections.abc import Iterable

import ngh2

from ..errors import PeerGone
from ..http1.limits import Limits
from .agreed_end import AgreedEnd
from .flow.inbound_window import CONNECTION_WINDOW_BYTES, FRAME_BYTES, InboundWindow
from .last_words import goaway, with_streams
from .offered import Http2Settings

Asked = ngh2.RequestReceived
Came = ngh2.DataReceived
Trailed = ngh2.TrailersReceived
Reset = ngh2.StreamReset
Closed = ngh2.StreamClosed
Widened = ngh2.WindowUpdated
Changed = ngh2.SettingsReceived
LeftOff = ngh2.GoAwayReceived
Answered = ngh2.PingAcknowledged

Fields = Iterable[tuple[bytes, bytes]]

STREAM_WINDOW_BYTES = 262_144
"""What a client may send ahead on a stream: more than the 64 KiB of the RFC, which bound an upload
to 64 KiB a round trip."""

PART_BYTES = 65536
"""Of a body, given to the library at once: what a client's window holds by default."""

SEND_BYTES = 262_144
"""Taken out at once: large enough for few calls, small enough that a stream of more urgency gets
in between soon."""

EXCESS_BYTES, EXCESS_FIELDS = 262_144, 4096
"""A head may be so much larger than the limits and is still answered, with 431."""

EXCESS_STREAMS = 1000
"""So many streams above the greatest number are refused one by one (RFC 9113, section 5.1.2); what
comes beyond them ends the connection."""

CONTINUATIONS = 8
"""Frames of a head, beside those that a client needs that fills each; see `Framing.__init__`."""

CANCEL, REFUSED, INTERNAL, NO_ERROR = 0x8, 0x7, 0x2, 0x0
PROTOCOL, CALM = 0x1, 0xB
"""RFC 9113, section 7."""

CODES: dict[type[ngh2.NGH2Error], int] = {
    ngh2.DenialOfServiceError: CALM,
    ngh2.ConnectionProtocolError: PROTOCOL,
}
"""What a client is told by an error that the library ends with."""


class ClientError(PeerGone):
    """The client has broken HTTP/2, and has been sent why."""


class Framing:
    """Raises `ClientError` for what a client must not send, `PeerGone` where a stream is over."""

    def __init__(self, limits: Limits, settings: Http2Settings) -> None:
        most = limits.head_bytes + EXCESS_BYTES
        self._session = session = ngh2.Connection(
            ngh2.Role.SERVER,
            ngh2.Configuration(
                auto_window_update=False,
                max_inbound_header_list_size=most,
                max_inbound_header_count=limits.header_count + EXCESS_FIELDS,
                # Twice, because a frame whose first bytes come alone is counted again.
                max_continuations=CONTINUATIONS + 2 * most // FRAME_BYTES,
            ),
        )
        setting = ngh2.Setting
        session.initiate_connection(
            {
                setting.MAX_CONCURRENT_STREAMS: settings.http2_streams + EXCESS_STREAMS,
                setting.INITIAL_WINDOW_SIZE: STREAM_WINDOW_BYTES,
                setting.MAX_HEADER_LIST_SIZE: limits.head_bytes,
                setting.ENABLE_CONNECT_PROTOCOL: 1,
                setting.NO_RFC7540_PRIORITIES: 1,
            }
        )
        session.set_local_window_size(CONNECTION_WINDOW_BYTES)
        self._first = with_streams(session.data_to_send(), settings.http2_streams)
        """Bytes that leave before all others."""
        self._farewell = b""
        """The last of all, where the library has none."""
        self._is_cut = False
        """Whether what was taken out last may end in the middle of a frame."""
        self._leaving: list[int] = []
        """Streams whose response is the last of them, whatever their client still sends."""
        self._inbound = InboundWindow(session)
        self.first_part = 0
        """Bytes of a body that may be given here as all of it: what a client takes on each stream
        until it gives more, but no more than a part."""
        self.settings_changed()
        self._given = 0
        """Bytes of bodies that have ever been given to the library."""
        self.last = 0
        """The last stream that has been begun."""
        self.end = AgreedEnd(session, ngh2.NGH2Error)

    def receive(self, data: bytes) -> list[ngh2.Event]:
        """What has come, as events."""
        session = self._session
        try:
            session.receive_data(data)
        except ngh2.NGH2Error as error:
            if not self._is_cut:
                self._farewell = goaway(self.last, CODES.get(type(error), INTERNAL))
            raise ClientError(f"HTTP/2: {error}") from None
        return session.events()

    def to_send(self) -> bytes:
        """The next bytes for the client; none while it gives no window."""
        if self._first:
            first, self._first = self._first, b""
            return first
        try:
            out = self._session.data_to_send(SEND_BYTES)
            if not out and self._leaving:
                self._reset_left()
                out = self._session.data_to_send(SEND_BYTES)
        except ngh2.NGH2Error as error:
            farewell, self._farewell = self._farewell, b""
            if farewell:
                return farewell
            raise ClientError(f"HTTP/2: {error}") from None
        self._is_cut = len(out) == SEND_BYTES
        return out

    @property
    def are_over(self) -> bool:
        """Whether nothing may follow: the client has been sent the error that ends all; or the end
        was agreed on, and all streams have come to it."""
        try:
            return not self._session.want_read
        except ngh2.NGH2Error:
            return True

    def _reset_left(self) -> None:
        leaving, self._leaving = self._leaving, []
        for stream in leaving:
            if self.queued(stream):
                self._leaving.append(stream)
            else:
                self.reset(stream, NO_ERROR)

    def settings_changed(self) -> None:
        window = self._session.remote_settings[ngh2.Setting.INITIAL_WINDOW_SIZE]
        self.first_part = min(PART_BYTES, window)

    def stream_window(self, stream: int) -> int:
        try:
            return self._session.stream_remote_window_size(stream)
        except ngh2.NGH2Error:
            return 0

    def queued(self, stream: int) -> int:
        """Bytes of its body that have not left."""
        try:
            return self._session.queued_body_size(stream)
        except ngh2.NGH2Error:
            return 0

    def may_leave(self, stream: int) -> bool:
        """Whether something of it waits to be sent, as far as the library says: it does not say
        whose the frames without a body are."""
        try:
            return bool(self._session.want_write) or self.queued(stream) > 0
        except ngh2.NGH2Error:
            return False

    @property
    def left(self) -> int:
        """Bytes of bodies that have ever left: it grows as long as the client takes any."""
        try:
            return self._given - self._session.queued_body_size()
        except ngh2.NGH2Error:
            return self._given

    def takes(self, most: int) -> int:
        """Bytes of bodies that the client still takes, on all streams; no more than brings what
        waits here to `most`."""
        try:
            session = self._session
            return min(session.remote_window_size, most - session.queued_body_size())
        except ngh2.NGH2Error:
            return 0  # nothing leaves any more

    def respond(self, stream: int, fields: Fields, *, end: bool) -> None:
        try:
            self._session.send_response(stream, fields, end_stream=end)
        except ngh2.NGH2Error as error:
            raise PeerGone(f"the stream is over: {error}") from None

    def respond_whole(self, stream: int, fields: Fields, body: bytes) -> None:
        try:
            self._session.send_response(stream, fields)
            self._session.send_data(stream, body, end_stream=True)
        except ngh2.NGH2Error as error:
            raise PeerGone(f"the stream is over: {error}") from None
        self._given += len(body)

    def inform(self, stream: int, fields: Fields) -> None:
        try:
            self._session.send_informational_response(stream, fields)
        except ngh2.NGH2Error as error:
            raise PeerGone(f"the stream is over: {error}") from None

    def send(self, stream: int, data: bytes | memoryview, *, end: bool) -> None:
        try:
            self._session.send_data(stream, data, end_stream=end)
        except ngh2.NGH2Error as error:
            raise PeerGone(f"the stream is over: {error}") from None
        self._given += len(data)

    def end_with(self, stream: int, trailers: Fields) -> None:
        try:
            self._session.send_trailers(stream, trailers)
        except ngh2.NGH2Error as error:
            raise PeerGone(f"the stream is over: {error}") from None

    def reset(self, stream: int, code: int) -> None:
        """End it, unless it has ended."""
        try:
            self._session.reset_stream(stream, code)
            self._inbound.look()
        except ngh2.NGH2Error:
            pass  # the client was faster, or nothing is sent any more

    def reset_when_left(self, stream: int) -> None:
        """Once its response has been sent: the rest of its request is not to come (RFC 9113,
        section 8.1). The library would send a reset before it."""
        self._leaving.append(stream)

    def came(self, size: int) -> None:
        """So many bytes of a body have come, and are kept until content reads them."""
        self._inbound.unread += size

    def read(self, stream: int, size: int) -> None:
        """Content has taken so many bytes: the client may send as many more."""
        self._inbound.unread -= size
        try:
            self._session.acknowledge_received_data(size, stream)
        except ngh2.NGH2Error:
            pass  # it has ended; those of the connection were given back with it

    def stream_failed(self) -> None:
        """The library has ended one for an error of its client, perhaps in the middle of a
        frame."""
        try:
            self._inbound.look()
        except ngh2.NGH2Error:
            pass  # nothing comes any more
