"""Whether a server was warm, and where its answer came from: true, and said in words."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from fivefold import Settings
from fivefold.errors import TraceFailed
from fivefold.serving import MODELS
from fivefold.tracing.report.html.page import as_html
from fivefold.tracing.report.terminal import timeline
from fivefold.tracing.request.session import WARM_UP, Session
from fivefold.tracing.steps.assembling import NOT_SENT, NOT_THERE


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "small").write_bytes(bytes(5000))
    return tmp_path


def traced(folder: Path, *options: str) -> tuple[dict[str, Any], str]:
    """The JSON form and the terminal's, by the command."""
    result = folder / "trace.json"
    command = [sys.executable, "-m", "fivefold", "trace", str(folder), "/small"]
    done = subprocess.run(
        [*command, "--unprivileged", "--json", str(result), *options],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    said = f"fivefold: written to {result}\n"
    assert done.stderr == said, "its server comes and goes unmentioned"
    trace: dict[str, Any] = json.loads(result.read_text())
    return trace, " ".join(done.stdout.split())


@pytest.mark.parametrize("serving", MODELS)
def test_the_process_that_serves_it_is_warm_by_default(serving: str, folder: Path) -> None:
    trace, said = traced(folder, "--serving", serving)
    assert trace["request"]["before"] == WARM_UP
    assert f"a warm server: {WARM_UP} requests before" in said
    assert trace["request"]["from_memory"]
    assert "the answer came from memory: no file was opened" in said


@pytest.mark.parametrize("serving", MODELS)
def test_the_first_request_of_a_fresh_process_is_shown_where_one_asks(
    serving: str, folder: Path
) -> None:
    trace, said = traced(folder, "--serving", serving, "--first")
    assert trace["request"]["before"] == 0
    assert "the first request of a fresh process" in said
    assert trace["steps"][3]["happened"]
    assert "from memory" not in said


@pytest.mark.parametrize("serving", MODELS)
def test_a_cold_file_is_read_by_a_warm_server(serving: str, folder: Path) -> None:
    trace, said = traced(folder, "--serving", serving, "--cold")
    assert trace["request"]["before"] == WARM_UP
    assert not trace["request"]["from_memory"]
    assert "from memory" not in said
    seen = {one["event"] for one in trace["steps"][3]["evidence"]}
    assert {"open.enter", "open.exit"} <= seen, "the server had forgotten the file"


@pytest.mark.parametrize("serving", MODELS)
def test_an_application_s_answer_is_made_anew_each_time(serving: str, folder: Path) -> None:
    (folder / "hello.py").write_text(
        "def app(environ, start):\n"
        '    start("200 OK", [("Content-Length", "5")])\n'
        '    return [b"hello"]\n'
    )
    settings = Settings(target="hello:app", chdir=str(folder), serving=serving)
    with Session(settings, privileged=False) as session:
        trace = session.request("/", before=2)
    assert not trace.request["from_memory"]
    assert "an application answered" in str(trace.steps[3].why_not)
    assert "from memory:" not in timeline(trace, colour=False)


def test_a_file_that_is_opened_in_vain_was_asked_for(folder: Path) -> None:
    (folder / "large").write_bytes(bytes(300_000))  # too large to be kept in memory
    with Session(Settings(target=str(folder), serving="async")) as session:
        missing = session.request("/missing")
        head = session.request("/large", method="HEAD")
    for trace, why in ((missing, NOT_THERE), (head, NOT_SENT)):
        asked, *others = trace.steps[3:8]
        assert asked.happened
        assert any(one.event == "open.exit" for one in asked.evidence)
        assert {step.why_not for step in others} == {why}


def test_first_and_warm_up_contradict(folder: Path) -> None:
    command = [sys.executable, "-m", "fivefold", "trace", str(folder), "/small"]
    done = subprocess.run(
        [*command, "--first", "--warm-up", "3"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 2
    assert "give one of the two" in done.stderr


def test_the_forms_say_it(folder: Path) -> None:
    with Session(Settings(target=str(folder)), privileged=False) as session:
        first = session.request("/small")
        second = session.request("/small", before=1)
    for words, trace in (("The first request of a fresh process", first), ("2 requests", second)):
        assert words in as_html(trace)
        assert words[1:] in timeline(trace, colour=False)
    assert "The answer came from memory" in as_html(second)
    assert "The answer came from memory" not in as_html(first)


def test_a_server_that_closes_each_connection_is_warm_all_the_same(folder: Path) -> None:
    settings = Settings(target=str(folder), serving="async")
    with Session(settings, privileged=False) as session:
        refused = session.request("/a b", before=1).request
    assert (refused["status"], refused["before"]) == (400, 1)


def test_what_fails_is_asked_once_before(tmp_path: Path) -> None:
    """An application that raises says so each time, with where."""
    asked = tmp_path / "asked"

    def failing(environ: dict[str, Any], start: Callable[..., Any]) -> list[bytes]:
        with asked.open("a") as file:
            file.write("x")
        raise RuntimeError("for the test")

    with Session(Settings(target=failing, serving="thread"), privileged=False) as session:
        with pytest.raises(TraceFailed, match="no file to drop"):
            session.request("/", before=WARM_UP, cold=True)
        assert not asked.exists()
        trace = session.request("/", before=WARM_UP)
    assert (trace.request["status"], trace.request["before"]) == (500, 1)
    assert asked.read_text() == "xx"
