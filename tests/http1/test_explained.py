"""What went wrong, in the form that the client asks for."""

from __future__ import annotations

import json
import socket
from html import escape
from http.client import HTTPConnection, HTTPResponse
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from fivefold.errors import ProtocolError
from fivefold.http1.explaining.explained import SEE_LOG, refused, wanted
from fivefold.testing import running

BROWSER = "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,*/*;q=0.8"
TEXT, PAGE = "text/plain; charset=utf-8", "text/html; charset=utf-8"


@pytest.mark.parametrize(
    ("accept", "form"),
    [
        (BROWSER, "text/html"),
        ("*/*", "text/plain"),
        ("", "text/plain"),
        ("application/json", "application/json"),
        ("application/problem+json, text/html;q=0.5", "application/problem+json"),
        ("text/html;q=0.1, application/json;q=0.2", "application/json"),
        ("text/html;q=0, */*", "text/plain"),
        ("text/html; charset=utf-8 ; Q=0.9, text/plain;q=0.8", "text/html"),
        ("text/html;q=2", "text/html"),
        (",;,q=", "text/plain"),
    ],
)
def test_the_form_is_the_one_that_is_most_wanted(accept: str, form: str) -> None:
    assert wanted(f"GET / HTTP/1.1\r\naCCept:{accept}\r\n\r\n".encode()) == form


def test_several_fields_are_one_list_and_no_head_is_text() -> None:
    head = b"GET / HTTP/1.1\r\nAccept: text/plain;q=0.1\r\nAccept: text/html\r\n\r\n"
    assert wanted(head) == "text/html"
    assert wanted(b"") == wanted(b"\xff\x00\r\nAccept") == "text/plain"


def test_what_a_page_says_is_no_markup() -> None:
    error = ProtocolError(400, "<script>&\ud800", [(b"Retry-After", b"1")])
    made = refused(error, b"GET / HTTP/1.1\r\nAccept: text/html\r\n\r\n")
    assert b"<p>&lt;script&gt;&amp;\\ud800</p>" in bytes(made.body)  # type: ignore[arg-type]
    assert (b"Retry-After", b"1") in made.fields
    assert (b"Vary", b"Accept") in made.fields
    assert dict(made.fields)[b"Content-Security-Policy"].startswith(b"default-src 'none'")


def asked(url: str, path: str, **fields: str) -> tuple[HTTPResponse, str]:
    conn = HTTPConnection(urlsplit(url).netloc, timeout=30)
    conn.request("GET", path, headers={name.replace("_", "-"): v for name, v in fields.items()})
    answer = conn.getresponse()
    body = answer.read().decode()
    conn.close()
    return answer, body


def test_a_folder_explains_and_gives_hints_to_developers_alone(tmp_path: Path) -> None:
    with running(str(tmp_path)) as url:
        answer, body = asked(url, "/", Accept=BROWSER)
        assert (answer.status, answer.headers["Content-Type"]) == (404, PAGE)
        assert "color-scheme: light dark" in body
        assert "--listing" in body
        _, body = asked(url, "/", Accept=BROWSER, X_Forwarded_For="10.0.0.1")
        assert "--listing" not in body
        answer, body = asked(url, "/nothing", Accept="application/json")
        assert answer.headers["Content-Type"] == "application/json"
        assert json.loads(body) == {"title": "Not Found", "status": 404}
        answer, body = asked(url, "/nothing")
        assert (answer.headers["Content-Type"], body) == (TEXT, "404 Not Found\n")
        assert answer.headers["Vary"] == "Accept"


def wsgi(environ: Any, start_response: Any) -> Any:
    raise ValueError("secret")


async def asgi(scope: Any, receive: Any, send: Any) -> None:
    raise ValueError("secret")


@pytest.mark.parametrize("application", [wsgi, asgi])
def test_an_application_that_fails_points_to_the_log_and_says_nothing(application: Any) -> None:
    with running(application, lifespan="off") as url:
        answer, body = asked(url, "/", Accept="application/problem+json")
        assert (answer.status, answer.headers["Content-Type"]) == (500, "application/problem+json")
        assert json.loads(body)["hint"] == SEE_LOG
        answer, body = asked(url, "/", Accept=BROWSER, Via="1.1 proxy")
        assert (answer.status, answer.headers["Content-Type"]) == (500, PAGE)
        assert "log" not in body
        assert "secret" not in body


def test_a_request_that_breaks_http_is_explained_in_its_form(tmp_path: Path) -> None:
    with running(str(tmp_path)) as url:
        place = urlsplit(url)
        with socket.create_connection((str(place.hostname), place.port), timeout=30) as sock:
            sock.sendall(b"GET / HTTP/1.1\r\nAccept: application/json\r\nno field\r\n\r\n")
            answer = HTTPResponse(sock)
            answer.begin()
            assert answer.status == 400
            assert json.loads(answer.read())["status"] == 400


def test_a_folder_that_is_elsewhere_links_there(tmp_path: Path) -> None:
    (tmp_path / 'a"<b>').mkdir()
    with running(str(tmp_path)) as url:
        answer, body = asked(url, "/a%22%3Cb%3E?x='&y", Accept=BROWSER)
        assert (answer.status, answer.headers["Content-Type"]) == (301, PAGE)
        location = answer.headers["Location"]
        assert f'<a href="{escape(location)}">{escape(location)}</a>' in body
        answer, body = asked(url, "/a%22%3Cb%3E")
        assert (answer.headers["Content-Type"], answer.headers["Vary"]) == (TEXT, "Accept")
        assert body == "301 Moved Permanently\n\na%22%3Cb%3E/\n"
        _, body = asked(url, "/a%22%3Cb%3E", Accept="application/json")
        said = {"title": "Moved Permanently", "status": 301, "address": "a%22%3Cb%3E/"}
        assert json.loads(body) == said


def test_who_needs_a_password_reads_why(tmp_path: Path) -> None:
    (tmp_path / "users").write_text(f"ann:$2y$05${'x' * 53}\n")
    with running(str(tmp_path), auth=str(tmp_path / "users")) as url:
        answer, body = asked(url, "/", Accept=BROWSER)
        assert (answer.status, answer.headers["Content-Type"]) == (401, PAGE)
        assert answer.headers["WWW-Authenticate"].startswith("Basic ")
        assert "Unauthorized" in body
        answer, body = asked(url, "/")
        assert (answer.headers["Content-Type"], body) == (TEXT, "401 Unauthorized\n")
