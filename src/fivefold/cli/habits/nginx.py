"""Directives of nginx, for people who look for what they mean here; it has no command line whose
words were to be translated."""

from __future__ import annotations

from .word import HTTP3, QUEUE, Program, Word

WORDS = (
    Word("listen", "--bind"),
    Word("root alias", "TARGET", "the folder is the argument; --mount /PREFIX=FOLDER for others"),
    Word("index", note="a folder's index.html is served for it"),
    Word("try_files", "--spa --clean-urls"),
    Word("autoindex", "--listing"),
    Word("error_page", "--error-page"),
    Word("expires", "--cache-control"),
    Word("add_header", "--header"),
    Word("types default_type", "--mime"),
    Word("charset", "--charset"),
    Word("gzip gzip_static brotli", "--compress --precompressed"),
    Word("auth_basic auth_basic_user_file", "--auth"),
    Word("access_log", "--access-log"),
    Word("log_format", "--access-log-format"),
    Word("error_log", "--log-level --log-config"),
    Word("worker_processes", "--workers"),
    Word("worker_connections", "--max-connections"),
    Word("client_max_body_size", "--body-bytes"),
    Word("client_header_timeout", "--head-s"),
    Word("client_body_timeout", "--body-s"),
    Word("large_client_header_buffers client_header_buffer_size", "--head-bytes"),
    Word("keepalive_timeout", "--keep-alive-s"),
    Word("send_timeout", "--send-s"),
    Word("lingering_timeout lingering_time", "--linger-s"),
    Word("ssl_certificate", "--tls-cert"),
    Word("ssl_certificate_key", "--tls-key"),
    Word("ssl_password_file", "--tls-key-password-file"),
    Word("ssl_protocols", "--tls-min"),
    Word("ssl_client_certificate", "--tls-client-ca"),
    Word("ssl_verify_client", "--tls-client-auth"),
    Word("set_real_ip_from real_ip_header", "--trusted-proxies --forwarded-fields"),
    Word("proxy_protocol", "--proxy-protocol"),
    Word("stub_status", "--status"),
    Word("server_name", note="[[host]] tables in --config FILE (docs/static.md)"),
    Word("user", "--user"),
    Word("pid", "--pid-file"),
    Word("proxy_pass", note="it is no proxy: let nginx stand in front (docs/operations.md)"),
    Word("http2", "--http --h2c"),
    Word("http2_max_concurrent_streams", "--http2-streams"),
    Word("http3", note=HTTP3),
    Word("backlog", note=QUEUE),
    Word("worker_shutdown_timeout", "--grace-s"),
)

NGINX = Program("nginx", WORDS)
