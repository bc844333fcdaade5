"""The manual page: every option, every command, and nothing that man(1) complains of."""

from __future__ import annotations

import re
import shutil
import subprocess
from types import SimpleNamespace

import click
import pytest
from click.testing import CliRunner

from fivefold.cli import COMMANDS, main
from fivefold.cli.manual import man as man_page
from fivefold.cli.manual.man import escaped, tables
from fivefold.cli.serve import serve

COMMANDS_OF_ROFF = {".TH", ".SH", ".SS", ".TP", ".B", ".PP", ".nf", ".fi", ".br"}


@pytest.fixture(scope="module")
def page() -> str:
    done = CliRunner().invoke(main, ["man"], prog_name="fivefold")
    assert done.exit_code == 0, done.output
    return done.stdout


def test_it_has_every_option_of_every_command(page: str) -> None:
    words = page.replace("\\-", "-")
    for name in COMMANDS:
        command = main.get_command(click.Context(main), name)
        assert command is not None
        assert f'.B "fivefold {name}"' in words
        for option in command.params:
            if isinstance(option, click.Option):
                assert option.opts[0] in words, option.name


def test_it_has_what_belongs_to_no_option(page: str) -> None:
    for title, table in tables():
        assert f"\n.SH {title}\n" in page
        assert all(escaped(text) in page for text in table.values())
    assert {option.name for option in serve.params} >= {"grace_s"}  # named among the signals


def test_each_line_is_text_or_a_request(page: str) -> None:
    lines = page.splitlines()
    assert lines[0].startswith('.TH FIVEFOLD 1 "" "fivefold ')
    assert {line.split()[0] for line in lines if line.startswith(".")} == COMMANDS_OF_ROFF
    assert not [line for line in lines if line.startswith("'")]
    assert not re.findall(r"\\(?![-e&(])", page)


def test_man_shows_it_without_a_word(page: str) -> None:
    """Where it is installed, as on most machines."""
    if shutil.which("man"):
        words = ["man", "--warnings", "-E", "UTF-8", "-l", "-"]
        done = subprocess.run(
            words, input=page, capture_output=True, text=True, check=True, timeout=60
        )
        assert done.stderr == ""
        assert "OPTIONS OF SERVE" in done.stdout


def test_without_man_a_terminal_gets_a_sentence_and_not_the_source(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(man_page, "shutil", SimpleNamespace(which=lambda _: None))
    monkeypatch.setattr(man_page, "sys", SimpleNamespace(stdout=SimpleNamespace(isatty=always)))
    done = CliRunner().invoke(main, ["man"])
    assert done.exit_code == 2
    assert done.stdout == ""
    assert "the program man is not installed (Debian's man-db)" in done.stderr


def always() -> bool:
    return True


@pytest.mark.parametrize(
    ("text", "safe"),
    [(".so /etc/passwd", r"\&.so /etc/passwd"), (r"a\b", r"a\eb"), ("'x", r"\&'x"), ("-b", r"\-b")],
)
def test_text_is_no_request(text: str, safe: str) -> None:
    assert escaped(text) == safe
