"""`fivefold man`: the manual page, fivefold(1), made from the options themselves.

Facts.        A page of man(7) is text with lines that begin with a dot; a dot or an apostrophe at
              the beginning of a line of text, and a backslash anywhere, must be escaped, and a
              plain hyphen may become another character that no shell understands.
Choice.       Everything about options comes from the same place as `--help`; only what belongs to
              no option (signals, files, statuses) is written here.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Iterable, Iterator

import click

from ... import __version__
from ...errors import SettingsError
from .help_pages import HelpfulCommand, records
from .topics import Manual

SIGNALS = {
    "SIGTERM, SIGINT": "Stop gently: wait for connections (--grace-s); a second SIGINT ends it.",
    "SIGHUP": "Read the settings again, and replace the workers one by one.",
    "SIGUSR1": "Open the access log anew.",
    "SIGUSR2": "Start the program again on the same sockets, next to this one.",
    "SIGTTIN, SIGTTOU": "Add a worker, remove one.",
}

STATUSES = {
    "0": "The server was stopped, or the command has done what it should.",
    "1": "Anything else failed, or connections had to be cut at the end.",
    "2": "Wrong usage or settings; one line says which.",
    "130": "Ctrl-C has ended a command that was to end by itself; what compare measured and trace"
    " saw by then is shown.",
}

ENVIRONMENT = {
    "FIVEFOLD_NAME": "The setting of the option --name, as FIVEFOLD_KEEP_ALIVE_S. The command"
    " line wins over it, and it over the file of --config.",
    "PORT, WEB_CONCURRENCY": "As platforms set them: the port of 0.0.0.0, the number of workers;"
    " where nothing else says so.",
    "NO_COLOR": "If it is not empty: no colours, on a terminal neither.",
}

VIEWER = "man"


@click.command(short_help="Show the manual page.")
def man() -> None:
    """Show the manual page; where standard output is no terminal, print its source.

    `fivefold man > fivefold.1` in a folder man1 of your MANPATH installs it.
    """
    page = "\n".join(source(click.get_current_context().find_root())) + "\n"
    if not sys.stdout.isatty():
        sys.stdout.write(page)
    elif shutil.which(VIEWER):
        subprocess.run([VIEWER, "-l", "-"], input=page, text=True, check=False)  # noqa: S603 - ours
    else:
        raise SettingsError(
            "man: the program man is not installed (Debian's man-db); `fivefold serve --help-all`"
            " has the options, and `fivefold man > fivefold.1` writes the page"
        )


def source(root: click.Context) -> Iterator[str]:
    """The lines of the page."""
    yield f'.TH FIVEFOLD 1 "" "fivefold {__version__}" "User Commands"'
    yield from section("NAME", ["fivefold - a web server: 3 serving models x 5 I/O models"])
    yield from section(
        "SYNOPSIS", ["fivefold serve [OPTIONS] [TARGET]", ".br", "fivefold COMMAND [OPTIONS] ..."]
    )
    yield from section("DESCRIPTION", [paragraph(str(root.command.help))])
    commands = list(commands_of(root))
    yield ".SH COMMANDS"
    for each in commands:
        yield from entry(f"fivefold {each.info_name}", each.command.get_short_help_str(200))
    for each in commands:
        yield from options(each)
    for title, table in tables():
        yield f".SH {title}"
        for word, text in table.items():
            yield from entry(word, text)
    yield ".SH EXAMPLES"
    for each in commands:
        for example in examples(each):
            yield from (".PP", ".nf", escaped(example), ".fi")


def tables() -> list[tuple[str, dict[str, str]]]:
    return [("ENVIRONMENT", ENVIRONMENT), ("SIGNALS", SIGNALS), ("EXIT STATUS", STATUSES)]


def commands_of(root: click.Context) -> Iterator[click.Context]:
    """One context for each command, as its own `--help` has it."""
    group = root.command
    assert isinstance(group, click.Group)
    for name in group.list_commands(root):
        command = group.get_command(root, name)
        assert command is not None
        yield click.Context(command, info_name=name, parent=root)


def examples(context: click.Context) -> Iterator[str]:
    if isinstance(context.command, HelpfulCommand):
        manual = context.command.manual
        yield from (*manual.examples, *(topic.example for topic in manual.topics.values()))


def options(context: click.Context) -> Iterator[str]:
    yield f".SH OPTIONS OF {str(context.info_name).upper()}"
    yield paragraph(str(context.command.help))
    if isinstance(context.command, HelpfulCommand):
        yield from options_by_topic(context, context.command.manual)
        return
    for parameter in context.command.get_params(context):
        record = parameter.get_help_record(context)
        if record is not None:
            yield from entry(*record)


def options_by_topic(context: click.Context, manual: Manual) -> Iterator[str]:
    for name, topic in manual.topics.items():
        yield f'.SS "{escaped(topic.title)} ({name})"'
        for word, text in records(context, topic.options):
            yield from entry(word, text)
    yield ".SS Help"
    for word, text in records(context, ["help_all"]):
        yield from entry(word, text)


def section(title: str, lines: Iterable[str]) -> Iterator[str]:
    yield f".SH {title}"
    for line in lines:
        yield line if line.startswith(".") else escaped(line)


def entry(word: str, text: str) -> Iterator[str]:
    """A word in bold, and what it means, indented."""
    yield ".TP"
    yield f'.B "{escaped(word)}"'
    yield escaped(" ".join(text.split()))


def paragraph(text: str) -> str:
    """Of a docstring: its lines are its author's."""
    return "\n.PP\n".join(escaped(" ".join(part.split())) for part in text.split("\n\n"))


def escaped(text: str) -> str:
    text = text.replace("\\", "\\e").replace("-", "\\-").replace('"', "\\(dq")
    return f"\\&{text}" if text.startswith((".", "'")) else text
