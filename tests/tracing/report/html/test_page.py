"""The page, read as text: what is in it, and that nothing from a trace becomes markup."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from html import unescape
from html.parser import HTMLParser

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fivefold.tracing.model import Evidence, Trace
from fivefold.tracing.report.html.page import as_html
from support.hand_made.traces import KINDS, all_io, cold_file, warm_file

HOSTILE = "/</script><script>document.title='taken'</script><img src=x onerror=alert(1)>\"'&$json"
KIND = pytest.mark.parametrize("kind", KINDS)


class Tags(HTMLParser):
    """Which elements a page has, with the names of their attributes; and that all end."""

    EMPTY = frozenset({"meta", "link", "input"})

    def __init__(self, page: str) -> None:
        super().__init__()
        self.found: list[tuple[str, tuple[str, ...]]] = []
        self.open: list[str] = []
        self.feed(page)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, tuple(name for name, _ in attrs)))
        if tag not in self.EMPTY:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, tuple(name for name, _ in attrs)))


def embedded(page: str) -> object:
    found = re.search(
        r'<script type="application/json" id="traces">(.*?)</script>', page, re.DOTALL
    )
    assert found
    return json.loads(found[1])


@KIND
def test_the_page_is_well_formed(kind: str) -> None:
    assert Tags(as_html(KINDS[kind]())).open == []


@KIND
def test_every_step_is_a_row_with_its_name_as_header(kind: str) -> None:
    trace = KINDS[kind]()
    page = as_html(trace)
    for step in trace.steps:
        assert f'id="trace-0-step-{step.step}"' in page
        assert f'<th scope="row">{step.name}</th>' in unescape(page)
        assert step.happened or f"no time of its own: {step.why_not}" in unescape(page)
    assert page.count('<th scope="col"') == 7 + 3


@KIND
def test_the_data_are_in_the_page(kind: str) -> None:
    trace: Trace = KINDS[kind]()
    assert embedded(as_html(trace)) == json.loads(json.dumps([trace.as_json()]))


def test_nothing_comes_from_elsewhere() -> None:
    page = as_html(all_io())
    assert re.findall(r'(?:https?:)?//[^\s"]+', page) == []
    assert "@import" not in page
    assert re.findall(r'\b(?:src|href)="(?!data:,")', page) == []
    assert "default-src 'none'" in page


@pytest.mark.parametrize("field", ["target", "notes", "pair"])
def test_what_a_trace_says_is_text(field: str) -> None:
    hostile = {
        "target": HOSTILE,
        "notes": (HOSTILE,),
        "pair": {"serving": HOSTILE, "io": HOSTILE, "engine": HOSTILE},
    }
    taken = Tags(as_html([cold_file(**{field: hostile[field]}), warm_file()])).found
    clean = Tags(as_html([cold_file(notes=("a note",)), warm_file()])).found
    if field != "notes":
        clean = Tags(as_html([cold_file(), warm_file()])).found
    assert taken == clean


@given(st.text())
def test_any_target_leaves_the_data_whole(target: str) -> None:
    trace = cold_file(target=target)
    assert embedded(as_html(trace)) == json.loads(json.dumps([trace.as_json()]))


def test_several_traces_are_compared_and_chosen_from() -> None:
    page = as_html(all_io())
    assert "Side by side" in page
    assert page.count("<option ") == 5
    assert page.count("<table") == 1 + 2 * 5
    assert "Side by side" not in as_html(cold_file())


def test_long_evidence_is_cut_in_the_table_and_whole_in_the_data() -> None:
    seen = [Evidence("tracefs", "tcp:tcp_probe", 1.0, "field=1 " * 100)] * 9
    trace = cold_file()
    first = replace(trace.steps[0], evidence=tuple(seen))
    page = as_html(replace(trace, steps=(first, *trace.steps[1:])))
    assert "<li>and 3 more</li>" in page
    assert "field=1 …)" in page
    assert "; and 3 more." in page
    assert page.count("field=1 " * 100) == 9


def test_no_trace_is_an_error() -> None:
    with pytest.raises(ValueError, match="no trace"):
        as_html([])


def test_bytes_that_are_no_text_leave_the_page_writable() -> None:
    page = as_html(cold_file(target="/\udcff"))
    assert "/\\udcff" in page
    page.encode()
