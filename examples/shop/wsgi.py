"""The shop as a WSGI application: `fivefold serve shop.wsgi:app --chdir examples`."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from typing import Any

GOODS = {"teapot": 18, "kettle": 31, "cup": 4}


def app(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    path = environ["PATH_INFO"]
    if path == "/slow":
        time.sleep(0.01)  # a database would take as long
    name = path.removeprefix("/goods/")
    if path in {"/", "/slow"}:
        status, text = "200 OK", "".join(f"{good}: {price}\n" for good, price in GOODS.items())
    elif name in GOODS:
        status, text = "200 OK", f"{name}: {GOODS[name]}\n"
    else:
        status, text = "404 Not Found", f"there is no {path}\n"
    body = text.encode()
    headers = [("Content-Type", "text/plain; charset=utf-8"), ("Content-Length", str(len(body)))]
    start_response(status, headers)
    return [body]


def create_app() -> Callable[..., Iterable[bytes]]:
    """A factory, as frameworks have it."""
    return app
