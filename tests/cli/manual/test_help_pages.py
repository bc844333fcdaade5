"""`--help`: every option in one topic, every topic on one screen, every example as it is taken."""

from __future__ import annotations

import shlex
from collections import Counter

import pytest
from click.testing import CliRunner

from fivefold.cli import COMMANDS, main
from fivefold.cli.manual.topics import EXAMPLES, FIRST, TOPICS
from fivefold.cli.serve import merged, serve

LINES, COLUMNS = 24, 80
"""Of a terminal that nobody has made larger."""

ABOUT_HELP = {"help_all"}


def said(*arguments: str) -> str:
    done = CliRunner().invoke(main, arguments, prog_name="fivefold")
    assert done.exit_code == 0, done.output
    return done.stdout


def names() -> set[str]:
    return {str(each.name) for each in serve.params if each.param_type_name == "option"}


def test_every_option_is_in_one_topic() -> None:
    times = Counter(name for topic in TOPICS.values() for name in topic.options)
    assert set(times) == names() - ABOUT_HELP
    assert {name for name, count in times.items() if count > 1} == set()
    assert set(FIRST) <= set(times)


@pytest.mark.parametrize("option", ["--help", "-h"])
@pytest.mark.parametrize("topic", ["", *TOPICS])
def test_a_topic_fits_a_screen(topic: str, option: str) -> None:
    lines = said("serve", option, *([topic] if topic else [])).splitlines()
    assert len(lines) < LINES
    assert max(map(len, lines)) <= COLUMNS
    assert not [line for line in lines if line.endswith((" TEXT", " INTEGER", " FLOAT"))]


def test_the_first_page_names_the_topics_and_what_is_no_topic_gets_it() -> None:
    page = said("serve", "--help")
    assert set(TOPICS) <= set(page.split())
    assert said("serve", "--help", "nonsense") == said("serve", "app:app", "-h") == page


def test_all_of_them_is_all_of_them() -> None:
    everything = said("serve", "--help-all")
    for topic in TOPICS:
        assert said("serve", "--help", topic) in everything
    for option in serve.params:
        if option.param_type_name == "option" and option.name not in ABOUT_HELP:
            assert option.opts[0] in everything


@pytest.mark.parametrize("example", [*EXAMPLES, *(topic.example for topic in TOPICS.values())])
def test_an_example_is_taken(example: str) -> None:
    program, command, *words = shlex.split(example)
    assert (program, command) == ("fivefold", "serve")
    given = serve.make_context("serve", words).params
    for name in ("config", "check_config", "print_config"):
        given.pop(name)
    merged(given, None).settings()


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_says_what_it_does(command: str) -> None:
    assert f"Usage: fivefold {command}" in said(command, "--help")
    assert f"\n  {command} " in said("--help")
