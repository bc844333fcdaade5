"""Every command of README.md and docs/ does what it says, in a clone of the project."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from support.document_shell import Block, Shell, blocks

ROOT = Path(__file__).resolve().parents[2]
AT_THE_TOP = ("README.md", "README.zh-CN.md", "CONTRIBUTING.md")
DOCUMENTS = sorted([*(ROOT / name for name in AT_THE_TOP), *(ROOT / "docs").glob("*.md")])
"""Those of docs/learn are for `test_learn`."""
WITH_COMMANDS = [d for d in DOCUMENTS if any(block.commands() for block in blocks(d))]

NOT_RUN = {
    "make test": "this test is a part of it",
    "make check": "CI runs it first",
    "make serve": "it makes an environment; what it runs then is `fivefold serve examples/site`",
}

COMMAND = re.compile(r"(\$ )?(fivefold|pip|make|curl|strace|mkdir|python3?|pgrep|kill) [^:=]*$")
"""What looks like a command, and must be in a block that is run."""


@pytest.mark.parametrize("document", WITH_COMMANDS, ids=lambda d: d.name)
def test_its_commands_do_what_it_says(document: Path, clone: Path, shell: Shell) -> None:
    for block in blocks(document):
        if block.language == "console":
            shell.end_jobs()
        for command in block.commands():
            if command.startswith("pip "):
                offered(command, clone)
            elif command.split("  ")[0].strip() not in NOT_RUN:
                status, said = shell.run(command)
                assert status == 0, f"{command}\n{said.decode(errors='replace')}"


def offered(command: str, clone: Path) -> None:
    """pip would install it: it is there, and so are its extras."""
    words = command.split("#", maxsplit=1)[0].replace("'", "").split()[1:]
    pip = [sys.executable, "-m", "pip", *words, "--dry-run", "--quiet", "--no-deps"]
    ended = subprocess.run(pip, cwd=clone, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr
    assert "does not provide the extra" not in ended.stderr


def written(block: Block, clone: Path) -> Path:
    """A file as the document shows it, under the name in its first line or one of ours."""
    name = block.lines[0].removeprefix("# ") if block.lines[0].startswith("# ") else "shown.py"
    file = clone / name
    file.write_text("\n".join(block.lines) + "\n")
    return file


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda d: d.name)
def test_its_files_are_right(document: Path, clone: Path, shell: Shell) -> None:
    for block in blocks(document):
        if block.language == "sh" and block.lines[0].startswith("mkdir "):
            assert shell.run(block.lines[0])[0] == 0
        elif block.language == "toml":
            file = written(block, clone).relative_to(clone)
            status, said = shell.run(f"fivefold serve --config {file} --check-config")
            assert status == 0, said
        elif block.language == "python":
            file = written(block, clone).relative_to(clone)
            tested = any(line.startswith("def test_") for line in block.lines)
            command = f"python {'-m pytest -q ' if tested else ''}{file}"
            serves = any("fivefold.serve(" in line for line in block.lines)
            status, said = shell.run(command, silent=serves)
            assert status == 0, said


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda d: d.name)
def test_whatever_looks_like_a_command_is_run(document: Path) -> None:
    for block in blocks(document):
        if not block.commands() and block.language not in {"python", "toml", "text", "json5"}:
            assert not [line for line in block.lines if COMMAND.match(line)], block.language


def test_the_commands_that_ci_runs_by_itself_are_there() -> None:
    commands = [c for block in blocks(ROOT / "README.md") for c in block.commands()]
    named = {command.split("  ")[0] for command in commands}
    assert named >= {"make serve", "make test"}
