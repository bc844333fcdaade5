"""Where a command writes: a file, or, by the name `-`, standard output, which then holds nothing
else."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import click

from ...errors import SettingsError

STDOUT = "-"


def write(path: str | None, text: Callable[[], str]) -> None:
    """If a path is given. Raises `SettingsError` if it cannot be written."""
    if path == STDOUT:
        made = text()
        click.echo(made, nl=not made.endswith("\n"))
    elif path is not None:
        try:
            Path(path).write_text(text(), "utf-8")
        except OSError as error:
            raise SettingsError(f"cannot write {path}: {error.strerror}") from None
