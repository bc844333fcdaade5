"""The table of `make reliability`: what it tries, what it prints, what it calls a miss."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
sys.path.append(str(ROOT))

import reliability.run as table  # noqa: E402 - found on the path that is just made
from reliability.outcome import Outcome, Row, Trial  # noqa: E402
from reliability.rows import ROWS  # noqa: E402
from reliability.servers import SERVERS  # noqa: E402

LONGEST_S = 30 * 60
"""What the whole table may take."""

STARTING_S = 2.0
"""What a trial takes besides."""


def row(act: Callable[[Trial], Outcome], *, seconds: float = 60.0) -> Row:
    return Row(
        "sample", "something is done", "nothing is lost", act, seconds, ("async",), ("uvicorn",)
    )


@pytest.fixture
def only(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    def replace(*rows: Row) -> None:
        monkeypatch.setattr(table, "ROWS", rows)
        monkeypatch.setattr("os.geteuid", lambda: 0)

    return replace


def test_all_rows_have_names_of_their_own_and_known_servers() -> None:
    assert len({row.name for row in ROWS}) == len(ROWS)
    assert {name for row in ROWS for name in (*row.ours, *row.peers)} <= set(SERVERS)
    assert all(SERVERS[name].ours for row in ROWS for name in row.ours)
    assert not any(SERVERS[name].ours for row in ROWS for name in row.peers)


def test_the_whole_table_takes_less_than_30_minutes() -> None:
    rows = [row for row in ROWS if not row.long]
    ours = sum((row.seconds + STARTING_S) * len(row.ours) for row in rows)
    peers = sum((row.peer_seconds + STARTING_S) * len(row.peers) for row in rows)
    assert ours + peers < LONGEST_S


def test_every_row_stands_in_the_document() -> None:
    document = (ROOT / "docs" / "reliability.md").read_text()
    assert re.findall(r"^\| `([a-z]+)` \|", document, re.MULTILINE) == [row.name for row in ROWS]


def test_a_miss_of_ours_is_the_status(only: Callable[..., None]) -> None:
    only(row(lambda trial: Outcome({"lost": "1"}, ["1 lost"] if trial.server == "async" else [])))
    assert table.main([]) == 1


def test_a_miss_of_a_peer_is_no_status(
    only: Callable[..., None], capsys: pytest.CaptureFixture[str]
) -> None:
    only(row(lambda trial: Outcome({"lost": "1"}, ["1 lost"] if trial.server == "uvicorn" else [])))
    assert table.main([]) == 0
    assert "uvicorn           lost 1; MISSED: 1 lost" in capsys.readouterr().out


def test_a_trial_that_fails_is_a_miss_and_the_next_is_tried(
    only: Callable[..., None], capsys: pytest.CaptureFixture[str]
) -> None:
    def act(trial: Trial) -> Outcome:
        raise TimeoutError("never: an answer")

    only(row(act))
    assert table.main([]) == 1
    assert capsys.readouterr().out.count("never: an answer") == 2


def test_counts_shrink_with_the_time(only: Callable[..., None], tmp_path: Path) -> None:
    seen = []

    def act(trial: Trial) -> Outcome:
        seen.append((trial.server, trial.seconds, trial.share))
        assert not list(trial.folder.iterdir())
        return Outcome({"lost": "0"})

    only(row(act))
    written = tmp_path / "table.md"
    assert table.main(["--seconds", "6", "--markdown", str(written)]) == 0
    assert seen == [("async", 6.0, 0.1), ("uvicorn", 6.0, 0.1)]
    assert "| sample: something is done | async | lost 0 | nothing is lost |" in written.read_text()


def test_what_takes_too_long_is_measured_when_it_is_asked_for(
    only: Callable[..., None], capsys: pytest.CaptureFixture[str]
) -> None:
    only(replace(row(lambda trial: Outcome({"cycles": trial.server})), long=True))
    assert table.main([]) == 0
    assert "cycles" not in capsys.readouterr().out
    assert table.main(["sample"]) == 0
    assert "cycles async" in capsys.readouterr().out


def test_an_unknown_row_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        table.main(["hupp"])
    assert "hupp: choose from hup, " in capsys.readouterr().err
