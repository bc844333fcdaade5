"""A word that no command of ours knows, answered with the right one."""

from __future__ import annotations

import re
import shlex
from collections.abc import Sequence

import click

from ...content.application.naming import ADDRESS

PORT = re.compile(r"Got unexpected extra argument \((\d+)\)")
"""click's sentence, for what http.server's users write behind their folder."""

SERVE, TRANSLATE = "serve", "translate"


def answered(error: click.UsageError) -> click.UsageError:
    """The same mistake of a command's user, with the word that was meant where that is known: by
    its meaning elsewhere, as an option of another command of ours, then by its spelling."""
    ctx = error.ctx
    if ctx is None or ctx.parent is None:
        return error
    if isinstance(error, click.NoSuchOption):
        said = "; ".join(_meanings(ctx, error.option_name))
        return (
            click.UsageError(f"No such option {error.option_name!r}: {said}", ctx)
            if said
            else error
        )
    port = PORT.fullmatch(error.message) if ctx.info_name == SERVE else None
    if port is None:
        return error
    return click.UsageError(
        f"Got unexpected extra argument ({port[1]}): a port is --port {port[1]}", ctx
    )


def _meanings(ctx: click.Context, option: str) -> list[str]:
    from .suggestions import by_meaning, by_meaning_for  # noqa: PLC0415 - a start needs no words of others

    if ctx.info_name == SERVE:
        return by_meaning(option)
    return by_meaning_for(ctx.info_name or "", option) or _of_other_commands(ctx, option)


def _of_other_commands(ctx: click.Context, option: str) -> list[str]:
    """Whether it is an option of ours, but elsewhere."""
    parent = ctx.parent
    group = parent.command if parent else None
    if parent is None or not isinstance(group, click.Group):
        return []
    return [
        f"it is an option of {parent.command_path} {name}"
        for name in group.list_commands(ctx)
        if (command := group.get_command(ctx, name)) and option in _spellings(command)
    ][:1]


def _spellings(command: click.Command) -> set[str]:
    return {spelling for each in command.params for spelling in each.opts}


def answer_option(ctx: click.Context, name: str, args: Sequence[str]) -> click.UsageError:
    """For an option of `serve` before any command, as servers without commands have it."""
    from .suggestions import by_meaning  # noqa: PLC0415 - as above

    serve = ctx.command.get_command(ctx, SERVE) if isinstance(ctx.command, click.Group) else None
    if name not in (_spellings(serve) if serve else ()) and not by_meaning(name):
        return click.NoSuchOption(name, ctx=ctx)
    line = shlex.join([ctx.command_path, SERVE, *args])
    return click.UsageError(f"No such option {name!r} before a command: {line}", ctx)


def answer_command(ctx: click.Context, args: Sequence[str], commands: Sequence[str]) -> str:
    """What a word that is no command may mean."""
    from .suggestions import command_for  # noqa: PLC0415 - as above

    text, rest = args[0], args[1:]
    if text == "help":
        line = [*rest[:1], "--help"]
    elif ADDRESS.fullmatch(text):
        line = [SERVE, "--bind", text, *rest]
    else:
        command = command_for(text, commands)
        line = [command or SERVE, *(rest if command else args)]
        if command == TRANSLATE:
            line = [TRANSLATE, shlex.join(args)]
    return f"No such command {text!r}. Do you mean: {shlex.join([ctx.command_path, *line])}"
