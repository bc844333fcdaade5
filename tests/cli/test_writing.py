"""What a command writes reaches its files whatever becomes of standard output, and is coloured only
where a person wants it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from fivefold.cli.writing.progress import Progress
from support.hand_made.rows import document, row

FIVEFOLD = (sys.executable, "-m", "fivefold")
ASKED = (
    sys.executable,
    "-c",
    "from fivefold.cli.writing.colour import wants_colour as w; print(w())",
)
PATIENCE_S = 60
BROKEN_PIPE, MISTAKE = 1, 2
"""The status of a command whose reader has gone, and of one that was asked for what cannot be."""


@pytest.fixture
def target(tmp_path: Path) -> Path:
    """A folder with a small file, and beside it a result of `compare`."""
    site = tmp_path / "site"
    site.mkdir()
    (site / "index.html").write_text("hello")
    (tmp_path / "result.json").write_text(json.dumps(document(row("async+multiplexing", 10))))
    return site


def run(*words: str | Path, unread: bool = False) -> subprocess.CompletedProcess[str]:
    """`unread`: standard output is a pipe whose reader has gone."""
    out, into = os.pipe()
    if unread:
        os.close(out)
    try:
        return subprocess.run(
            [*FIVEFOLD, *map(str, words)],
            stdout=into if unread else subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
            timeout=PATIENCE_S,
        )
    finally:
        os.close(into)
        if not unread:
            os.close(out)


FORMS = {
    "--json": "[{",
    "--perfetto": "[{",
    "--html": "<",
    "--out": "<",
}


@pytest.mark.parametrize("option", ["--json", "--perfetto", "--html"])
@pytest.mark.parametrize("other", [(), ("--json", "-")])
def test_a_trace_is_written_though_nobody_reads_standard_output(
    option: str, other: tuple[str, ...], target: Path, tmp_path: Path
) -> None:
    if option in other:
        other = ("--html", "-")
    file = tmp_path / "form"
    done = run("trace", target, "/", "--unprivileged", option, file, *other, unread=True)
    assert file.exists(), done.stderr
    assert file.read_text()[0] in FORMS[option]
    assert done.returncode == BROKEN_PIPE
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("option", "other"), [("--json", ()), ("--out", ()), ("--out", ("--json", "-"))]
)
def test_a_comparison_is_written_though_nobody_reads_standard_output(
    option: str, other: tuple[str, ...], target: Path, tmp_path: Path
) -> None:
    file = tmp_path / "form"
    result = tmp_path / "result.json"
    done = run("compare", target, "--report", result, option, file, *other, unread=True)
    assert file.exists(), done.stderr
    assert file.read_text()[0] in FORMS[option]
    assert "Traceback" not in done.stderr


def test_a_trace_says_nothing_but_what_it_saw(target: Path) -> None:
    done = run("trace", target, "/", "--unprivileged")
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("command", [("trace", "/"), ("compare", "--report", "result.json")])
def test_what_cannot_be_written_is_said_before_the_work(
    command: tuple[str, ...], target: Path, tmp_path: Path
) -> None:
    words = [tmp_path / word if word.endswith(".json") else word for word in command[1:]]
    done = run(command[0], target, *words, "--json", tmp_path / "nowhere" / "file")
    assert done.returncode == MISTAKE
    assert done.stdout == ""
    assert done.stderr.startswith("fivefold: json: cannot write ")


def test_a_file_of_a_command_that_failed_is_not_left_behind(target: Path, tmp_path: Path) -> None:
    file = tmp_path / "form"
    assert run("trace", target, "no-slash", "--json", file).returncode == MISTAKE
    assert not file.exists()


def test_a_named_pipe_has_the_whole_form(target: Path, tmp_path: Path) -> None:
    """It is not opened to see whether it can be: its reader would take that for all."""
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    read: list[str] = []
    reader = threading.Thread(target=lambda: read.append(pipe.read_text()))
    reader.start()
    done = run("compare", target, "--report", tmp_path / "result.json", "--json", pipe)
    assert done.returncode == 0, done.stderr
    reader.join(PATIENCE_S)
    assert json.loads(read[0])["rows"]


@pytest.mark.parametrize(
    ("variables", "colour"),
    [
        ({}, True),
        ({"NO_COLOR": ""}, True),
        ({"NO_COLOR": "0"}, False),
        ({"NO_COLOR": "1"}, False),
        ({"TERM": "dumb"}, False),
    ],
)
def test_colour_is_for_terminals_where_it_is_not_refused(
    variables: dict[str, str], *, colour: bool
) -> None:
    environment = {name: value for name, value in os.environ.items() if name != "NO_COLOR"}
    environment |= {"TERM": "xterm-256color"} | variables
    ours, theirs = os.openpty()
    try:
        subprocess.run(ASKED, stdout=theirs, env=environment, check=True, timeout=PATIENCE_S)
        assert os.read(ours, 100).decode().strip() == str(colour)
    finally:
        os.close(ours)
        os.close(theirs)
    piped = subprocess.run(ASKED, stdout=subprocess.PIPE, env=environment, check=True, timeout=60)
    assert piped.stdout.decode().strip() == "False"


def test_the_time_that_is_left_is_never_none_while_steps_are(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """On a machine that is slower than was expected, the steps say it."""
    clock = iter([0.0, 0.0, 30.0, 60.0, 90.0])
    monkeypatch.setattr("fivefold.cli.writing.progress.time.monotonic", lambda: next(clock))
    progress = Progress(10.0, steps=4)
    for step in ("a", "b", "b", "c"):
        progress.show(step)
    assert capsys.readouterr().err.splitlines() == [
        "0:10 left  a",
        "1:30 left  b",
        "1:30 left  c",
    ]
