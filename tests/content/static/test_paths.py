"""No target leads out of the folder: the rule, against a simple independent model."""

from __future__ import annotations

import posixpath
from urllib.parse import unquote_to_bytes

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fivefold.content.static.paths import relative_path

NOWHERE = [
    b"/..",
    b"/../etc/passwd",
    b"/a/../../b",
    b"/a/../b",
    b"/%2e%2e/x",
    b"/%2E%2e%2fx",
    b"/..%2f..%2fetc",
    b"/a%00b",
    b"/a\\b",
    b"/%5c..%5cx",
    b"/.git/config",
    b"/a/.hidden",
    b"/%2egit",
    b"/%zz",
    b"/%",
    b"/%1",
    b"/...",
]

SOMEWHERE = {
    b"/": b"",
    b"/?x=/../": b"",
    b"/a": b"a",
    b"/a/": b"a/",
    b"//a//b": b"a/b",
    b"//evil.example/": b"evil.example/",
    b"/./a/.": b"a/",
    b"/a%20b": b"a b",
    b"/%C3%BC.txt": "ü.txt".encode(),
    b"/%252e%252e/x": b"%2e%2e/x",
    b"/.well-known/acme": b".well-known/acme",
    b"/a+b": b"a+b",
}


@pytest.mark.parametrize("target", NOWHERE)
def test_nowhere(target: bytes) -> None:
    assert relative_path(target) is None


@pytest.mark.parametrize("target", SOMEWHERE)
def test_somewhere(target: bytes) -> None:
    assert relative_path(target) == SOMEWHERE[target]


pieces = st.sampled_from(
    [b"a", b"..", b".", b"/", b"//", b"%2e", b"%2f", b"%5c", b"%00", b"%c0%ae", b"\\", b"%25", b"?"]
)


@given(st.lists(pieces, max_size=12).map(lambda parts: b"/" + b"".join(parts)))
def test_whatever_is_asked_the_path_stays_inside(target: bytes) -> None:
    path = relative_path(target)
    if path is not None:
        normal = posixpath.normpath(b"/served/" + path)
        assert normal == b"/served" or normal.startswith(b"/served/")
        assert b"\0" not in path
        assert not path.startswith(b"/")
        assert b".." not in path.split(b"/")


@given(st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=20))
def test_every_quoted_name_comes_back(name: str) -> None:
    raw = name.encode()
    quoted = b"".join(b"%%%02x" % byte for byte in raw)
    path = relative_path(b"/" + quoted)
    segments = raw.split(b"/")
    clean = not any(s.startswith(b".") or b"\0" in s or b"\\" in s for s in segments)
    if clean and all(segments):
        assert path == unquote_to_bytes(quoted)
