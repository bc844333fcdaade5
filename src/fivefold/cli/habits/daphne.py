"""daphne's words."""

from __future__ import annotations

from .word import FIELDS_OF_LOG, SERVER_FIELD, Ours, Program, Word, fixed, unless_zero

ENDPOINT = "Twisted's words for an address are not read: write HOST:PORT, and name the certificate"
FOR_EVER = "a websocket lasts as long as both want; --websocket-ping-s finds clients that are gone"
GOES_ON = "an application that hears that its client left may take its time to end"
NO_MORE_LOG = ("--log-level", "warning", "--no-access-log")


def verbosity(value: str) -> Ours:
    if value == "0":
        return Ours(NO_MORE_LOG)
    return Ours(("--access-log", "-", *(() if value == "1" else ("--log-level", "debug"))))


WORDS = (
    Word("-p --port", "--port"),
    Word("-b --bind", "--host"),
    Word("--websocket_timeout --websocket_connect_timeout", note=FOR_EVER),
    Word(
        "-u --unix-socket", "--bind unix:PATH", into=lambda path: Ours(("--bind", f"unix:{path}"))
    ),
    Word("--fd", "--bind fd://N", into=lambda value: Ours(("--bind", f"fd://{value}"))),
    Word("-e --endpoint", "--bind --tls-cert --tls-key", ENDPOINT, into=fixed()),
    Word("-v --verbosity", "--log-level", into=verbosity),
    Word("-t --http-timeout", "--request-timeout-s", "the client gets 503"),
    Word("--access-log", "--access-log"),
    Word("--log-fmt", "--access-log-format", FIELDS_OF_LOG, into=fixed()),
    Word("--ping-interval", "--websocket-ping-s"),
    Word(
        "--ping-timeout",
        "--websocket-ping-s",
        "the pong may take as long as the next ping",
        into=fixed(),
    ),
    Word(
        "--websocket-max-message-size",
        "--websocket-message-bytes",
        into=unless_zero("--websocket-message-bytes", "no limit there, and not to be had here"),
    ),
    Word("--websocket-max-frame-size", note="--websocket-message-bytes bounds all frames together"),
    Word("--application-close-timeout", note=GOES_ON),
    Word("--root-path", "--root-path"),
    Word(
        "--proxy-headers",
        "--trusted-proxies",
        "whom to believe is said by --trusted-proxies",
        flag=True,
        into=fixed(),
    ),
    Word(
        "--proxy-headers-host --proxy-headers-port",
        "--forwarded-fields",
        "--forwarded-fields has the fields that are believed",
        into=fixed(),
    ),
    Word("-s --server-name", note=SERVER_FIELD),
    Word("--no-server-name", note=SERVER_FIELD, flag=True),
)

DAPHNE = Program("daphne", WORDS)
