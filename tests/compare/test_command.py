"""`fivefold compare` from outside: what it prints and writes, and what it leaves behind."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from fivefold.cli import compare as command

FIVEFOLD = (sys.executable, "-m", "fivefold", "compare")


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("small")
    (folder / "a.html").write_text("a" * 1000)
    (folder / "b.html").write_text("b" * 500)
    return folder


@pytest.fixture
def nothing_left() -> Iterator[dict[str, str]]:
    """An environment by which all processes below are known; afterwards there are none."""
    with tempfile.TemporaryDirectory() as folder:
        mark = f"COMPARED_BY={os.getpid()}"
        yield {**os.environ, "TMPDIR": folder, "COMPARED_BY": str(os.getpid())}
        assert os.listdir(folder) == []
        assert marked(mark.encode()) == []


def marked(mark: bytes) -> list[bytes]:
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            if mark in (folder / "environ").read_bytes().split(b"\0"):
                found.append((folder / "cmdline").read_bytes())
        except OSError:
            continue  # it ended meanwhile, or is not ours to read
    return found


def compare(
    *words: str, environment: dict[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*FIVEFOLD, *words], capture_output=True, text=True, check=False, env=environment
    )


def test_two_pairs_are_measured_and_nothing_is_left(
    small: Path, tmp_path: Path, nothing_left: dict[str, str]
) -> None:
    out = tmp_path / "result.json"
    chosen = (
        "--serving",
        "thread,async",
        "--io",
        "multiplexing",
        "--seconds",
        "2",
        "--rounds",
        "3",
    )
    done = compare(str(small), *chosen, "--json", str(out), environment=nothing_left)

    assert done.returncode == 0, done.stderr
    assert "thread+multiplexing" in done.stdout
    assert "fivefold serve" in done.stdout
    assert "left" in done.stderr
    found = json.loads(out.read_text())
    assert found["schema"] == 2
    assert [row["name"] for row in found["rows"]] == ["thread+multiplexing", "async+multiplexing"]
    for row in found["rows"]:
        check(row)
    assert found["paths"] == ["/a.html", "/b.html"]


@pytest.mark.skipif(shutil.which("h2load") is None, reason="needs h2load")
def test_pairs_are_measured_over_http2(small: Path, tmp_path: Path) -> None:
    out = tmp_path / "result.json"
    chosen = ("--serving", "async", "--io", "epoll", "--seconds", "2", "--rounds", "2")
    done = compare(str(small), *chosen, "--http", "2", "--json", str(out))

    assert done.returncode == 0, done.stderr
    assert "--serving async --io epoll --h2c" in done.stdout
    found = json.loads(out.read_text())
    assert found["load"] == "h2load"
    (row,) = (row for row in found["rows"] if row["name"] == "async+epoll")
    # On a busy machine h2load may not get to its second at all.
    assert row["requests_per_s"]["max"] > 0
    assert row["errors"]["max"] == row["lost"]["max"] == 0


def check(row: dict[str, Any]) -> None:
    assert row["available"]
    assert row["engine"] == "epoll"
    assert row["scenario"] == "steady"
    figures = [row["requests_per_s"], row["cpu_us_per_request"], row["pss_mib"]]
    figures += [row["context_switches_per_request"], *row["latency_ms"].values()]
    for figure in figures:
        assert 0 <= figure["min"] <= figure["median"] <= figure["max"]
    assert row["requests_per_s"]["min"] > 100
    latency = [row["latency_ms"][name]["median"] for name in ("p50", "p90", "p99", "p999", "max")]
    assert latency == sorted(latency)
    assert row["errors"]["max"] == row["lost"]["max"] == 0


def test_a_written_result_is_shown_again(small: Path, tmp_path: Path) -> None:
    out = tmp_path / "result.json"
    chosen = ("--serving", "async", "--io", "multiplexing", "--seconds", "2", "--rounds", "1")
    first = compare(str(small), *chosen, "--json", str(out))
    again = compare("--report", str(out))

    assert again.returncode == 0, again.stderr
    assert again.stdout == first.stdout


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_ctrl_c_keeps_what_is_finished_and_leaves_nothing(
    small: Path, tmp_path: Path, nothing_left: dict[str, str], number: signal.Signals
) -> None:
    out = tmp_path / "result.json"
    chosen = ("--serving", "async", "--io", "multiplexing")
    words = (*chosen, "--rounds", "1000", "--seconds", "1", "--json", str(out))
    with subprocess.Popen(
        [*FIVEFOLD, str(small), *words],
        stderr=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=nothing_left,
    ) as process:
        assert process.stderr is not None
        for line in process.stderr:
            if "round 2" in line:
                break
        process.send_signal(number)
        printed, _ = process.communicate()
    assert process.returncode == 128 + signal.SIGINT
    assert "Interrupted" in printed
    assert any(row["available"] for row in json.loads(out.read_text())["rows"])


def test_a_time_that_is_too_short_is_answered_before_it_has_passed(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(command, "wishes", lambda *_: None)
    absent = SimpleNamespace(
        name="gunicorn", serving=None, available=False, reason="it serves wsgi"
    )
    plan = SimpleNamespace(expected_s=82.0, rounds=4, steps=9, contenders=[absent])
    monkeypatch.setattr(command, "planned", lambda _: plan)
    monkeypatch.setattr(command, "compared", lambda *_: {})
    for seconds, is_said in ((2.0, True), (80.0, False), (None, False)):
        command.measured("site", {"seconds": seconds})
        said = capsys.readouterr().err
        assert "fivefold: not compared: gunicorn: it serves wsgi" in said
        assert "0 rows in 4 rounds take about 1:22" in said
        assert ("s are too few: name fewer pairs" in said) is is_said


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--serving", "fork"], "choose from process, thread, async"),
        (["--io", "kqueue"], "choose from blocking"),
        (["--io", ","], "name at least one"),
        (["--workers", "two"], "not a list of numbers"),
        (["--workers", "0"], "must be at least 1"),
        (["--scenario", "storm"], "choose from steady"),
        (["--scenario", "crash"], "--path-for crash=/PATH"),
        (["--path-for", "crash"], "not SCENARIO=/PATH"),
        (["--path-for", "steady=/"], "take --paths"),
        (["--path-for", "crash=boom"], "must begin with a slash"),
        (["--paths", "/nowhere"], "cannot read /nowhere"),
        (["--load", "siege"], "choose from own, wrk"),
        (["--http", "3"], "choose from 1.1, 2"),
        (["--http", "2", "--load", "wrk"], "wrk speaks HTTP/1.1"),
        (["--http", "2", "--against", "nginx"], "only our own pairs"),
        (["--load", "h2load"], "add --http 2"),
        (["--against", "iis"], "choose from nginx"),
        (["--against", "http://192.0.2.7"], "--i-own-this-host 192.0.2.7"),
        (["--out", "/nowhere/x.html"], "cannot write /nowhere/x.html"),
        (["--rounds", "0"], "greater than zero"),
        (["--seconds", "nan"], "greater than zero"),
        (["--json", "/nowhere/x.json"], "cannot write /nowhere/x.json"),
        (["--report", "/nowhere"], "cannot read /nowhere"),
    ],
)
def test_a_wrong_option_is_reported_in_one_line(small: Path, words: list[str], said: str) -> None:
    done = compare(str(small), *words)

    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr.count("\n") == 1
    assert said in done.stderr


def test_a_target_that_is_not_there_is_reported() -> None:
    done = compare("/nowhere")
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
