"""Pages: what a report brings is text in them, and what a template misses is an error."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest
from jinja2 import UndefinedError

from fivefold import pages

SOURCE = Path(pages.__file__).parents[1]


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A package of templates."""
    for name, text in {
        "__init__.py": "",
        "it.html": '<p title="{{ text }}">{{ text }}</p>{{ data|tojson }}{{ script }}',
        "it.css": "p > a {}",
        "it.js": "1 < 2 && 3",
    }.items():
        (tmp_path / "reports_of_a_test").mkdir(exist_ok=True)
        (tmp_path / "reports_of_a_test" / name).write_text(text)
    monkeypatch.syspath_prepend(tmp_path)
    return "reports_of_a_test"


def test_values_are_text_and_the_script_is_as_it_was_hashed(package: str) -> None:
    page = pages.rendered(package, "it", text="\"><script>'&", data="</script><!--")

    assert page.count("<") == 3  # the element's two ends, and our own script's comparison
    assert '"&#34;&gt;&lt;script&gt;&#39;&amp;"' in page
    assert page.endswith("1 < 2 && 3")


def test_a_value_that_is_missing_is_an_error(package: str) -> None:
    with pytest.raises(UndefinedError, match="text"):
        pages.rendered(package, "it", data=0)


@pytest.mark.parametrize("report", ["compare/report", "tracing/report"])
def test_reports_make_no_markup_by_hand(report: str) -> None:
    for module in (SOURCE / report).rglob("*.py"):
        strings = [
            node.value
            for node in ast.walk(ast.parse(module.read_text()))
            if isinstance(node, ast.Constant) and isinstance(node.value, str)
        ]
        assert not [text for text in strings if "</" in text or "/>" in text], module
