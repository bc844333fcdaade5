"""A WSGI application with a path for each harm that a request can do."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable
from typing import Any


def app(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    DOES.get(environ["PATH_INFO"], lambda: None)()
    start_response("200 OK", [("Content-Length", "5")])
    return [b"hello"]


DOES: dict[str, Callable[[], object]] = {
    "/crash": os.abort,
    "/sleep": lambda: time.sleep(0.02),
}
