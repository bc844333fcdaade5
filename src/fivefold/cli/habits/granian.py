"""granian's words."""

from __future__ import annotations

from .word import (
    FIELDS_OF_LOG,
    HTTP2,
    LOG_LEVELS,
    LOOP,
    QUEUE,
    Ours,
    Program,
    Word,
    fixed,
    one_of,
)

RUST = "there is no Rust runtime whose threads were to be counted"
OFTEN = "workers are looked at once a second"
KINDS = {"asgi": "asgi", "asginl": "asgi", "wsgi": "wsgi"}
RESPAWN = "a worker that ends is always replaced"
HTTP = {"auto": "1.1,2", "1": "1.1", "2": "2"}
VERSIONS = {"tls1.2": "1.2", "tls1.3": "1.3"}
METRICS = "for Prometheus at /metrics there (docs/status.md)"


def milliseconds(value: str) -> Ours:
    return Ours(("--head-s", f"{int(value) / 1000:g}") if value.isdecimal() else ())


def mebibytes(value: str) -> Ours:
    return Ours(("--max-worker-rss", f"{value}M"))


def mounted(value: str) -> Ours:
    return Ours(("--mount", f"/static={value}"), "/PREFIX=FOLDER, one for each")


WORDS = (
    Word("--host", "--host"),
    Word("--port", "--port"),
    Word("--uds", "--bind unix:PATH", into=lambda value: Ours(("--bind", f"unix:{value}"))),
    Word("--uds-permissions", "--unix-mode"),
    Word(
        "--interface",
        "--interface",
        into=one_of("--interface", KINDS, "RSGI is granian's alone; take the ASGI application"),
    ),
    Word("--http", "--http", into=one_of("--http", HTTP, "1, 2 or auto")),
    Word("--ws", note="websockets are there", flag=True),
    Word("--no-ws", note="an application that has no websockets refuses them", flag=True),
    Word("--workers", "--workers"),
    Word(
        "--blocking-threads",
        "--serving async --threads",
        "for WSGI applications",
        into=lambda value: Ours(("--serving", "async", "--threads", value)),
    ),
    Word("--blocking-threads-idle-timeout", note="idle threads stay"),
    Word("--runtime-threads", note=RUST),
    Word("--runtime-blocking-threads", note=RUST),
    Word("--runtime-mode", note=RUST),
    Word("--loop", note=LOOP),
    Word("--task-impl", note=LOOP),
    Word("--backlog", note=QUEUE),
    Word("--backpressure", "--max-connections"),
    Word("--http1-buffer-size", "--head-bytes", into=fixed()),
    Word("--http1-header-read-timeout", "--head-s", into=milliseconds),
    Word("--http1-keep-alive", note="connections are kept", flag=True),
    Word("--no-http1-keep-alive", note="connections are always kept: --keep-alive-s", flag=True),
    Word("--http1-pipeline-flush --no-http1-pipeline-flush", note="it is so anyway", flag=True),
    Word("--http2-adaptive-window --no-http2-adaptive-window", note=HTTP2, flag=True),
    Word("--http2-initial-connection-window-size", note=HTTP2),
    Word("--http2-initial-stream-window-size", note=HTTP2),
    Word("--http2-keep-alive-interval", note=HTTP2),
    Word("--http2-keep-alive-timeout", note=HTTP2),
    Word("--http2-max-concurrent-streams", "--http2-streams"),
    Word("--http2-max-frame-size", note=HTTP2),
    Word("--http2-max-headers-size", note=HTTP2),
    Word("--http2-max-send-buffer-size", note=HTTP2),
    Word("--log", note="the server always has a log: --log-level", flag=True),
    Word("--no-log", "--log-level critical", flag=True, into=fixed("--log-level", "critical")),
    Word(
        "--log-level",
        "--log-level",
        into=one_of("--log-level", LOG_LEVELS, "there is no such level"),
    ),
    Word("--log-config", "--log-config"),
    Word("--access-log", "--access-log", flag=True, into=fixed("--access-log", "-")),
    Word("--no-access-log", "--no-access-log", flag=True),
    Word("--access-log-fmt", "--access-log-format", FIELDS_OF_LOG, into=fixed()),
    Word("--ssl-certificate", "--tls-cert"),
    Word("--ssl-keyfile", "--tls-key"),
    Word(
        "--ssl-keyfile-password",
        "--tls-key-password-file",
        "a file whose first line is the password, which ps does not show",
        into=fixed(),
    ),
    Word(
        "--ssl-protocol-min",
        "--tls-min",
        into=one_of("--tls-min", VERSIONS, "TLS 1.2 and 1.3 are spoken"),
    ),
    Word("--ssl-ca", "--tls-client-ca"),
    Word("--ssl-crl", note="revoked certificates are not looked up"),
    Word(
        "--ssl-client-verify",
        "--tls-client-auth required",
        flag=True,
        into=fixed("--tls-client-auth", "required"),
    ),
    Word("--no-ssl-client-verify", note="it is so by default", flag=True),
    Word("--url-path-prefix", "--root-path"),
    Word("--respawn-failed-workers --no-respawn-failed-workers", note=RESPAWN, flag=True),
    Word("--respawn-interval", note=RESPAWN),
    Word("--rss-sample-interval", note=OFTEN),
    Word("--rss-samples", note=OFTEN),
    Word("--workers-lifetime", "--max-worker-age-s"),
    Word("--workers-max-rss", "--max-worker-rss", into=mebibytes),
    Word("--workers-kill-timeout", "--grace-s"),
    Word("--factory", "module:factory()", "a factory is written with ()", flag=True, into=fixed()),
    Word("--no-factory", note="it is so, without ()", flag=True),
    Word("--working-dir", "--chdir"),
    Word("--env-files", "--env-file"),
    Word("--static-path-route", "--mount", "/PREFIX=FOLDER", into=fixed()),
    Word("--static-path-mount", "--mount", into=mounted),
    Word("--static-path-dir-to-file", note="a folder's index.html is served for it"),
    Word("--static-path-expires", "--cache-control", "GLOB: VALUE", into=fixed()),
    Word("--metrics", "--status", METRICS, flag=True, into=fixed("--status", "127.0.0.1:9090")),
    Word("--no-metrics", note="it is so, without --status", flag=True),
    Word("--metrics-scrape-interval", note="figures are those of the moment of asking"),
    Word("--metrics-address --metrics-port", "--status", "HOST:PORT", into=fixed()),
    Word("--reload", "--reload", flag=True),
    Word("--no-reload", note="it is so by default", flag=True),
    Word("--reload-paths", "--reload-dir"),
    Word("--reload-ignore-dirs", "--reload-exclude", "a glob", into=fixed()),
    Word("--reload-ignore-patterns", "--reload-exclude", "a glob", into=fixed()),
    Word("--reload-ignore-paths", "--reload-exclude", "a glob"),
    Word("--reload-tick", note="changes are heard of at once (inotify)"),
    Word(
        "--reload-ignore-worker-failure --no-reload-ignore-worker-failure",
        note="under --reload the server answers with the error until it is mended",
        flag=True,
    ),
    Word("--process-name", note="titles of processes name the application and the address"),
    Word("--pid-file", "--pid-file"),
    Word("--version", "--version", note="fivefold --version", flag=True, into=fixed()),
)

GRANIAN = Program("granian", WORDS)
