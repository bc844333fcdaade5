"""Flask's documented ways to stream: with the request's context, and from a database."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterator

from flask import Flask, Response, g, request, stream_with_context

from applications.notes_and_gates import record

app = Flask(__name__)


@app.get("/context")
def context() -> Response:
    def parts() -> Iterator[str]:
        for number in range(20):
            g.count = g.get("count", 0) + 1
            yield f"{number} {request.args['name']} {g.count}\n"

    return Response(stream_with_context(parts()), mimetype="text/plain")


@app.get("/rows")
def rows() -> Response:
    database = sqlite3.connect(":memory:")
    began = threading.get_ident()

    def parts() -> Iterator[str]:
        for (number,) in database.execute(
            "with recursive n(i) as (select 0 union all select i + 1 from n where i < 19)"
            " select i from n"
        ):
            yield f"{number}\n"

    response = Response(parts(), mimetype="text/plain")

    @response.call_on_close
    def end() -> None:
        database.close()
        record("same" if threading.get_ident() == began else "another")

    return response


@app.teardown_request
def teardown(error: BaseException | None) -> None:
    request.args.get("name")  # the context is still there
