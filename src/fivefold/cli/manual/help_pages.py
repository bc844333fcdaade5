"""`--help` of a command with many options: those most asked for, then one screen for each topic."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

import click

from .setting_options import of_words
from .topics import Manual

WIDTH = 80
COLUMN = 27
"""Where the texts begin, at most."""

SENTENCE = re.compile(r"[.:;](?:\s|$)|\s\s\[default")


class HelpfulCommand(click.Command):
    """Whose help has topics."""

    def __init__(self, *args: Any, manual: Manual, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.manual = manual
        self.params.append(help_all())

    def get_help_option(self, ctx: click.Context) -> click.Option:
        return click.Option(
            ["topic", "-h", "--help"],
            is_flag=False,
            flag_value="",
            metavar="[TOPIC]",
            expose_value=False,
            is_eager=True,
            callback=show_help,
            help="Show this, or the options of a topic.",
            shell_complete=of_words([*self.manual.topics]),
        )

    def format_help(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        formatter.write(first_page(ctx))


def help_all() -> click.Option:
    return click.Option(
        ["--help-all"],
        is_flag=True,
        expose_value=False,
        is_eager=True,
        callback=show_all,
        help="Show the options of all topics.",
    )


def manual_of(ctx: click.Context) -> Manual:
    assert isinstance(ctx.command, HelpfulCommand)
    return ctx.command.manual


def show_help(ctx: click.Context, _: click.Parameter, topic: str | None) -> None:
    if topic is None or ctx.resilient_parsing:
        return
    known = topic in manual_of(ctx).topics
    click.echo(page(ctx, topic) if known else first_page(ctx), nl=False)
    ctx.exit()


def show_all(ctx: click.Context, _: click.Parameter, asked: bool) -> None:  # noqa: FBT001 - click's
    if not asked or ctx.resilient_parsing:
        return
    pages = [first_page(ctx), *(page(ctx, topic) for topic in manual_of(ctx).topics)]
    click.echo_via_pager("\n".join(pages))
    ctx.exit()


def first_page(ctx: click.Context) -> str:
    manual = manual_of(ctx)
    formatter = click.HelpFormatter(width=WIDTH)
    ctx.command.format_usage(ctx, formatter)
    ctx.command.format_help_text(ctx, formatter)
    write_lines(formatter, "Examples", manual.examples)
    rows = [(word, first_sentence(text)) for word, text in records(ctx, manual.first)]
    with formatter.section("Options most asked for"):
        formatter.write_dl(rows, col_max=COLUMN)
    with formatter.section("Topics, for --help TOPIC; all of them: --help-all"):
        formatter.write_text(" ".join(manual.topics))
    return formatter.getvalue()


def page(ctx: click.Context, topic: str) -> str:
    """One topic."""
    found = manual_of(ctx).topics[topic]
    formatter = click.HelpFormatter(width=WIDTH)
    with formatter.section(f"{found.title} ({topic})"):
        formatter.write_dl(list(records(ctx, found.options)), col_max=COLUMN)
    write_lines(formatter, "Example", [found.example])
    return formatter.getvalue()


def write_lines(formatter: click.HelpFormatter, title: str, lines: Iterable[str]) -> None:
    with formatter.section(title):
        for line in lines:
            formatter.write(f"  {line}\n")


def records(ctx: click.Context, names: Iterable[str]) -> Iterable[tuple[str, str]]:
    """The options as click shows them: a switch by its name alone."""
    by_name: dict[str | None, Any] = {each.name: each for each in ctx.command.params}
    for name in names:
        record = by_name[name].get_help_record(ctx)
        if record is not None:
            word, text = record
            yield word.partition(" / ")[0], text


def first_sentence(text: str) -> str:
    return SENTENCE.split(text, maxsplit=1)[0] + "."
