"""`fivefold translate`: the command line of another server, as ours."""

from __future__ import annotations

import json

import click

from .habits.translation import split, translated
from .speaking import say


@click.command(
    short_help="Print our command line for that of another server.",
    context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False},
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON: command, line and notes.")
@click.argument("command", nargs=-1, required=True, type=click.UNPROCESSED)
def translate(command: tuple[str, ...], as_json: bool) -> None:  # noqa: FBT001 - click calls by keyword
    """Print our command line for one of gunicorn, uvicorn, hypercorn, granian, waitress, daphne or
    http.server.

    What differs, or has no equivalent, is said on standard error.
    """
    done = translated(split(command[0]) if len(command) == 1 else command)
    if as_json:
        said = {"command": done.command, "line": done.line(), "notes": done.notes}
        click.echo(json.dumps(said, indent=2))
        return
    click.echo(done.line())
    for note in done.notes:
        say(f"fivefold: {note}")
