"""Patterns for paths, against a model that tries everything."""

from __future__ import annotations

from functools import lru_cache

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fivefold.content.static.rules import Glob


@pytest.mark.parametrize(
    ("pattern", "matching", "others"),
    [
        ("*.css", [b"/a.css", b"/x/y/.css"], [b"/a.css/b", b"/acss", b"/a.css.br"]),
        ("/assets/*", [b"/assets/a"], [b"/assets/a/b", b"/assets", b"/x/assets/a"]),
        ("/assets/**", [b"/assets/a", b"/assets/a/b"], [b"/assets"]),
        ("/?.txt", [b"/a.txt"], [b"/ab.txt", b"//.txt"]),
        ("**/x", [b"/x", b"/a/b/x"], [b"/ax"]),
        ("*", [b"/a", b"/b/c"], []),
        ("a+[b].txt", [b"/a+[b].txt"], [b"/aab.txt"]),
        ("ü*", ["/übung".encode()], [b"/u"]),
    ],
)
def test_patterns(pattern: str, matching: list[bytes], others: list[bytes]) -> None:
    glob = Glob(pattern)
    assert all(map(glob.matches, matching))
    assert not any(map(glob.matches, others))


@pytest.mark.parametrize("pattern", ["", "assets/*", "a/b"])
def test_what_could_match_nothing(pattern: str) -> None:
    with pytest.raises(ValueError, match="matches nothing"):
        Glob(pattern)


@given(
    st.lists(st.sampled_from(["*", "**", "?", "a", "b", "/"]), max_size=6).map("".join),
    st.text("ab/", max_size=8),
)
def test_against_a_model(pattern: str, path: str) -> None:
    @lru_cache(None)
    def model(p: int, s: int) -> bool:
        rest = whole[p:]
        if not rest:
            return s == len(subject)
        if rest.startswith("**"):
            return model(p + 2, s) or (s < len(subject) and model(p, s + 1))
        if rest[0] == "*":
            step = s < len(subject) and subject[s] != "/" and model(p, s + 1)
            return model(p + 1, s) or step
        if s == len(subject) or (rest[0] == "?" and subject[s] == "/"):
            return False
        return rest[0] in ("?", subject[s]) and model(p + 1, s + 1)

    whole, path = "/" + pattern, "/" + path
    subject = path
    assert Glob(whole).matches(path.encode()) == model(0, 0)
