"""uvicorn's words."""

from __future__ import annotations

from .word import (
    CERTIFICATES,
    CIPHERS,
    HTTP2,
    LOG_LEVELS,
    LOOP,
    QUEUE,
    SERVER_FIELD,
    Ours,
    Program,
    Word,
    each,
    fixed,
    one_of,
)

PARSER = "one parser, llhttp, with checks of our own"
COLOURS = "lines of the log are text; --log-format json is for programs"
INTERFACES = {"auto": "auto", "asgi3": "asgi", "wsgi": "wsgi"}
CONTEXTS = "each request has a context of its own"


def deflate(value: str) -> Ours:
    off = value.lower() in ("false", "0", "no", "off", "f", "n")
    return Ours(("--no-websocket-deflate",) if off else ())


def field(value: str) -> Ours:
    name, _, text = value.partition(":")
    return Ours(("--header", f"*: {name}: {text.strip()}"), "it is for files of folders")


WORDS = (
    Word("--host", "--host"),
    Word("--port", "--port"),
    Word("--uds", "--bind unix:PATH", into=lambda value: Ours(("--bind", f"unix:{value}"))),
    Word("--fd", "--bind fd://N", into=lambda value: Ours(("--bind", f"fd://{value}"))),
    Word("--reload", "--reload", flag=True),
    Word("--reload-dir", "--reload-dir"),
    Word("--reload-include", "--reload-include"),
    Word("--reload-exclude", "--reload-exclude"),
    Word("--reload-delay", note="changes are heard of at once (inotify)"),
    Word("--workers", "--workers"),
    Word("--loop", note=LOOP),
    Word("--http", note=PARSER),
    Word("--http2", "--h2c", HTTP2, flag=True, into=fixed()),
    Word("--ws", note="websockets are there, by the library websockets"),
    Word("--ws-max-size", "--websocket-message-bytes"),
    Word("--ws-max-queue", "--websocket-queue-messages"),
    Word("--ws-ping-interval", "--websocket-ping-s"),
    Word(
        "--ws-ping-timeout",
        "--websocket-ping-s",
        "the pong may take as long as the next ping",
        into=fixed(),
    ),
    Word("--ws-per-message-deflate", "--websocket-deflate", into=deflate),
    Word("--lifespan", "--lifespan"),
    Word(
        "--interface",
        "--interface",
        into=one_of("--interface", INTERFACES, "asgiref.compatibility makes ASGI 3 of it"),
    ),
    Word("--env-file", "--env-file"),
    Word("--log-config", "--log-config", "TOML or JSON, for dictConfig"),
    Word(
        "--log-level",
        "--log-level",
        into=one_of("--log-level", LOG_LEVELS, "there is no such level"),
    ),
    Word("--access-log", "--access-log", flag=True, into=fixed("--access-log", "-")),
    Word("--no-access-log", "--no-access-log", flag=True),
    Word("--use-colors --no-use-colors", note=COLOURS, flag=True),
    Word(
        "--proxy-headers",
        "--trusted-proxies",
        "whom to believe is said by --trusted-proxies",
        flag=True,
        into=fixed(),
    ),
    Word("--no-proxy-headers", note="no proxy is trusted without --trusted-proxies", flag=True),
    Word("--server-header --date-header", note="they are always sent", flag=True),
    Word("--no-server-header", note=SERVER_FIELD, flag=True),
    Word("--no-date-header", note="Date is always sent (RFC 9110)", flag=True),
    Word("--forwarded-allow-ips", "--trusted-proxies", into=each("--trusted-proxies")),
    Word("--root-path", "--root-path"),
    Word(
        "--limit-concurrency",
        "--max-connections",
        into=lambda value: Ours(("--max-connections", value, "--overload", "503")),
    ),
    Word("--backlog", note=QUEUE),
    Word("--limit-max-requests", "--max-requests"),
    Word("--limit-max-requests-jitter", "--max-requests-jitter"),
    Word("--timeout-keep-alive", "--keep-alive-s"),
    Word("--timeout-graceful-shutdown", "--grace-s"),
    Word("--timeout-worker-healthcheck", "--stuck-s"),
    Word("--ssl-keyfile", "--tls-key"),
    Word("--ssl-certfile", "--tls-cert"),
    Word(
        "--ssl-keyfile-password",
        "--tls-key-password-file",
        "a file whose first line is the password, which ps does not show",
        into=fixed(),
    ),
    Word("--ssl-version", "--tls-min", "TLS 1.2 and 1.3 are spoken", into=fixed()),
    Word(
        "--ssl-cert-reqs",
        "--tls-client-auth",
        into=one_of("--tls-client-auth", CERTIFICATES, "none, optional or required"),
    ),
    Word("--ssl-ca-certs", "--tls-client-ca"),
    Word("--ssl-ciphers", note=CIPHERS),
    Word("--header", "--header", into=field),
    Word("--version", "--version", note="fivefold --version", flag=True, into=fixed()),
    Word("--app-dir", "--chdir", "it is entered, too"),
    Word("--h11-max-incomplete-event-size", "--head-bytes"),
    Word("--reset-contextvars", note=CONTEXTS, flag=True),
    Word("--factory", "module:factory()", "a factory is written with ()", flag=True, into=fixed()),
)

UVICORN = Program("uvicorn", WORDS)
