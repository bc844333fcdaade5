"""A command line of another server, read by that server's words, and ours for the same."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import PurePath

from ...errors import SettingsError
from .daphne import DAPHNE
from .granian import GRANIAN
from .gunicorn import GUNICORN
from .http_server import HTTP_SERVER
from .hypercorn import HYPERCORN
from .uvicorn import UVICORN
from .waitress import WAITRESS
from .word import Ours, Program, Word

PROGRAMS = {
    each.name: each
    for each in (GUNICORN, UVICORN, HYPERCORN, GRANIAN, HTTP_SERVER, WAITRESS, DAPHNE)
}
STARTED_BY = {
    name: program for program in PROGRAMS.values() for name in (program.name, *program.aliases)
}

VARIABLE = re.compile(r"[A-Za-z_]\w*=.*", re.DOTALL)
PYTHON = re.compile(r"python[0-9.]*")
OWN = ("fivefold", "serve")
FACTORY = {"--factory", "--call"}
ADDRESS = {"--host", "--port"}
"""Of a program's defaults; --bind says both."""


@dataclass
class Translation:
    """Our command line, and what there is to know of it."""

    command: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    """Each names the word that it is about."""

    def line(self) -> str:
        """As a shell takes it."""
        return shlex.join(self.command)


def split(text: str) -> list[str]:
    """Raises `SettingsError`."""
    try:
        return shlex.split(text.replace("\\\n", " "), comments=True)
    except ValueError as error:
        raise SettingsError(f"translate: {text!r} is no command line: {error}") from None


def translated(words: Sequence[str]) -> Translation:
    """Raises `SettingsError` if no server that is known here is started by these words."""
    before, program, rest = _program(words)
    found = list(_read(program, rest))
    given = {spelling for word, _ in found if word for spelling in word.spellings.split()}
    done = Translation(notes=[])
    variables: list[str] = []
    options: list[tuple[str, ...]] = []
    arguments: list[str] = []
    for word, value in found:
        if word is None:
            arguments.append(value)
            continue
        ours = word.translated(value)
        variables += ours.variables
        options += [each for each in _options(ours.words) if each not in options]
        if ours.note:
            done.notes.append(f"{word.spellings.split()[-1]}: {ours.note}")
        elif not ours.words and not ours.variables:
            done.notes.append(f"{word.spellings.split()[-1]}: see {word.ours or '--help-all'}")
    _add_defaults(program, given, options, done)
    target = _target(program, arguments, factory=bool(FACTORY & given))
    options += [each for each in _options(target) if each not in options]
    flat = [word for each in options for word in each]
    done.command = [*_prefix(before, variables), *OWN, *flat]
    return done


def _add_defaults(
    program: Program, given: set[str], options: list[tuple[str, ...]], done: Translation
) -> None:
    named = {each[0] for each in options}
    named |= ADDRESS if "--bind" in named else set()
    options += [each for each in _options(program.defaults) if each[0] not in named]
    if program.default_note and not given & set(program.unless):
        done.notes.append(f"{program.name}: {program.default_note}")


def _target(program: Program, arguments: Sequence[str], *, factory: bool) -> tuple[str, ...]:
    words = program.arguments(arguments).words
    if factory and words and ":" in words[-1] and not words[-1].endswith(")"):
        return (*words[:-1], f"{words[-1]}()")
    return words


def _prefix(before: Sequence[str], variables: Sequence[str]) -> list[str]:
    """What stands before the command: `exec`, `uv run`, then the variables; these need `env`
    where a program starts the command."""
    starters = [word for word in before if not VARIABLE.fullmatch(word)]
    own = [word for word in before if VARIABLE.fullmatch(word)]
    if variables and starters:
        return [*own, *starters, "env", *variables]
    return [*own, *variables, *starters]


def _options(words: Sequence[str]) -> Iterator[tuple[str, ...]]:
    """An option with its value, if it has one; or an argument."""
    rest = list(words)
    while rest:
        word = rest.pop(0)
        if word.startswith("--") and rest and not rest[0].startswith("--"):
            yield word, rest.pop(0)
        else:
            yield (word,)


def _program(words: Sequence[str]) -> tuple[list[str], Program, list[str]]:
    """What stands before the server's name, the server, and what stands behind it."""
    for index, word in enumerate(words):
        name = PurePath(word).name
        if name in STARTED_BY:
            before = list(words[:index])
            if before[-1:] == ["-m"] and len(before) > 1 and PYTHON.fullmatch(before[-2]):
                del before[-2:]
            return before, STARTED_BY[name], list(words[index + 1 :])
    raise SettingsError(
        f"translate: name the whole command line of one of {', '.join(PROGRAMS)}; for example"
        " fivefold translate 'gunicorn -w 4 -k gthread app:app'"
    )


def _read(program: Program, rest: Sequence[str]) -> Iterator[tuple[Word | None, str]]:
    """Each word with its value; for an argument, None with it. Raises `SettingsError`."""
    words = list(rest)
    while words:
        text = words.pop(0)
        if not text.startswith("-") or text == "-":
            yield None, text
            continue
        if text == "--":
            yield from ((None, each) for each in words)
            return
        spelling, attached = _spelled(text)
        word = _word(program, spelling)
        if word.flag:
            yield word, attached or ""
            # Short ones may stand together: -DR.
            if attached and not text.startswith("--"):
                words.insert(0, f"-{attached}")
        elif attached is not None:
            yield word, attached
        elif words:
            yield word, words.pop(0)
        else:
            raise SettingsError(f"translate: {program.name}: {text} needs a value")


def _spelled(text: str) -> tuple[str, str | None]:
    if text.startswith("--"):
        spelling, equals, value = text.partition("=")
        return spelling, value if equals else None
    return text[:2], text[2:].removeprefix("=") or None


def _word(program: Program, spelling: str) -> Word:
    """By its name, or by a beginning that no other has. Raises `SettingsError`."""
    exact = [word for word in program.words if spelling in word.spellings.split()]
    near = [
        word
        for word in program.words
        if spelling.startswith("--")
        and any(each.startswith(spelling) for each in word.spellings.split())
    ]
    if exact or len(near) == 1:
        return (exact or near)[0]
    raise SettingsError(f"translate: {program.name} has no option {spelling}, as far as known here")


__all__ = ["PROGRAMS", "Ours", "Translation", "split", "translated"]
