"""The lab's own page, at the loopback, for whoever knows its address.

Facts.        Every program of this machine, and every page in a browser on it, can connect to the
              loopback; what is asked for here starts and kills processes.
Choice.       A token that cannot be guessed stands in front of each path, and no page that is
              opened from here is told of it (Referrer-Policy).
              The standard library's server suffices for one reader, and keeps the main thread free.
"""

from __future__ import annotations

import hmac
import json
import secrets
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs

from ..errors import BindError
from ..pages import rendered
from ..serving import MODELS as SERVING_MODELS
from .both_sides import Laboratory
from .experiments import EXPERIMENTS
from .io_options import options

TOKEN_BYTES = 16
IDLE_S = 60.0
"""A browser connects ahead, and may then say nothing."""

HTML, JSON = "text/html; charset=utf-8", "application/json"


class Pages(BaseHTTPRequestHandler):
    """One connection, with one request: its version stays 1.0."""

    timeout = IDLE_S

    def __init__(self, laboratory: Laboratory, token: str, *given: Any) -> None:
        self._laboratory = laboratory
        self._token = token
        super().__init__(*given)

    def do_GET(self) -> None:
        """The page, and what it follows."""
        match self._path():
            case "":
                self._answer(HTTPStatus.OK, HTML, page(self._laboratory))
            case "state":
                self._answer_json(HTTPStatus.OK, self._laboratory.state())
            case _:
                self._answer_json(HTTPStatus.NOT_FOUND, {"problem": "There is nothing here."})

    def do_POST(self) -> None:
        """What a button does; the answer comes when it is done."""
        values = {name: found[0] for name, found in parse_qs(self.path.partition("?")[2]).items()}
        laboratory = self._laboratory
        try:
            match self._path(), values:
                case "pair", {"side": ("0" | "1") as side, "pair": pair}:
                    self._answer_json(HTTPStatus.OK, laboratory.take(int(side), pair))
                case "make", {"experiment": word}:
                    self._answer_json(HTTPStatus.OK, laboratory.make(word))
                case _:
                    self._answer_json(HTTPStatus.NOT_FOUND, {"problem": "There is nothing here."})
        except Exception as error:  # noqa: BLE001 - the edge: whoever pressed the button is told
            self._answer_json(HTTPStatus.CONFLICT, {"problem": str(error) or repr(error)})

    def _path(self) -> str | None:
        """Behind the token; None without it."""
        _, token, path = (self.path.partition("?")[0] + "//").split("/", 2)
        is_known = hmac.compare_digest(token.encode("latin-1", "replace"), self._token.encode())
        return path.rstrip("/") if is_known else None

    def _answer_json(self, status: HTTPStatus, document: Any) -> None:
        self._answer(status, JSON, json.dumps(document))

    def _answer(self, status: HTTPStatus, kind: str, text: str) -> None:
        body = text.encode()
        self.send_response(status)
        for name, value in (
            ("Content-Type", kind),
            ("Content-Length", str(len(body))),
            ("Cache-Control", "no-store"),
            ("Referrer-Policy", "no-referrer"),
            ("X-Frame-Options", "DENY"),
        ):
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Nothing: the token would be in it."""


def page(laboratory: Laboratory) -> str:
    return rendered(
        __package__,
        "lab",
        sides=laboratory.state(),
        serving=list(SERVING_MODELS),
        io=options(),
        experiments=list(EXPERIMENTS.values()),
    )


@contextmanager
def published(laboratory: Laboratory, port: int) -> Iterator[str]:
    """The address, token and all, until the block ends. Raises `BindError`."""
    token = secrets.token_urlsafe(TOKEN_BYTES)
    try:
        server = ThreadingHTTPServer(("127.0.0.1", port), partial(Pages, laboratory, token))
    except OSError as error:
        raise BindError(f"cannot listen on 127.0.0.1:{port}: {error.strerror}") from None
    server.daemon_threads = True  # a button that was pressed does not delay the end
    with server:
        threading.Thread(target=server.serve_forever, name="fivefold-lab", daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/{token}/"
        server.shutdown()
