"""Types and codings by name, pages without their suffix, and what a folder without a page says."""

from __future__ import annotations

import gzip
import mimetypes
from pathlib import Path

import pytest

from fivefold.content.static.media_types import UNKNOWN, media_type
from fivefold.content.static.rules import Rules
from fivefold.errors import SettingsError
from support.client import Client, until
from support.servers.folder import Serve

TYPES = {
    ".7z": "application/x-7z-compressed",
    ".atom": "application/atom+xml",
    ".cjs": "text/javascript",
    ".docx": "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
    ".eot": "application/vnd.ms-fontobject",
    ".epub": "application/epub+zip",
    ".flac": "audio/flac",
    ".geojson": "application/geo+json",
    ".glb": "model/gltf-binary",
    ".gltf": "model/gltf+json",
    ".ics": "text/calendar",
    ".js": "text/javascript",
    ".jsonld": "application/ld+json",
    ".jxl": "image/jxl",
    ".m4a": "audio/mp4",
    ".m4s": "video/iso.segment",
    ".m4v": "video/x-m4v",
    ".MKV": "video/x-matroska",
    ".mp4": "video/mp4",
    ".mpd": "application/dash+xml",
    ".oga": "audio/ogg",
    ".ogg": "audio/ogg",
    ".ogv": "video/ogg",
    ".rss": "application/rss+xml",
    ".rst": "text/x-rst",
    ".rtf": "application/rtf",
    ".tar.gz": UNKNOWN,  # a suffix is what follows the last dot
    ".gz": "application/gzip",
    ".ts": "video/mp2t",
    ".wasm": "application/wasm",
    ".weba": "audio/webm",
    ".woff2": "font/woff2",
    ".xhtml": "application/xhtml+xml",
    "": UNKNOWN,
    ".unheard-of": UNKNOWN,
}


@pytest.mark.parametrize("suffix", TYPES)
def test_types(suffix: str) -> None:
    assert media_type(suffix) == TYPES[suffix]


def test_what_python_knows_is_known_here() -> None:
    """An independent list; what it says of source code and of old formats is its own matter."""
    theirs = mimetypes.MimeTypes(filenames=()).types_map[1]
    binary = {suffix for suffix, kind in theirs.items() if kind.startswith(("image/", "video/"))}
    unknown = {suffix for suffix in binary if media_type(suffix) == UNKNOWN}
    assert unknown <= {".3gpp2", ".mpa", ".qt"}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    known = tmp_path / ".well-known"
    known.mkdir()
    (known / "apple-app-site-association").write_text("{}")
    (tmp_path / "info").mkdir()
    (tmp_path / "info" / "refs").write_text("refs")
    for name in ("build.wasm.br", "build.js.br", "build.data.br", "build.wasm.unityweb"):
        (tmp_path / name).write_bytes(b"compressed")
    (tmp_path / "page.xhtml").write_text("<p/>" * 200)
    (tmp_path / "image.svgz").write_bytes(gzip.compress(b"<svg/>"))
    return tmp_path


def test_a_type_for_a_name(folder: Path, serve: Serve) -> None:
    rules = ["apple-app-site-association=application/json", "/info/*=text/plain", ".data.br=a/b"]
    with serve(target=str(folder), mime=rules) as address, Client(address) as client:
        for path, kind in (
            ("/.well-known/apple-app-site-association", "application/json"),
            ("/info/refs", "text/plain; charset=utf-8"),
            ("/build.data.br", "a/b"),
            ("/build.js.br", "application/x-brotli"),
        ):
            assert client.get(path).fields["content-type"] == kind


def test_a_coding_for_a_name(folder: Path, serve: Serve) -> None:
    """A page made by Unity or Emscripten asks for the coded names."""
    rules = {
        "content_encoding": ["*.br=br", "*.unityweb=gzip"],
        "mime": "*.wasm.unityweb=application/wasm",
        "compress": True,
    }
    with serve(target=str(folder), **rules) as address, Client(address) as client:
        for path, kind, coding in (
            ("/build.wasm.br", "application/wasm", "br"),
            ("/build.js.br", "text/javascript; charset=utf-8", "br"),
            ("/build.data.br", UNKNOWN, "br"),
            ("/build.wasm.unityweb", "application/wasm", "gzip"),
        ):
            for _ in range(2):
                answer = client.get(path, accept_encoding="br, gzip")
                assert answer.fields["content-type"] == kind
                assert answer.fields["content-encoding"] == coding
                assert answer.body == b"compressed"
                assert "vary" not in answer.fields
            assert client.get(path, range="bytes=1-2").body == b"om"
        page = client.get("/page.xhtml", accept_encoding="gzip")
        assert page.fields["content-encoding"] == "gzip"  # its type is known to shrink
        image = client.get("/image.svgz")
        assert (image.fields["content-type"], image.fields["content-encoding"]) == (
            "image/svg+xml",
            "gzip",
        )


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("mime", "js=text/plain", "a suffix begins with a dot"),
        ("mime", "a/b=text/plain", "matches nothing"),
        ("mime", "=text/plain", "GLOB=TYPE/SUBTYPE"),
        ("content_encoding", "*.br", "GLOB=CODING"),
        ("content_encoding", "*.xz=xz", "br, zstd, gzip"),
        ("header", "*: Content-Encoding: br", "--content-encoding"),
        ("clean_urls", "yes", "not true or false"),
    ],
)
def test_a_wrong_rule_says_what_it_should_be(name: str, value: str, message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        Rules(**{name: value})  # type: ignore[arg-type]


def test_pages_without_their_suffix(tmp_path: Path, serve: Serve) -> None:
    (tmp_path / "guide.html").write_text("guide")
    (tmp_path / "v1.2.html").write_text("version")
    (tmp_path / "both").mkdir()
    (tmp_path / "both" / "index.html").write_text("folder")
    (tmp_path / "both.html").write_text("page")
    (tmp_path / "index.html").write_text("application")
    rules = {"clean_urls": True, "spa": "index.html"}
    with serve(target=str(tmp_path), **rules) as address, Client(address) as client:
        for _ in range(2):
            for path, body in (
                ("/guide", b"guide"),
                ("/guide?a=b", b"guide"),
                ("/guide.html", b"guide"),
                ("/v1.2", b"version"),
                ("/both", b"page"),
                ("/both/", b"folder"),
                ("/other", b"application"),
            ):
                answer = client.get(path)
                assert (answer.status, answer.body) == (200, body), path
        assert client.get("/guide", if_none_match=client.get("/guide").fields["etag"]).status == 304
        assert client.get("/guide", range="bytes=1-2").body == b"ui"
        (tmp_path / "guide").write_text("a file now")
        until(lambda: client.get("/guide"), lambda answer: answer.body == b"a file now")
    with serve(target=str(tmp_path)) as address, Client(address) as client:
        assert client.get("/v1.2").status == 404
        assert client.get("/both").status == 301


def test_a_mounted_folder_has_them_too(tmp_path: Path, serve: Serve) -> None:
    (tmp_path / "guide.html").write_text("guide")
    rules = {"clean_urls": True, "mount": f"/docs={tmp_path}"}
    with serve(target=str(tmp_path), **rules) as address, Client(address) as client:
        assert client.get("/docs/guide").body == b"guide"
        assert client.get("/docs").status == 301


def test_a_folder_without_a_page_says_what_would_show_it(tmp_path: Path, serve: Serve) -> None:
    (tmp_path / "secret name").mkdir()
    with serve(target=str(tmp_path)) as address, Client(address) as client:
        for path, hinted in (("/", True), ("/secret%20name/", True), ("/missing/", False)):
            answer = client.get(path)
            assert answer.status == 404
            assert (b"--listing" in answer.body) is hinted
            assert b"secret" not in answer.body
            assert str(tmp_path).encode() not in answer.body
