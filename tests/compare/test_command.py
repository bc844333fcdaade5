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
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from fivefold.cli import compare as command
from fivefold.cli import main
from fivefold.compare.measure.competition import QUIET, Competition
from fivefold.compare.plan.schedule import Plan
from fivefold.compare.session import Wishes, compared, planned
from fivefold.errors import CompareFailed
from fivefold.server.settings import Settings

Capture = pytest.CaptureFixture[str]

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


def said_before(
    plan: Plan, seconds: float | None, monkeypatch: pytest.MonkeyPatch, capsys: Capture
) -> str:
    monkeypatch.setattr(command, "wishes", lambda *_: None)
    monkeypatch.setattr(command, "planned", lambda *_: plan)
    monkeypatch.setattr(command, "compared", lambda *_: {})
    command.measured("site", {"seconds": seconds})
    return capsys.readouterr().err


def test_what_the_time_suffices_for_is_said_before_it_has_passed(
    small: Path, monkeypatch: pytest.MonkeyPatch, capsys: Capture
) -> None:
    def said(seconds: float | None, competition: Competition = QUIET, **wished: Any) -> str:
        wishes = Wishes(Settings(target=str(small)), budget_s=seconds, **wished)
        plan = planned(wishes, lambda _: competition)
        return said_before(plan, seconds, monkeypatch, capsys)

    two: dict[str, Any] = {"serving": ("async",), "io": ("poll", "epoll")}
    assert "15 rows in 1 round take about" in said(1)
    assert "; 1 s are too few for them; so few rounds can show no difference, 12 can" in said(1)
    assert "there is no time for the crash and the hang of the chapter's claims" in said(1)
    assert "2 rows in 12 rounds take about 0:10; Ctrl-C" in said(10, **two)
    assert "too few" not in said(10, **two)
    assert "3 rounds take about" in said(1, rounds=3, **two)
    assert "not compared: gunicorn: it serves wsgi, not static" in said(9, against=("gunicorn",))
    busy = said(10, Competition(0.6, 2.0), **two)
    assert "the machine is busy: other programs have 60 % of the cores' time" in busy
    assert "fewer rounds fit" in busy
    assert "it takes longer" in said(9, Competition(0.6, 2.0), rounds=5, **two)


def test_where_no_answer_is_right_nothing_else_is_tried(small: Path) -> None:
    """Neither a second start nor the chapter's claims, which take as long as a comparison."""
    steps: list[str] = []
    wishes = Wishes(Settings(target=str(small)), io=("epoll",), paths=("/nowhere",))
    with pytest.raises(CompareFailed, match=r"GET /nowhere is answered with 404: .* --paths$"):
        compared(planned(wishes), "it", steps.append)
    names = ("process+epoll", "thread+epoll", "async+epoll")
    assert steps == [f"starting: {name}" for name in names]

    wishes = Wishes(Settings(target=str(small)), ("async",), ("epoll",), scenarios=("blocking",))
    wishes = replace(wishes, special={"blocking": "/nowhere"})
    with pytest.raises(CompareFailed, match=r"another path .* --path-for blocking=/PATH$"):
        compared(planned(wishes), "it", steps.append)


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
    done = CliRunner().invoke(main, ["compare", str(small), *words])

    assert done.exit_code == 2
    assert done.stdout == ""
    assert done.stderr.count("\n") == 1
    assert said in done.stderr


def test_a_target_that_is_not_there_is_reported() -> None:
    done = compare("/nowhere")
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
