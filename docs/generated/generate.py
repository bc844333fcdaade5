"""Writes what documents take from the source: `python docs/generated/generate.py`; a test runs it
with --check, which writes nothing and has status 1 if something is out of date."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import click

from fivefold.cli.habits.nginx import NGINX
from fivefold.cli.habits.translation import PROGRAMS
from fivefold.cli.habits.word import Program
from fivefold.cli.manual.help_pages import records
from fivefold.cli.manual.topics import TOPICS
from fivefold.cli.serve import serve
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
    """Every option of `fivefold serve` in the words of `--help`."""
    path = DOCS / "reference.md"
    text = path.read_text("utf-8").partition("\n## ")[0]
    context = click.Context(serve, info_name="serve")
    for name, topic in TOPICS.items():
        lines = [f"## {topic.title}", "", f"`fivefold serve --help {name}`", ""]
        lines += ["| option | key | |", "|---|---|---|"]
        for option in topic.options:
            for word, meaning in records(context, [option]):
                key = f"`{option}`" if option in FIELDS else ""
                lines.append(f"| {cell(f'`{word}`')} | {key} | {cell(meaning)} |")
        lines += ["", f"Example: `{topic.example}`", ""]
        text += "\n" + "\n".join(lines)
    return text


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
