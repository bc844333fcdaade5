"""A package of its own adds an I/O model: it is one of all, and a broken one harms nobody."""

from __future__ import annotations

import os
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from fivefold.iomodels import ENGINES, choices, engines, models

ROOT = Path(__file__).resolve().parents[2]
EXAMPLE = ROOT / "examples" / "lookout"

SUITES = [
    "tests/pairs/test_pairs.py",
    "tests/contract/test_stream.py",
    "tests/contract/test_deadlines.py",
    "tests/contract/test_waking.py",
    "tests/contract/test_turns.py",
    "tests/contract/test_accepting.py",
]
"""What each engine must pass; every suite that makes its cases by `engines()` has this one too."""

BROKEN = {
    "gone": ("no_such_module:Model", "No module named 'no_such_module'"),
    "no-class": ("json:dumps", "is no class derived from IOModel"),
    "half": ("half:Half", "lacks __init__, available, close, connection, listener, "),
    "other": ("lookout:Lookout", "calls itself lookout:lookout, its entry point says other"),
}
"""By the name of their entry point: what it points to, and what is said of it."""


def install(folder: Path, name: str, points: dict[str, str]) -> None:
    """What pip would write of a package's metadata."""
    info = folder / f"{name}-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
    lines = [f"{word} = {value}" for word, value in points.items()]
    (info / "entry_points.txt").write_text("\n".join(["[fivefold.iomodels]", *lines, ""]))


@pytest.fixture
def packages(tmp_path: Path) -> Path:
    """A folder outside of the tree in which the example is installed."""
    folder = tmp_path / "packages"
    project = tomllib.loads((EXAMPLE / "pyproject.toml").read_text())["project"]
    install(folder, "fivefold_lookout", project["entry-points"]["fivefold.iomodels"])
    (folder / "lookout.py").write_text((EXAMPLE / "lookout.py").read_text())
    return folder


def python(packages: Path, *words: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": str(packages), "PYTHONDONTWRITEBYTECODE": "1"}
    environment.pop("FIVEFOLD_CI", None)  # what is skipped there is skipped in its own suite
    return subprocess.run(
        [sys.executable, *words],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )


def test_ours_are_there_without_any() -> None:
    assert set(ENGINES) <= set(engines())
    assert models()[:5] == ["blocking", "nonblocking", "multiplexing", "sigio", "aio"]


def test_the_pairs_and_the_contract_hold_with_a_model_from_outside(packages: Path) -> None:
    done = python(
        packages, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-k", "lookout", *SUITES
    )
    assert done.returncode == 0, done.stdout[-4000:]
    assert "skipped" not in done.stdout


def test_it_has_its_word_everywhere(packages: Path) -> None:
    done = python(packages, "-m", "fivefold", "models")
    assert "  async + lookout          available (lookout)\n" in done.stdout
    assert "waits in clock_nanosleep(2) between two looks" in done.stdout
    said = python(packages, "-m", "fivefold", "serve", "--io", "lookout", "--print-config")
    assert 'io = "lookout"' in said.stdout
    words = ["examples/site", "/", "--io", "lookout", "--unprivileged"]
    traced = python(packages, "-m", "fivefold", "trace", *words)
    assert "async x lookout" in traced.stdout, traced.stderr
    everything = python(packages, "-m", "fivefold", "trace", *words[:2], "--all-io", words[-1])
    assert "  lookout  " in everything.stdout, everything.stderr
    offered = "from fivefold.lab.io_options import options; print([o.word for o in options()])"
    assert "'lookout'" in python(packages, "-c", offered).stdout
    assert "lookout" not in choices()  # here it is not installed


@pytest.mark.parametrize("word", BROKEN)
def test_a_broken_package_harms_only_who_asks_for_it(packages: Path, word: str) -> None:
    (packages / "half.py").write_text(
        "from fivefold.iomodels.interface import IOModel, Traits\n"
        "class Half(IOModel):\n"
        "    name = engine = 'half'\n"
        "    traits = Traits(True, '', '', '', '')\n"
    )
    install(packages, "broken_models", {name: value for name, (value, _) in BROKEN.items()})
    asked = python(packages, "-m", "fivefold", "serve", "--io", word, "--check-config")
    assert asked.returncode == 1
    assert asked.stderr.startswith(f"fivefold: io: {word} cannot run here: ")
    assert BROKEN[word][1] in asked.stderr
    assert "package broken" in asked.stderr.replace("_", "-").replace("broken-models", "broken")
    assert "Traceback" not in asked.stderr
    others = python(packages, "-m", "fivefold", "serve", "--io", "epoll", "--check-config")
    assert others.returncode == 0
    assert others.stderr.count("\n") == 1, "nothing but that the settings are right"


def test_our_words_stay_ours(packages: Path) -> None:
    install(packages, "a_thief", {"epoll": "lookout:Lookout", "multiplexing:poll": "x:y"})
    done = python(packages, "-m", "fivefold", "models")
    assert done.stdout.count("multiplexing:epoll") == 1
    assert "waits in epoll_wait(2)" in done.stdout
