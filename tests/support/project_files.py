"""Which files are the project's: what git has or would take; in an unpacked source distribution,
where there is no git, all but what tools have made since."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

MADE = {
    ".git",
    ".hypothesis",
    ".import_linter_cache",
    ".mypy_cache",
    ".pytest_cache",
    ".ruff_cache",
    ".venv",
    "__pycache__",
}
"""Folders anywhere in it that .gitignore has, too; .git may be a file."""

MADE_AT_THE_TOP = {"bench/build", "bench/results", "dist", "site"}


def project_files(root: Path) -> list[Path]:
    """Relative to `root`, in order."""
    return in_git(root) if (root / ".git").exists() else found(root)


def in_git(root: Path) -> list[Path]:
    words = ["git", "ls-files", "-co", "--exclude-standard"]
    names = subprocess.check_output(words, cwd=root, text=True).splitlines()
    return sorted(Path(name) for name in names if (root / name).exists())


def found(root: Path) -> list[Path]:
    files = []
    for name, folders, here in os.walk(root):
        folder = Path(name).relative_to(root)
        folders[:] = [each for each in folders if not _made(folder / each)]
        files += [folder / each for each in here if each not in MADE]
    return sorted(files)


def _made(folder: Path) -> bool:
    return (
        folder.name in MADE
        or folder.name.endswith(".egg-info")
        or folder.as_posix() in MADE_AT_THE_TOP
    )
