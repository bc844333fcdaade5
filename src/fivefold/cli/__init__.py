"""The command line: words in, settings out, messages for people.

Only here does anything print, configure logging or choose an exit status.
"""

from __future__ import annotations

import sys

import click

from ..errors import ApplicationError, FivefoldError, SettingsError
from ..linux.standard_descriptors import fill_standard_descriptors
from .compare import compare
from .models import models
from .serve import serve
from .speaking import say, speaking
from .trace import trace

USAGE, FAILURE = 2, 1


class Commands(click.Group):
    """The commands, with our errors turned into one line and a status."""

    def invoke(self, ctx: click.Context) -> None:
        try:
            super().invoke(ctx)
        except (SettingsError, ApplicationError) as error:
            leave(error, USAGE)
        except FivefoldError as error:
            leave(error, FAILURE)


def leave(error: FivefoldError, status: int) -> None:
    say(f"fivefold: {error}")
    sys.exit(status)


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(None, "-V", "--version", package_name="fivefold")
@click.pass_context
def main(ctx: click.Context) -> None:
    """A web server: 3 serving models x 5 I/O models, chosen by two flags."""
    fill_standard_descriptors()
    ctx.with_resource(speaking())


main.add_command(serve)
main.add_command(models)
main.add_command(trace)
main.add_command(compare)
