"""A small Flask application."""

from __future__ import annotations

from collections.abc import Iterator

from flask import Flask, Response, jsonify, request, session

app = Flask(__name__)
app.secret_key = "not a secret"


@app.get("/")
def home() -> Response:
    return jsonify(args=request.args, host=request.host, root=request.script_root)


@app.post("/form")
def form() -> Response:
    files = {name: len(file.read()) for name, file in request.files.items()}
    return jsonify(form=request.form, files=files)


@app.post("/json")
def as_json() -> Response:
    return jsonify(request.get_json())


@app.get("/stream")
def stream() -> Response:
    def parts() -> Iterator[str]:
        for number in range(3):
            yield f"{number};"

    return Response(parts(), mimetype="text/plain")


@app.get("/count")
def count() -> Response:
    session["count"] = session.get("count", 0) + 1
    return jsonify(session["count"])


@app.get("/fail")
def fail() -> Response:
    raise RuntimeError("secret detail")
