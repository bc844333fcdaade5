"""The command line: words in, settings out, messages for people.

Only here does anything print, configure logging or choose an exit status.
"""

from __future__ import annotations

import logging
import sys
from importlib import import_module

import click

from ..errors import ApplicationError, FivefoldError, Interrupted, SettingsError
from ..linux.standard_descriptors import fill_standard_descriptors
from .habits.answering import answer_command, answer_option, answered
from .speaking import say, speaking

USAGE, FAILURE, INTERRUPTED = 2, 1, 130
"""Exit statuses; the last one is a shell's for a program that SIGINT has ended."""

COMMANDS = {
    "serve": ".serve",
    "models": ".models",
    "compare": ".compare",
    "trace": ".trace",
    "lab": ".lab",
    "top": ".top",
    "stacks": ".stacks",
    "translate": ".translate",
    "completion": ".manual.completion",
    "man": ".manual.man",
}
"""Each in a module that has a function of its name; in the order in which one meets them."""

EXAMPLES = """\b
Examples:
  fivefold serve FOLDER              http://127.0.0.1:8000 has its files
  fivefold serve shop.wsgi:app       app, in the module shop.wsgi
"""

SPEAKS_FROM = {"serve": logging.INFO}
"""From which level on a command's server speaks: where it serves a moment for a result that is
shown, its starts and stops are no news."""


class Commands(click.Group):
    """The commands, with our errors turned into one line and a status.

    A module is imported when its command is asked for: `serve` needs nothing of `compare`,
    whose import would be a quarter of the time until it listens.
    """

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        module = import_module(COMMANDS[cmd_name], __package__)
        command: click.Command = getattr(module, cmd_name)
        return command

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        given = list(args)
        try:
            return super().parse_args(ctx, args)
        except click.NoSuchOption as error:
            raise answer_option(ctx, error.option_name, given) from None

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if not ctx.resilient_parsing and args[0] not in COMMANDS:
            ctx.fail(answer_command(ctx, args, [*COMMANDS]))
        return super().resolve_command(ctx, args)

    def invoke(self, ctx: click.Context) -> None:
        try:
            super().invoke(ctx)
        except click.UsageError as error:
            raise answered(error) from None
        except (SettingsError, ApplicationError) as error:
            leave(error, USAGE)
        except Interrupted as error:
            leave(error, INTERRUPTED)
        except KeyboardInterrupt:
            leave(Interrupted("ended by Ctrl-C"), INTERRUPTED)
        except FivefoldError as error:
            leave(error, FAILURE)


def leave(error: FivefoldError, status: int) -> None:
    say(f"fivefold: {error}")
    sys.exit(status)


@click.group(
    cls=Commands, epilog=EXAMPLES, context_settings={"help_option_names": ["-h", "--help"]}
)
@click.version_option(None, "-V", "--version", package_name="fivefold")
@click.pass_context
def main(ctx: click.Context) -> None:
    """Serve folders and Python applications: 3 serving models x 5 I/O models."""
    fill_standard_descriptors()
    ctx.with_resource(speaking(SPEAKS_FROM.get(ctx.invoked_subcommand or "", logging.WARNING)))
