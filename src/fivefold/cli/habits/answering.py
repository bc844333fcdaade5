"""Commands that answer a word which they do not know with the right one."""

from __future__ import annotations

import re
import shlex
from collections.abc import Sequence

import click

from ...content.application.naming import ADDRESS

PORT = re.compile(r"Got unexpected extra argument \((\d+)\)")
"""click's sentence, for what http.server's users write behind their folder."""

SERVE, TRANSLATE = "serve", "translate"


class AnsweringCommand(click.Command):
    """Whose unknown options are looked for by their meaning, then by their spelling."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        try:
            return super().parse_args(ctx, args)
        except click.NoSuchOption as error:
            from .suggestions import by_meaning  # noqa: PLC0415 - a start needs no words of others

            meanings = by_meaning(error.option_name)
            if not meanings:
                raise
            raise click.UsageError(
                f"No such option {error.option_name!r}: {'; '.join(meanings)}", ctx
            ) from None
        except click.UsageError as error:
            port = PORT.fullmatch(error.message)
            if port is None:
                raise
            raise click.UsageError(
                f"Got unexpected extra argument ({port[1]}): a port is --port {port[1]}", ctx
            ) from None


def answer_option(ctx: click.Context, name: str, args: Sequence[str]) -> click.UsageError:
    """For an option of `serve` before any command, as servers without commands have it."""
    from .suggestions import by_meaning  # noqa: PLC0415 - as above

    serve = ctx.command.get_command(ctx, SERVE) if isinstance(ctx.command, click.Group) else None
    own = {spelling for each in serve.params for spelling in each.opts} if serve else set()
    if name not in own and not by_meaning(name):
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
