"""What a client may ask for, and how long it may take.

Each default names its precedent; each excess has a status, so that no limit ever ends
in silence, except where no client asked for anything (an idle connection).
"""

from __future__ import annotations

from dataclasses import dataclass

from ..configuration.setting import check, setting

QUEUE = "queue"
"""`overload`: the way of the kernel."""


@dataclass(frozen=True, kw_only=True)
class Limits:
    """Bytes, counts and seconds, all greater than zero, and words. Raises `SettingsError`."""

    # Apache's LimitRequestLine; RFC 9112, section 3 asks for 8000 at least.
    request_line_bytes: int = setting(
        8190, "Longest request line; the server answers a longer one with 414."
    )
    # nginx's four buffers of 8 KiB.
    head_bytes: int = setting(
        32768, "Most bytes of request line and fields together; beyond it the server answers 431."
    )
    # Twice what a browser behind three proxies sends (Apache: 100); and a head below 1 KiB,
    # which is nearly every one, cannot reach it and need not be counted.
    header_count: int = setting(256, "Most fields of a request; beyond it the server answers 431.")
    # What people upload (a film from a telephone); nginx's 1 MiB surprises every user once, and
    # a body beyond a MiB waits on disk here.
    body_bytes: int = setting(
        134_217_728, "Largest request body; beyond it the server answers 413."
    )
    # In silence, because browsers connect ahead of need and would show an unasked 408 for
    # the request that they send later.
    first_byte_s: float = setting(
        20.0, "How long a new connection may stay silent before the server closes it."
    )
    # nginx's client_header_timeout stands for it there: 60 s.
    tls_handshake_s: float = setting(
        10.0, "How long a TLS handshake may take before the server closes the connection."
    )
    # Apache's mod_reqtimeout.
    head_s: float = setting(
        20.0,
        "How long a request's head may take, from its first byte; then the server answers 408.",
    )
    body_s: float = setting(30.0, "How long a request body may pause; then the server answers 408.")
    # nginx's keepalive_timeout.
    keep_alive_s: float = setting(
        75.0, "How long a connection may be idle between two requests before the server closes it."
    )
    # nginx's send_timeout.  No status: nothing more can be said on that connection.
    send_s: float = setting(
        60.0, "How long a client may take nothing of a response before the server cuts it off."
    )
    # RFC 9112, section 9.6: unread data would turn our close into a reset, which may
    # destroy the answer on its way.
    linger_s: float = setting(2.0, "How long the server reads on after it has refused a request.")
    # uvicorn's and hypercorn's.
    websocket_message_bytes: int = setting(
        16_777_216, "Largest websocket message; close code 1009 beyond it."
    )
    # What Python's other servers take ahead; and a single message of any size that is allowed.
    websocket_queue_messages: int = setting(
        16,
        "Websocket messages that may wait for the application; beyond them the server does not"
        " read from the client.",
    )
    websocket_queue_bytes: int = setting(
        1_048_576, "Bytes of memory that these messages may take, inflated and decoded."
    )
    websocket_ping_s: float = setting(
        20.0,
        "How often the server pings a websocket; without a pong until the next ping, the server"
        " ends it.",
    )

    # Waiting loses nobody, and is what the kernel does; a client behind a balancer is served
    # sooner by another server.
    overload: str = setting(
        QUEUE,
        "What becomes of clients beyond --max-connections: they wait in the kernel's queue (queue),"
        " or the server answers 503 at once, and closes (503).",
        choices=(QUEUE, "503"),
    )

    def __post_init__(self) -> None:
        check(self)
