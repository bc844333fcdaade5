"""`--help`: every option in one topic, every topic on one screen, every example as it is taken."""

from __future__ import annotations

import re
import shlex
from collections import Counter
from typing import Any

import pytest
from click.testing import CliRunner

from fivefold.cli import COMMANDS, main
from fivefold.cli.compare import compare
from fivefold.cli.manual.help_pages import HelpfulCommand
from fivefold.cli.serve import merged, serve
from fivefold.cli.trace import trace

LINES, COLUMNS = 24, 80
"""Of a terminal that nobody has made larger."""

ABOUT_HELP = {"help_all"}

HELPFUL = [serve, trace, compare]
"""The commands whose options do not fit a screen."""

PAGES = [(command, topic) for command in HELPFUL for topic in ("", *command.manual.topics)]
EXAMPLES = [
    (command, example)
    for command in HELPFUL
    for example in (
        *command.manual.examples,
        *(topic.example for topic in command.manual.topics.values()),
    )
]


def said(*arguments: str) -> str:
    done = CliRunner().invoke(main, arguments, prog_name="fivefold")
    assert done.exit_code == 0, done.output
    return done.stdout


def fits(page: str) -> None:
    lines = page.splitlines()
    assert len(lines) < LINES
    assert max(map(len, lines)) <= COLUMNS
    assert not [line for line in lines if re.search(r" (TEXT|INTEGER|FLOAT)\b", line)]


def of(command: HelpfulCommand) -> str:
    return str(command.name)


@pytest.mark.parametrize("command", HELPFUL, ids=of)
def test_every_option_is_in_one_topic(command: HelpfulCommand) -> None:
    names = {str(each.name) for each in command.params if each.param_type_name == "option"}
    times = Counter(name for topic in command.manual.topics.values() for name in topic.options)
    assert set(times) == names - ABOUT_HELP
    assert {name for name, count in times.items() if count > 1} == set()
    assert set(command.manual.first) <= set(times)


@pytest.mark.parametrize("option", ["--help", "-h"])
@pytest.mark.parametrize(("command", "topic"), PAGES)
def test_a_topic_fits_a_screen(command: HelpfulCommand, topic: str, option: str) -> None:
    fits(said(of(command), option, *([topic] if topic else [])))


@pytest.mark.parametrize("command", COMMANDS)
def test_the_help_of_any_command_fits_a_screen_and_says_what_it_does(command: str) -> None:
    page = said(command, "--help")
    assert f"Usage: fivefold {command}" in page
    fits(page)


def test_the_list_of_commands_fits_a_screen_and_cuts_no_sentence() -> None:
    page = said("--help")
    fits(page)
    assert page == said("-h")
    for command in COMMANDS:
        assert re.search(rf"^  {command} +[A-Z].*\.$", page, re.MULTILINE), command
    assert "..." not in page.partition("Commands:")[2]


@pytest.mark.parametrize("command", HELPFUL, ids=of)
def test_the_first_page_names_the_topics_and_what_is_no_topic_gets_it(
    command: HelpfulCommand,
) -> None:
    page = said(of(command), "--help")
    assert set(command.manual.topics) <= set(page.split())
    assert said(of(command), "--help", "nonsense") == said(of(command), "app:app", "-h") == page


@pytest.mark.parametrize("command", HELPFUL, ids=of)
def test_all_of_them_is_all_of_them(command: HelpfulCommand) -> None:
    everything = said(of(command), "--help-all")
    for topic in command.manual.topics:
        assert said(of(command), "--help", topic) in everything
    for option in command.params:
        if option.param_type_name == "option" and option.name not in ABOUT_HELP:
            assert option.opts[0] in everything


@pytest.mark.parametrize(("command", "example"), EXAMPLES)
def test_an_example_is_taken(command: HelpfulCommand, example: str) -> None:
    program, name, *words = shlex.split(example)
    assert (program, name) == ("fivefold", command.name)
    given = command.make_context(name, words).params
    if command is serve:
        check(given)


def check(given: dict[str, Any]) -> None:
    for name in ("config", "check_config", "print_config"):
        given.pop(name)
    merged(given, None).settings()
