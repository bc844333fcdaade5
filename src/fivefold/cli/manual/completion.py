"""`fivefold completion`: what a shell reads to complete our words and their values.

The shell asks the command itself, by click, which is its parser already: what is completed is what
is understood, and a setting that is added is completed at once.
"""

from __future__ import annotations

import click
from click.shell_completion import get_completion_class

from ...errors import SettingsError

SHELLS = {
    "bash": 'eval "$(fivefold completion bash)"     # in ~/.bashrc',
    "zsh": 'eval "$(fivefold completion zsh)"      # in ~/.zshrc, after compinit',
    "fish": "fivefold completion fish | source      # in ~/.config/fish/config.fish",
}
"""Where the line belongs, by shell."""

VARIABLE = "_FIVEFOLD_COMPLETE"


@click.command(
    short_help="Print what a shell reads to complete our commands.",
    epilog="\b\n" + "\n".join(SHELLS.values()),
)
@click.argument("shell", type=click.Choice(list(SHELLS)))
def completion(shell: str) -> None:
    """Print what SHELL reads to complete commands, options and their values."""
    found = get_completion_class(shell)
    if found is None:
        raise SettingsError(f"completion: {shell} is unknown; choose from {', '.join(SHELLS)}")
    root = click.get_current_context().find_root().command
    click.echo(found(root, {}, "fivefold", VARIABLE).source())
