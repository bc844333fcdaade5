"""What is asked of the target: its paths, and their right answers."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import quote

from ...errors import SettingsError
from ...isolation.foreign_documents import why_unread
from ...load.expected_answers import HOST, learn
from ...load.job import CLOSE, KEEP, Ask, Expected, request
from .scenarios import Scenario

MOST_PATHS = 64
SMALL_BYTES = 256 * 1024
LARGE_BYTES = 1_000_000
LOOKED_AT = 10_000
"""Files of a folder, at most: some are the size of a disk."""


def paths_from(file: str) -> list[str]:
    """One path a line, as it goes over the wire; # begins a comment. Raises `SettingsError`."""
    try:
        lines = Path(file).read_text("utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"paths: cannot read {file}: {why_unread(error)}") from None
    paths = [line.strip() for line in lines if line.strip() and not line.startswith("#")]
    if not paths:
        raise SettingsError(f"paths: {file} names no path: write one a line, /like/this")
    for path in paths:
        check(path, "paths")
    return paths


def check(path: str, where: str) -> None:
    if not path.startswith("/") or not path.isascii() or any(c.isspace() for c in path):
        raise SettingsError(f"{where}: {path!r} must begin with a slash and be percent-encoded")


def folder_paths(folder: str) -> list[str]:
    """Small files of a folder, found in no particular order, sorted. Raises `SettingsError`."""
    small = [name for name, size in sizes(folder).items() if size <= SMALL_BYTES]
    if not small:
        raise SettingsError(
            f"target: {folder!r} has no file of {SMALL_BYTES // 1024} KiB or less:"
            " name what to ask for with --paths FILE"
        )
    return [path_of(name) for name in sorted(small)[:MOST_PATHS]]


def largest_path(folder: str) -> str | None:
    """The largest file, if it is large."""
    found = sizes(folder)
    name = max(found, key=lambda each: found[each], default=None)
    return path_of(name) if name is not None and found[name] >= LARGE_BYTES else None


def sizes(folder: str) -> dict[str, int]:
    """Readable regular files under a folder, hidden ones left out, by relative name."""
    found: dict[str, int] = {}
    for where, folders, names in os.walk(folder):
        folders[:] = [each for each in folders if not each.startswith(".")]
        for name in names:
            path = Path(where, name)
            if not name.startswith(".") and path.is_file() and os.access(path, os.R_OK):
                found[str(path.relative_to(folder))] = path.stat().st_size
        if len(found) >= LOOKED_AT:
            break
    return found


def path_of(name: str) -> str:
    return "/" + quote(os.fsencode(name))


def learned(address: tuple[str, int], paths: Sequence[str]) -> dict[str, Expected]:
    """The right answer to each path. Raises `LoadFailed`."""
    return {path: learn(address, path) for path in paths}


def asks(expected: dict[str, Expected], *, keep: bool = True) -> tuple[Ask, ...]:
    return tuple(
        Ask(request(path, host=HOST, connection=KEEP if keep else CLOSE), answer)
        for path, answer in expected.items()
    )


def special_asks(address: tuple[str, int], scenario: Scenario, path: str) -> tuple[Ask, ...]:
    """What a scenario asks for at its own path. Raises `LoadFailed`."""
    body = bytes(scenario.body_bytes)
    answer = None
    if scenario.known_answer:
        remedy = f"name another path {scenario.needs_path} with --path-for {scenario.name}=/PATH"
        answer = learn(address, path, method=scenario.method, body=body, remedy=remedy)
    data = request(path, host=HOST, method=scenario.method, body=body)
    return (Ask(data, answer),)
