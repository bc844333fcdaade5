"""README.md: a page, links to what is there, and no figure that docs/benchmarks.md has not."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
README = ROOT / "README.md"
TEXT = README.read_text()
BENCHMARKS = (ROOT / "docs" / "benchmarks.md").read_text()

LINES = 150
"""What a stranger reads before he leaves."""

ROWS = {
    ("a file of 1 KiB", "nginx"): "1k/async+multiplexing:epoll 1k/nginx",
    ("the same, browser-sized request", "nginx"): "browser/async+multiplexing:epoll browser/nginx",
    ("the same, access log on", "nginx"): "log/epoll-log log/nginx-log",
    ("the same, over TLS", "nginx"): "tls-1k/epoll-tls tls-1k/nginx-tls",
    (
        "a new connection for each request",
        "nginx",
    ): "fresh/async+multiplexing:epoll fresh/nginx",
    ("10,000 different files", "nginx"): "files/async+multiplexing:epoll files/nginx",
    ("a file of 100 KiB", "nginx"): "100k/async+multiplexing:epoll 100k/nginx",
    (
        "a file of 1 KiB, a thread for each connection",
        "Apache, `worker`",
    ): "held/thread+blocking held/apache-worker",
    ("WSGI, in the event loop (`--inline`)", "granian"): "wsgi/wsgi-inline wsgi/wsgi-granian",
    ("WSGI, in threads", "granian"): "wsgi/wsgi-thread wsgi/wsgi-granian",
    ("WSGI, in threads", "gunicorn, `gthread`"): "wsgi/wsgi-thread wsgi/gunicorn-gthread",
    ("ASGI", "granian"): "asgi/asgi-epoll asgi/asgi-granian",
    ("ASGI", "uvicorn"): "asgi/asgi-epoll asgi/uvicorn",
    ("FastAPI", "granian"): "fastapi/fastapi-epoll fastapi/fastapi-granian",
    ("FastAPI", "uvicorn"): "fastapi/fastapi-epoll fastapi/fastapi-uvicorn",
    ("Starlette", "granian"): "starlette/starlette-epoll starlette/starlette-granian",
    ("Starlette", "uvicorn"): "starlette/starlette-epoll starlette/starlette-uvicorn",
}
"""Which rows of the benchmarks a line of README.md is about: ours, and what it is compared with."""

FIGURE = re.compile(r"^\| (.+?) \| (.+?) \| (\d\.\d\d) \| (lost)? ?\|$", re.MULTILINE)
TARGET = re.compile(
    r"^\| (\S+) +\| +[<>]= [\d.]+ x (requests/s of )?(\S+) \| +([\d.]+) \|", re.MULTILINE
)
LINK = re.compile(r"\]\(([^)#]+)(?:#[^)]*)?\)")


def measured() -> dict[str, str]:
    """By both rows; of what was measured twice the later figure."""
    return {f"{ours} {theirs}": figure for ours, _, theirs, figure in TARGET.findall(BENCHMARKS)}


def test_it_is_a_page() -> None:
    assert len(TEXT.splitlines()) < LINES


@pytest.mark.parametrize("document", [README, ROOT / "README.zh-CN.md"], ids=lambda d: d.name)
def test_its_links_lead_to_what_is_there(document: Path) -> None:
    local = [link for link in LINK.findall(document.read_text()) if "://" not in link]
    assert local
    assert [link for link in local if not (ROOT / link).exists()] == []


def test_its_figures_are_those_of_the_benchmarks() -> None:
    figures = measured()
    said = {(what, who): (figure, lost) for what, who, figure, lost in FIGURE.findall(TEXT)}
    assert said == {
        line: (figures[rows], "lost" if float(figures[rows]) > 1 else "")
        for line, rows in ROWS.items()
    }


@pytest.mark.parametrize(
    ("rows", "sentence"),
    [
        ("websocket/websocket-epoll websocket/websocket-uvicorn", "{} of uvicorn's messages"),
        ("sleep/sleep-epoll sleep/sleep-granian", "{} of granian's requests"),
    ],
)
def test_its_sentences_too(rows: str, sentence: str) -> None:
    assert sentence.format(measured()[rows]) in TEXT


def test_its_date_and_machine_are_those_of_the_benchmarks() -> None:
    for said, there in [("2026-11-28", "date: 2026-11-28"), ("3.11.7", "python: 3.11.7")]:
        assert said in TEXT
        assert there in BENCHMARKS


ROW = re.compile(
    r"^\| (\S+) +\| +([\d.]+) \|[^|]+\|[^|]+\|[^|]+\|[^|]+\| +([\d.]+) \|", re.MULTILINE
)
"""A line of the benchmarks: the row, microseconds of processor time a request, p99."""

PAIRS = {
    "held/process+blocking": "`process` + `blocking`",
    "held/thread+blocking": "`thread` + `blocking`",
    "1k/async+multiplexing:epoll": "`async` + `multiplexing`",
    "1k/async+sigio": "`async` + `sigio`",
    "1k/async+aio:uring": "`async` + `aio`",
}


@pytest.mark.parametrize("page", ["learn/which.md", "learn/zh/which.md"])
def test_what_a_pair_costs_is_as_measured(page: str) -> None:
    lines = (ROOT / "docs" / page).read_text().splitlines()
    rows = {name: (time, p99) for name, time, p99 in ROW.findall(BENCHMARKS)}
    for row, pair in PAIRS.items():
        (line,) = [line for line in lines if line.startswith(f"| {pair}") and " us |" in line]
        assert "| {} us | {} ms |".format(*rows[row]) in line
