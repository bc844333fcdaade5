"""Where a command writes: files, or, by the name `-`, standard output, which then holds nothing
else.

Choice.       Files come before standard output: whoever reads that may close it early (`| head`),
              which ends the command, and must not cost the files.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path

import click

from ...errors import SettingsError
from ..speaking import say

STDOUT = "-"

Form = tuple[str | None, Callable[[], str]]
"""Where it goes (None: nowhere), and what makes it."""


def write(forms: Iterable[Form], otherwise: Callable[[], None]) -> None:
    """Each form where it belongs; `otherwise` says on standard output what no form says there.

    Raises `SettingsError` for a file that cannot be written, when all else is.
    """
    wanted = [(path, text) for path, text in forms if path is not None]
    problems = [write_file(path, text()) for path, text in wanted if path != STDOUT]
    spoken = [text() for path, text in wanted if path == STDOUT]
    for text in spoken:
        click.echo(text, nl=not text.endswith("\n"))
    if not spoken:
        otherwise()
    for problem in filter(None, problems):
        raise SettingsError(problem)


def write_file(path: str, text: str) -> str | None:
    """Why it could not be done; None if it could."""
    try:
        Path(path).write_text(text, "utf-8")
    except OSError as error:
        return f"cannot write {path}: {error.strerror}"
    say(f"fivefold: written to {path}")
    return None


def check_writable(path: str | None, name: str) -> None:
    """Known before the work, not after it. Raises `SettingsError`.

    A file that was not there is not there afterwards: the work may fail.  What is no regular file
    is left alone, since opening and closing a pipe would end it for its reader.
    """
    if path is None or path == STDOUT:
        return
    file = Path(path)
    is_new = not file.exists()
    if not is_new and not (file.is_file() or file.is_dir()):
        return
    try:
        with file.open("a"):
            pass
    except OSError as error:
        raise SettingsError(f"{name}: cannot write {path}: {error.strerror}") from None
    if is_new:
        file.unlink()
