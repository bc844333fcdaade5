"""What a client may ask for, and how long it may take.

Each default names its precedent; each excess has a status, so that no limit ever ends
in silence, except where nobody asked for anything (an idle connection).
"""

from __future__ import annotations

from dataclasses import dataclass

from ..configuration.setting import check, setting


@dataclass(frozen=True, kw_only=True)
class Limits:
    """Bytes, counts and seconds; all greater than zero. Raises `SettingsError`."""

    # Apache's LimitRequestLine; RFC 9112, section 3 asks for 8000 at least.
    request_line_bytes: int = setting(8190, "Longest request line; 414 beyond it.")
    # nginx's four buffers of 8 KiB.
    head_bytes: int = setting(32768, "Request line and fields together; 431 beyond it.")
    # Twice what a browser behind three proxies sends (Apache: 100); and a head below 1 KiB,
    # which is nearly every one, cannot reach it and need not be counted.
    header_count: int = setting(256, "Fields of a request; 431 beyond it.")
    # What people upload (a film from a telephone); nginx's 1 MiB surprises everybody once, and
    # a body beyond a MiB waits on disk here.
    body_bytes: int = setting(134_217_728, "Largest request body; 413 beyond it.")
    # In silence, because browsers connect ahead of need and would show an unasked 408 for
    # the request that they send later.
    first_byte_s: float = setting(
        20.0, "Until the first byte of a new connection; then it is closed."
    )
    # nginx's client_header_timeout stands for it there: 60 s.
    tls_handshake_s: float = setting(10.0, "For a TLS handshake; then the connection is closed.")
    # Apache's mod_reqtimeout.
    head_s: float = setting(20.0, "From a request's first byte to the end of its head; 408.")
    body_s: float = setting(30.0, "Between two parts of a request body; 408.")
    # nginx's keepalive_timeout.
    keep_alive_s: float = setting(75.0, "Idle between two requests; then the connection is closed.")
    # nginx's send_timeout.  No status: nothing more can be said on that connection.
    send_s: float = setting(
        60.0, "Between two parts of a response that the client takes; then it is cut."
    )
    # RFC 9112, section 9.6: unread data would turn our close into a reset, which may
    # destroy the answer on its way.
    linger_s: float = setting(2.0, "How long to read on after refusing a request.")
    # uvicorn's and hypercorn's.
    websocket_message_bytes: int = setting(
        16_777_216, "Largest websocket message; close code 1009 beyond it."
    )
    # What Python's other servers take ahead; and a single message of any size that is allowed.
    websocket_queue_messages: int = setting(
        16,
        "Websocket messages that wait for the application; beyond them its client is"
        " not read from.",
    )
    websocket_queue_bytes: int = setting(
        1_048_576, "Memory of these messages, inflated and decoded."
    )
    websocket_ping_s: float = setting(
        20.0, "Between two pings to a websocket; without a pong until the next it ends."
    )

    def __post_init__(self) -> None:
        check(self)
