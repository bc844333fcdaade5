"""`fivefold lab`: two pairs side by side in a browser, and experiments at the press of a button."""

from __future__ import annotations

import contextlib
import signal
from pathlib import Path

import click

from ..isolation.scratch_folder import scratch_folder
from ..lab.both_sides import opened
from ..lab.pages import published
from .starting import Stopped, stop

AWAY = "/var/tmp"  # noqa: S108 - /tmp may be in memory, where no file is cold; a folder in it is ours
"""Where the sites are, if it is there."""


@click.command(short_help="Watch two pairs side by side in a browser.")
@click.option(
    "--left",
    default="process+blocking",
    show_default=True,
    metavar="SERVING+IO",
    help="The pair on the left at first.",
)
@click.option(
    "--right",
    default="async+multiplexing",
    show_default=True,
    metavar="SERVING+IO",
    help="The pair on the right at first.",
)
@click.option(
    "--port",
    type=click.IntRange(0, 65535),
    metavar="N",
    default=0,
    help="The page's port on 127.0.0.1.  [default: any that is free]",
)
def lab(left: str, right: str, port: int) -> None:
    """See two pairs side by side: a slow client, a crash, a hundred clients, a cold file.

    It prints the address of a page for your browser, on this machine only, and ends with Ctrl-C,
    the servers with it. See docs/lab.md.
    """
    before = signal.signal(signal.SIGTERM, stop)
    folder = AWAY if Path(AWAY).is_dir() else None
    try:
        with (
            contextlib.suppress(KeyboardInterrupt, Stopped),
            scratch_folder("lab", folder) as name,
            opened((left, right), name) as laboratory,
            published(laboratory, port) as address,
        ):
            click.echo(f"The lab is open: {address}\nCtrl-C closes it, and ends both servers.")
            laboratory.run()
    finally:
        signal.signal(signal.SIGTERM, before)
