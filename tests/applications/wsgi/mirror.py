"""Says how it was called."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any


def app(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    body = environ["wsgi.input"].read().decode()
    names = ("REQUEST_METHOD", "wsgi.url_scheme", "PATH_INFO", "QUERY_STRING", "REMOTE_ADDR")
    text = " ".join([*(environ[name] for name in names), body])
    if environ.get("SSL_CLIENT_VERIFY"):
        text += f" {environ['SSL_CLIENT_VERIFY']} {environ.get('SSL_CLIENT_S_DN', '')}".rstrip()
    start_response("200 OK", [("Content-Length", str(len(text)))])
    return [text.encode()]
