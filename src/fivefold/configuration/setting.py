"""A setting is a field of a frozen dataclass, and the field's type says what it takes.

A TOML file, a variable or a program may hold anything.  One table, by type, says how a text
becomes a value and which values are taken, for all classes of settings: a new field cannot be
forgotten, and a type that has no line in the table is an error of the first start.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from dataclasses import Field, dataclass, field, fields
from typing import Any

from ..errors import SettingsError

HELP = "help"
"""The key of a field's metadata that holds its sentence for the command line."""

EACH = "each"
"""Likewise: what one of a repeatable setting is, in words."""

CHOICES = "choices"
"""Likewise: the words that a text may be, if not any."""

LONGEST_S = 366 * 86400.0
"""The kernel's timers end somewhere beyond; a user who means "never" is served by a year."""

OPTIONAL = " | None"

AUTO = "auto"

Count = int
"""A number that may be left to the server: `auto`."""

Lines = tuple[str, ...]
"""Texts that may contain spaces: in the environment each is a line of its own."""


def setting(
    default: Any, text: str, *, each: str = "a text", choices: Iterable[str] | None = None
) -> Any:
    """A field, with its sentence; `each` and `choices` as the keys of its metadata say."""
    metadata = {HELP: text, EACH: each, CHOICES: choices and tuple(choices)}
    return field(default=default, metadata=metadata)


def check(group: Any) -> None:
    """Put every field of a dataclass into its type; to be called in `__post_init__`.

    A path stands for its text, and one text for a list of one.  Raises `SettingsError`.
    """
    for each in fields(group):
        value = _taken(each, getattr(group, each.name))
        object.__setattr__(group, each.name, value)


def one_of(name: str, value: str, choices: Iterable[str]) -> None:
    """Raises `SettingsError` if the word is not among them."""
    choices = list(choices)
    if value not in choices:
        raise SettingsError(f"{name}: {value!r} is unknown; choose from {', '.join(choices)}")


def from_text(each: Field[Any], text: str) -> Any:
    """The value that a variable of the environment means. Raises `SettingsError`."""
    kind = _type_of(each)
    try:
        return kind.parse(text)
    except ValueError:
        raise _wrong(each, text) from None


def _taken(each: Field[Any], value: Any) -> Any:
    if value is None and str(each.type).endswith(OPTIONAL):
        return None
    if isinstance(each.default_factory, type):  # settings that have a class of their own
        if not isinstance(value, each.default_factory):
            raise SettingsError(f"{each.name}: {value!r} is not {each.type}(...)")
        return value
    try:
        value = _type_of(each).take(value)
    except TypeError:
        raise _wrong(each, value) from None
    if isinstance(value, int | float) and not isinstance(value, bool):
        _check_number(each.name, value)
    for text in value if isinstance(value, tuple) else (value,):
        if isinstance(text, str) and "\0" in text:
            # Only a file or a program can say it; each call with such a name raises ValueError.
            raise SettingsError(f"{each.name}: {text!r} has a NUL in it, which no name can have")
    if each.metadata.get(CHOICES):
        one_of(each.name, value, each.metadata[CHOICES])
    return value


def _check_number(name: str, value: float) -> None:
    if not value > 0:  # NaN is not, either
        raise SettingsError(f"{name}: {value!r} must be a number greater than zero")
    if name.endswith("_s") and value > LONGEST_S:
        raise SettingsError(f"{name}: {value!r} seconds are more than a year")


def _wrong(each: Field[Any], value: Any) -> SettingsError:
    expected = _type_of(each).expected.format(each.metadata.get(EACH, "a text"))
    return SettingsError(f"{each.name}: {value!r} is not {expected}")


@dataclass(frozen=True)
class SettingType:
    """What a type takes."""

    expected: str
    """In words; `{}` stands for one of several."""
    parse: Callable[[str], Any]
    """The value of a text. Raises ValueError."""
    take: Callable[[Any], Any]
    """The value as it is kept. Raises TypeError if it is of another type."""


def _type_of(each: Field[Any]) -> SettingType:
    return TYPES[str(each.type).removesuffix(OPTIONAL)]


def count(text: str) -> int | str:
    """Raises ValueError."""
    return AUTO if text == AUTO else int(text)


def _parsed_bool(text: str) -> bool:
    if text.lower() not in ("1", "true", "yes", "0", "false", "no"):
        raise ValueError(text)
    return text.lower() in ("1", "true", "yes")


def _instance_of(*types: type) -> Callable[[Any], Any]:
    """Of one of these types; a bool is no number, whatever Python says."""

    def take(value: Any) -> Any:
        if not isinstance(value, types) or (isinstance(value, bool) and bool not in types):
            raise TypeError(value)
        return value

    return take


def _as_text(value: Any) -> str:
    if isinstance(value, os.PathLike):
        value = os.fspath(value)
    if not isinstance(value, str):
        raise TypeError(value)
    return value


def _as_texts(value: Any) -> tuple[str, ...]:
    if isinstance(value, str | os.PathLike):
        value = (value,)
    if not isinstance(value, list | tuple):
        raise TypeError(value)
    return tuple(map(_as_text, value))


TYPES: dict[str, SettingType] = {
    "bool": SettingType("true or false", _parsed_bool, _instance_of(bool)),
    "int": SettingType("a whole number", int, _instance_of(int)),
    "Count": SettingType("a whole number, or auto", count, _instance_of(int)),
    "float": SettingType("a number", float, _instance_of(int, float)),
    "str": SettingType("a text: put it in quotes", str, _as_text),
    "tuple[str, ...]": SettingType("{} or a list of them", str.split, _as_texts),
    "Lines": SettingType("{} or a list of them", str.splitlines, _as_texts),
    # Checked by the class that has it.
    "Any": SettingType("a text", str, lambda value: value),
    "tuple[Any, ...]": SettingType("a table", str, lambda value: value),
}
"""By the type as it is written."""
