"""A WSGI application with a path for each thing that a request can do."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterable
from typing import Any

Environ = dict[str, Any]


def app(environ: Environ, start_response: Callable[..., Any]) -> Iterable[bytes]:
    does = DOES.get(environ["PATH_INFO"], hello)
    body = does(environ)
    start_response("200 OK", [("Content-Length", str(len(body)))])
    return [body]


def hello(environ: Environ) -> bytes:
    return b"hello"


def crash(environ: Environ) -> bytes:
    os.abort()


def crash_late(environ: Environ) -> bytes:
    time.sleep(0.5)
    os.abort()


def hang(environ: Environ) -> bytes:
    threading.Event().wait()
    return b""


def sleep(environ: Environ) -> bytes:
    time.sleep(0.02)
    return b"slept"


def compute(environ: Environ) -> bytes:
    return str(sum(range(20_000))).encode()


def upload(environ: Environ) -> bytes:
    return str(len(environ["wsgi.input"].read())).encode()


def large(environ: Environ) -> bytes:
    return b"x" * 2_000_000


DOES: dict[str, Callable[[Environ], bytes]] = {
    f"/{each.__name__}": each for each in (crash, crash_late, hang, sleep, compute, upload, large)
}
