"""What `make dist` builds: it installs without an index, says what it is, and is all there."""

from __future__ import annotations

import email.message
import email.parser
import os
import re
import runpy
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

import fivefold
from support.clone import copied
from support.project_files import found, in_git, project_files

ROOT = Path(__file__).resolve().parents[2]
SOURCE = Path(fivefold.__file__).parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]

ADDRESS = "https://example.org/fivefold/fivefold"
"""Where the source might be seen."""

SUBSET = [
    "tests/architecture/test_names.py",
    "tests/cli/habits/test_suggestions.py",
    "tests/cli/manual/test_help_pages.py",
    "tests/configuration",
    "tests/contract/test_stream.py",
    "tests/http1/test_chunked.py",
    "tests/pages",
    "tests/pairs/test_pairs_unix.py",
]
"""Tests that an unpacked source distribution passes: some of each kind, and those that ask which
files there are."""

ONE_PAIR = "not (process or thread or poll or select or sigio or posix or nonblocking)"

RELATIVE = re.compile(r"\]\((?!https?://)[^)]*\)")


def run(*words: str | Path, cwd: Path = ROOT, **environment: str) -> str:
    done = subprocess.run(
        list(map(str, words)),
        cwd=cwd,
        env={
            **os.environ,
            "PIP_NO_INDEX": "1",
            "PIP_DISABLE_PIP_VERSION_CHECK": "1",
            **environment,
        },
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder with both, made as `make dist` does: the wheel from the source distribution."""
    clone = copied(tmp_path_factory.mktemp("clone"))
    run(sys.executable, "-m", "build", "--no-isolation", cwd=clone)
    return clone / "dist"


@pytest.fixture(scope="module")
def installed(built: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that stands before all others on the path, and has the wheel and nothing else."""
    folder = tmp_path_factory.mktemp("installed")
    wheel = next(built.glob("*.whl"))
    run(sys.executable, "-m", "pip", "install", "--no-deps", "--target", folder, wheel)
    return folder


@pytest.fixture(scope="module")
def from_source(built: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """As `installed`, of the source distribution: pip builds it, with the tools that are here."""
    folder = tmp_path_factory.mktemp("from_source")
    words = ["--no-deps", "--no-build-isolation", "--target", str(folder)]
    run(sys.executable, "-m", "pip", "install", *words, next(built.glob("*.tar.gz")))
    return folder


def metadata(built: Path) -> email.message.Message:
    with zipfile.ZipFile(next(built.glob("*.whl"))) as wheel:
        name = next(n for n in wheel.namelist() if n.endswith(".dist-info/METADATA"))
        return email.parser.Parser().parsestr(wheel.read(name).decode())


def test_the_wheel_has_every_file_of_the_package(built: Path) -> None:
    files = {f.relative_to(SOURCE.parent).as_posix() for f in SOURCE.rglob("*") if f.is_file()}
    files = {name for name in files if "__pycache__" not in name}
    with zipfile.ZipFile(next(built.glob("*.whl"))) as wheel:
        there = {name for name in wheel.namelist() if ".dist-info/" not in name}
        infos = {name.rpartition("/")[2] for name in wheel.namelist() if ".dist-info/" in name}
    assert there == files
    assert {"METADATA", "RECORD", "LICENSE", "entry_points.txt"} <= infos


def test_it_says_what_it_is(built: Path) -> None:
    said = metadata(built)
    assert (said["Name"], said["Version"]) == ("fivefold", fivefold.__version__)
    assert said["Requires-Python"] == ">=3.11"
    assert (said["License-Expression"], said["License-File"]) == ("MIT", "LICENSE")
    assert set(said.get_all("Classifier") or []) == set(PROJECT["classifiers"])
    assert set(said.get_all("Provides-Extra") or []) == set(PROJECT["optional-dependencies"])
    assert said["Description-Content-Type"] == "text/markdown"


def test_its_description_has_no_link_that_leads_nowhere(built: Path) -> None:
    text = str(metadata(built).get_payload())
    assert text.startswith("# Fivefold\n")
    assert "fivefold compare examples/site" in text
    assert RELATIVE.findall(text) == []


def test_with_an_address_all_its_links_lead_there() -> None:
    described: Callable[[str, str, str], str] = runpy.run_path(
        str(ROOT / "release" / "metadata.py")
    )["described"]
    text = described((ROOT / "README.md").read_text(), ADDRESS, "1.2.3")
    assert RELATIVE.findall(text) == []
    assert (
        f"![A trace: eleven steps from the client to the disk and back]({ADDRESS}/raw/v1.2.3/"
        in text
    )
    assert f"[HACKING.md]({ADDRESS}/blob/v1.2.3/HACKING.md)" in text


def test_installed_from_the_file_it_runs(installed: Path, tmp_path: Path) -> None:
    (tmp_path / "site").mkdir()
    (tmp_path / "site" / "index.html").write_text("hello")
    where = "import fivefold; print(fivefold.__file__)"
    python = [sys.executable, "-W", "error"]
    env = {"PYTHONPATH": str(installed)}
    assert run(*python, "-c", where, cwd=tmp_path, **env).startswith(str(installed))
    assert "async + multiplexing" in run(*python, "-m", "fivefold", "models", cwd=tmp_path, **env)
    page = tmp_path / "trace.html"
    trace = ["-m", "fivefold", "trace", "site", "/", "--unprivileged", "--html", str(page)]
    run(*python, *trace, cwd=tmp_path, **env)
    assert "<!doctype html>" in page.read_text().lower()  # the templates came along


def test_the_source_distribution_is_installed_and_passes_its_tests(
    built: Path, from_source: Path, tmp_path: Path
) -> None:
    """Its tests meet the package that pip has installed, whatever else lies there."""
    with tarfile.open(next(built.glob("*.tar.gz"))) as archive:
        archive.extractall(tmp_path, filter="data")
    (folder,) = tmp_path.iterdir()
    for name in [
        "README.md",
        "HACKING.md",
        "docs/design.md",
        "examples/site/index.html",
        "Makefile",
    ]:
        assert (folder / name).exists(), name
    env = {"PYTHONPATH": str(from_source)}
    where = "import fivefold; print(fivefold.__file__)"
    assert run(sys.executable, "-c", where, cwd=folder, **env).startswith(str(from_source))
    words = ["-m", "pytest", "-q", "-p", "no:cacheprovider", "-k", ONE_PAIR, *SUBSET]
    said = run(sys.executable, *words, cwd=folder, **env)
    assert re.search(r"^\d{3,} passed", said, re.MULTILINE), said
    assert "skipped" not in said


def test_where_there_is_no_git_the_same_files_are_found() -> None:
    """An unpacked source distribution has none."""
    if not (ROOT / ".git").exists():
        pytest.skip("this is an unpacked source distribution")
    assert found(ROOT) == in_git(ROOT)


def test_the_source_distribution_has_every_file_of_the_project(built: Path) -> None:
    with tarfile.open(next(built.glob("*.tar.gz"))) as archive:
        names = {Path(*Path(name).parts[1:]) for name in archive.getnames()}
    assert names == {*project_files(ROOT), Path("PKG-INFO")}


@pytest.mark.parametrize(
    ("option", "library"),
    [
        ("--reload", "watchfiles"),
        ("--otel", "opentelemetry-sdk"),
        ("--auth=users", "bcrypt"),
    ],
)
def test_a_missing_extra_is_one_line_that_names_the_library(
    option: str, library: str, tmp_path: Path
) -> None:
    """From a clone and from a package alike: pip takes the library's own name."""
    (tmp_path / "users").write_text("a:$2y$05$" + "x" * 53 + "\n")
    (tmp_path / "shop.py").write_text("def app(environ, start_response): ...\n")
    without = (
        "import sys; sys.modules.update(dict.fromkeys(['watchfiles', 'bcrypt',"
        " 'opentelemetry.sdk', 'opentelemetry.sdk.trace']))\n"
        "from importlib import util; find = util.find_spec\n"
        "def found(name, *a):\n"
        "    return None if sys.modules.get(name, 0) is None else find(name, *a)\n"
        "util.find_spec = found\n"
        "from fivefold.cli import main; main()"
    )
    words = [sys.executable, "-c", without, "serve", "shop:app", option, "--check-config"]
    done = subprocess.run(words, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert len(done.stderr.splitlines()) == 1
    assert re.search(rf"is not installed: pip install .*{library}", done.stderr)
