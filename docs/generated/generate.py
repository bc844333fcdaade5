"""Writes what documents take from the source: `python docs/generated/generate.py`; a test runs it
with --check, which writes nothing and has status 1 if something is out of date."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import click

from fivefold.cli.compare import compare
from fivefold.cli.habits.nginx import NGINX
from fivefold.cli.habits.translation import PROGRAMS
from fivefold.cli.habits.word import Program
from fivefold.cli.manual.help_pages import HelpfulCommand, records
from fivefold.cli.manual.topics import Topic
from fivefold.cli.serve import serve
from fivefold.cli.trace import trace
from fivefold.server.settings import FIELDS

DOCS = Path(__file__).resolve().parents[1]


def table(program: Program) -> list[str]:
    """What each word of another server is here."""
    lines = ["| elsewhere | here | |", "|---|---|---|"]
    for word in program.words:
        theirs = ", ".join(f"`{each}`" for each in word.spellings.split())
        ours = f"`{word.ours}`" if word.ours else ""
        note = word.note.replace("|", "\\|")
        lines.append(f"| {theirs} | {ours} | {note} |".replace("TARGET`", "TARGET` (the argument)"))
    return lines


def coming_from() -> str:
    path = DOCS / "coming-from.md"
    text = path.read_text("utf-8").partition("\n## ")[0]
    for program in (*PROGRAMS.values(), NGINX):
        text += "\n".join(("", f"## {program.name}", "", *table(program), ""))
    return text


def reference() -> str:
    """Every option of the commands that have many, in the words of `--help`."""
    path = DOCS / "reference.md"
    text = path.read_text("utf-8").partition("\n## ")[0]
    for name, topic in serve.manual.topics.items():
        text += section(serve, f"## {topic.title}", name, topic)
    for command in (compare, trace):
        text += f"\n## fivefold {command.name}\n\n{' '.join(str(command.help).split())}\n"
        for name, topic in command.manual.topics.items():
            text += section(command, f"### {topic.title}", name, topic)
    return text


def section(command: HelpfulCommand, title: str, name: str, topic: Topic) -> str:
    """One topic; only settings of `serve` are keys of a file as well."""
    keys = FIELDS if command is serve else {}
    lines = [title, "", f"`fivefold {command.name} --help {name}`", ""]
    lines += ["| option | key | |", "|---|---|---|"] if keys else ["| option | |", "|---|---|"]
    context = click.Context(command, info_name=command.name)
    for option in topic.options:
        for word, meaning in records(context, [option]):
            key = f"`{option}`" if option in keys else ""
            middle = f" {key} |" if keys else ""
            lines.append(f"| {cell(f'`{word}`')} |{middle} {cell(meaning)} |")
    return "\n" + "\n".join([*lines, "", f"Example: `{topic.example}`", ""])


def cell(text: str) -> str:
    """For a table: one line, and no column begun by accident, nor a tag."""
    joined = " ".join(text.split())
    return joined.replace("|", "\\|") if joined.startswith("`") else escaped(joined)


def escaped(text: str) -> str:
    for character in "|<*_":
        text = text.replace(character, f"\\{character}")
    return text


FILES: dict[Path, Callable[[], str]] = {
    DOCS / "coming-from.md": coming_from,
    DOCS / "reference.md": reference,
}


def main(arguments: list[str]) -> int:
    stale = [path for path, made in FILES.items() if not is_current(path, made())]
    for path in stale:
        print(f"out of date: {path.name}")
        if "--check" not in arguments:
            path.write_text(FILES[path](), "utf-8")
    return 1 if stale and "--check" in arguments else 0


def is_current(path: Path, text: str) -> bool:
    return path.exists() and path.read_text("utf-8") == text


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
