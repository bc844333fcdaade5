"""The rules of a folder: what is refused when they are read, and what they do."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from fivefold.content.static.policy import is_hashed
from fivefold.content.static.rules import Rules
from fivefold.errors import SettingsError
from support.client import Client
from support.servers.folder import Serve

WRONG = [
    ("header", "X-A: b", "'GLOB: NAME: VALUE'"),
    ("header", "*: X A: b", "'GLOB: NAME: VALUE'"),
    ("header", "*: X-A: b\r\nSet-Cookie: c", "'GLOB: NAME: VALUE'"),
    ("header", "*: Content-Length: 5", "is set by the server itself"),
    ("header", "a/b: X-A: b", "matches nothing"),
    ("cache_control", "no-store", "'GLOB: VALUE'"),
    ("cache_control", "a/*: no-store", "matches nothing"),
    ("mime", "txt=text/plain", ".EXT=TYPE/SUBTYPE"),
    ("mime", ".txt=plain", ".EXT=TYPE/SUBTYPE"),
    ("error_page", "404.html", "STATUS=FILE"),
    ("error_page", "200=index.html", "STATUS=FILE"),
    ("error_page", "404=../secret.html", "not the path of a file within"),
    ("spa", "../index.html", "not the path of a file within"),
    ("spa", "app/", "not the path of a file within"),
    ("cors", "example.com", "not an origin"),
    ("cors", "https://example.com/", "not an origin"),
    ("charset", "utf 8", "not the name of a charset"),
    ("listing", "yes", "not true or false"),
    ("spa", 5, "not a text"),
    ("mime", [5], "not a text or a list"),
]


@pytest.mark.parametrize(("name", "value", "message"), WRONG)
def test_a_wrong_rule_says_what_it_should_be(name: str, value: object, message: str) -> None:
    with pytest.raises(SettingsError) as refused:
        Rules(**{name: value})  # type: ignore[arg-type]
    assert message in str(refused.value)
    assert str(refused.value).startswith(name)


@pytest.mark.parametrize(
    ("path", "hashed"),
    [
        (b"/app.3f2a9c1b.js", True),
        (b"/css/app-3f2a9c1be7.min.css", True),
        (b"/index-BxK3d9aZ.js", True),
        (b"/app.3f2a9c1b.js.map", True),
        (b"/report-20240101.pdf", False),
        (b"/my-component.js", False),
        (b"/my-Component.js", False),
        (b"/IMG-20240101T120000.jpg", False),
        (b"/3f2a9c1b.js", False),
        (b"/app.3f2a9c1b", False),
    ],
)
def test_names_with_a_hash(path: bytes, *, hashed: bool) -> None:
    assert is_hashed(path) is hashed


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("index.html", "404.html", "a.css", "b.pdf", "c.gltf", "app.3f2a9c1b.js"):
        (tmp_path / name).write_text(f"this is {name}")
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "a.css").write_text("below")
    return tmp_path


def test_fields_by_pattern_are_with_the_file_its_304_and_its_parts(
    folder: Path, serve: Serve
) -> None:
    rules = {
        "header": ["*.css: X-Style: yes", "/sub/*: X-Sub: a: b"],
        "cache_control": ["/sub/**: no-store", "*.css: max-age=60"],
        "immutable_hashed": True,
    }
    with serve(target=str(folder), **rules) as address, Client(address) as client:
        for asked, status in (
            ({}, 200),
            ({"if_none_match": "*"}, 304),
            ({"range": "bytes=0-0"}, 206),
        ):
            for _ in range(2):
                answer = client.get("/a.css", **asked)
                assert answer.status == status
                assert answer.fields["x-style"] == "yes"
                assert answer.fields["cache-control"] == "max-age=60"
                assert answer.fields["x-content-type-options"] == "nosniff"
                assert "x-sub" not in answer.fields
        below = client.get("/sub/a.css").fields
        assert (below["x-style"], below["x-sub"]) == ("yes", "a: b")
        assert below["cache-control"] == "no-store"
        assert "immutable" in client.get("/app.3f2a9c1b.js").fields["cache-control"]
        assert "cache-control" not in client.get("/b.pdf").fields


def test_a_mounted_folder_has_the_rules_too_with_its_prefix(folder: Path, serve: Serve) -> None:
    settings = {"mount": f"/static={folder}", "cache_control": "/static/*.css: max-age=5"}
    with serve(target=str(folder), **settings) as address, Client(address) as client:
        assert client.get("/static/a.css").fields["cache-control"] == "max-age=5"
        assert "cache-control" not in client.get("/a.css").fields


def test_types_and_charset(folder: Path, serve: Serve) -> None:
    settings = {"mime": [".gltf=model/gltf+json", ".CSS=text/x-css"], "charset": "latin-1"}
    with serve(target=str(folder), **settings) as address, Client(address) as client:
        assert client.get("/c.gltf").fields["content-type"] == "model/gltf+json"
        assert client.get("/a.css").fields["content-type"] == "text/x-css; charset=latin-1"
    with serve(target=str(folder), charset="", nosniff=False) as address, Client(address) as client:
        fields = client.get("/").fields
        assert fields["content-type"] == "text/html"
        assert "x-content-type-options" not in fields


def test_a_page_for_an_error(folder: Path, serve: Serve) -> None:
    with (
        serve(target=str(folder), error_page=["404=404.html", "405=b.pdf"]) as address,
        Client(address) as client,
    ):
        for _ in range(2):
            answer = client.get("/missing")
            assert (answer.status, answer.body) == (404, b"this is 404.html")
            assert answer.fields["content-type"].startswith("text/html")
            assert "etag" not in answer.fields
        assert client.get("/missing", range="bytes=0-1").body == b"this is 404.html"
        assert client.get("/missing", if_none_match="*").status == 404
        posted = client.get("/", method="POST")
        assert (posted.status, posted.fields["allow"]) == (405, "GET, HEAD")
        assert posted.body == b"this is b.pdf"
        assert client.get("/404.html").status == 200
        head = client.get("/missing", method="HEAD")
        assert head.fields["content-length"] == str(len("this is 404.html"))
        (folder / "404.html").unlink()
        while client.get("/missing").body == b"this is 404.html":
            pass
        assert client.get("/missing").status == 404


def test_pages_of_an_application_in_the_browser(folder: Path, serve: Serve) -> None:
    with serve(target=str(folder), spa="index.html") as address, Client(address) as client:
        for path in ("/users/5", "/users/5/", "/x?y=z.w"):
            for _ in range(2):
                answer = client.get(path)
                assert (answer.status, answer.body) == (200, b"this is index.html"), path
        assert client.get("/missing.js").status == 404
        assert client.get("/%2e%2e/x").status == 404
        assert client.get("/a.css").body == b"this is a.css"
        assert client.get("/users/5", if_none_match=answer.fields["etag"]).status == 304


@pytest.mark.parametrize("rule", [{"spa": "no.html"}, {"error_page": "404=no.html"}])
def test_a_page_that_is_not_there(rule: dict[str, str], folder: Path, serve: Serve) -> None:
    with (
        pytest.raises(SettingsError, match=r"cannot read 'no\.html'"),
        serve(target=str(folder), **rule),
    ):
        pass


def test_pages_of_another_origin(folder: Path, serve: Serve) -> None:
    with serve(target=str(folder), cors="https://a.example") as address, Client(address) as client:
        for path in ("/a.css", "/missing"):
            fields = client.get(path, origin="https://b.example").fields
            assert fields["access-control-allow-origin"] == "https://a.example"
        unmodified = client.get("/a.css", if_none_match="*")
        assert unmodified.fields["access-control-allow-origin"] == "https://a.example"
        asked = client.get("/a.css", method="OPTIONS", access_control_request_method="GET")
        assert asked.status == 204
        assert asked.fields["access-control-allow-methods"] == "GET, HEAD"
        assert "content-length" not in asked.fields
        assert client.get("/a.css").status == 200
    with serve(target=str(folder)) as address, Client(address) as client:
        assert client.get("/a.css", method="OPTIONS").status == 405
        assert "access-control-allow-origin" not in client.get("/a.css").fields


def test_curl_sees_the_fields(folder: Path, serve: Serve) -> None:
    with serve(target=str(folder), header="*: X-A: b c") as (host, port):
        done = subprocess.run(
            ["curl", "-sSi", f"http://{host}:{port}/a.css"], capture_output=True, check=True
        )
    assert b"\r\nX-A: b c\r\n" in done.stdout
