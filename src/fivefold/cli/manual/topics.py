"""The options of `serve` by topic: each fits a screen of 24 lines, with an example."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Topic:
    """Options that are asked for together."""

    title: str
    options: tuple[str, ...]
    """By the names of their parameters."""
    example: str


@dataclass(frozen=True)
class Manual:
    """What the help of a command is made of."""

    topics: Mapping[str, Topic]
    first: tuple[str, ...]
    """The options that are asked for most, by the names of their parameters."""
    examples: tuple[str, ...]


TOPICS = {
    "addresses": Topic(
        "Where to listen",
        ("bind", "listen_host", "listen_port", "unix_mode", "root_path"),
        "fivefold serve site --bind 127.0.0.1:8080 --bind unix:site.sock",
    ),
    "models": Topic(
        "Who runs a connection, and how it waits for the kernel",
        ("serving", "io", "workers", "fresh", "max_connections", "overload"),
        "fivefold serve site --serving thread --io blocking",
    ),
    "applications": Topic(
        "WSGI and ASGI applications",
        ("interface", "threads", "inline", "lifespan", "lifespan_s", "chdir", "env_file"),
        "fivefold serve shop.wsgi:app --serving async --threads 8",
    ),
    "sending": Topic(
        "Files that applications send, and folders beside them",
        ("asgi_extensions", "mount", "request_id", "server_timing"),
        "fivefold serve shop.asgi:app --mount /static=assets",
    ),
    "websockets": Topic(
        "Websockets of ASGI applications",
        (
            "websocket_deflate",
            "websocket_message_bytes",
            "websocket_queue_messages",
            "websocket_queue_bytes",
            "websocket_ping_s",
        ),
        "fivefold serve chat:app --ws-message-bytes 65536",
    ),
    "development": Topic(
        "Load the application again when its files change",
        ("reload", "reload_dir", "reload_include", "reload_exclude"),
        "fivefold serve shop.asgi:app --reload --reload-include '*.html'",
    ),
    "folders": Topic(
        "What a folder answers",
        ("listing", "spa", "clean_urls", "error_page", "mime", "charset", "nosniff", "auth"),
        "fivefold serve dist --spa index.html",
    ),
    "caching": Topic(
        "Fields, caches and compression of files",
        (
            "header",
            "cache_control",
            "immutable_hashed",
            "cors",
            "compress",
            "precompressed",
            "content_encoding",
        ),
        "fivefold serve dist --immutable-hashed --compress",
    ),
    "tls": Topic(
        "HTTPS",
        ("tls_cert", "tls_key", "tls_key_password_file", "tls_min", "redirect_http"),
        "fivefold serve site -b :443 --tls-cert cert.pem --redirect-http 0.0.0.0:80",
    ),
    "clients": Topic(
        "Clients that show a certificate, and versions of HTTP",
        ("tls_client_ca", "tls_client_auth", "http", "h2c", "http2_streams"),
        "fivefold serve api:app --h2c --http2-streams 50",
    ),
    "proxies": Topic(
        "Behind nginx, HAProxy, Caddy or a load balancer",
        ("trusted_proxies", "forwarded_fields", "proxy_protocol"),
        "fivefold serve shop.wsgi:app --trusted-proxies 10.0.0.0/8",
    ),
    "logs": Topic(
        "The access log, and the server's own",
        (
            "access_log",
            "no_access_log",
            "access_log_format",
            "log_level",
            "quiet",
            "verbose",
            "log_format",
            "log_config",
        ),
        "fivefold serve site --access-log access.log --access-log-format json",
    ),
    "monitoring": Topic(
        "Status, metrics, traces",
        ("status", "trace_sample", "trace_spans", "otel", "slow_request_s"),
        "fivefold serve shop.asgi:app --status :9100 --slow-request-s 2",
    ),
    "times": Topic(
        "How long clients may take",
        (
            "first_byte_s",
            "tls_handshake_s",
            "head_s",
            "body_s",
            "keep_alive_s",
            "send_s",
            "linger_s",
        ),
        "fivefold serve site --keep-alive-s 15",
    ),
    "sizes": Topic(
        "How large requests may be",
        ("request_line_bytes", "head_bytes", "header_count", "body_bytes"),
        "fivefold serve shop.wsgi:app --body-bytes 1048576",
    ),
    "recycling": Topic(
        "Workers that are replaced",
        ("max_requests", "max_requests_jitter", "max_worker_age_s", "max_worker_rss"),
        "fivefold serve shop.wsgi:app --max-requests 10000 --max-worker-rss 500M",
    ),
    "stopping": Topic(
        "Starts, stops, and what takes too long",
        ("grace_s", "startup_s", "stuck_s", "request_timeout_s"),
        "fivefold serve shop.wsgi:app --request-timeout-s 30",
    ),
    "system": Topic(
        "Rights and files of the server, and settings from a file",
        ("user", "group", "umask", "pid_file", "config", "check_config", "print_config"),
        "fivefold serve --config site.toml --check-config",
    ),
}

FIRST = ("bind", "workers", "serving", "io", "listing", "reload", "config")
"""What is asked for most."""

EXAMPLES = (
    "fivefold serve site --listing",
    "fivefold serve shop.wsgi:app -b :8000 -w 4",
    "fivefold serve shop.asgi:app --reload",
)

SERVE = Manual(TOPICS, FIRST, EXAMPLES)
