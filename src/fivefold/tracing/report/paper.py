"""What a trace is written on in a terminal: its width, colours and characters.

Whatever comes from a trace loses its control characters first: a request target is the
client's to choose, and must not be able to move the cursor of the reader's terminal.
"""

from __future__ import annotations

import textwrap
from collections.abc import Iterator
from dataclasses import dataclass

COLOURS = {
    "client": "35",
    "interface": "36",
    "kernel": "94",
    "server": "32",
    "disk": "33",
    "other": "31",
    "all": "1",
    "faint": "2",
    "strong": "1",
}
"""The actor that has the time, as parameters of the terminal's "select graphic rendition"."""

NARROWEST = 64
"""Columns."""

EIGHTHS = " ▏▎▍▌▋▊▉█"


@dataclass(frozen=True)
class Paper:
    """What is written on: its width, its colours, its characters."""

    width: int
    colour: bool
    encoding: str

    def paint(self, text: str, ink: str) -> str:
        return f"\x1b[{COLOURS[ink]}m{text}\x1b[0m" if self.colour and text.strip() else text

    def blocks(self) -> bool:
        """Whether bars can be drawn with block characters."""
        try:
            EIGHTHS.encode(self.encoding)
        except UnicodeEncodeError:
            return False
        return True

    def wrapped(self, text: str, *, first: str = "", indent: str | None = None) -> Iterator[str]:
        rest = " " * len(first) if indent is None else indent
        yield from textwrap.wrap(
            printable(text), self.width, initial_indent=first, subsequent_indent=rest
        )

    def printed(self, lines: Iterator[str]) -> str:
        """The lines as one text that the encoding can carry."""
        text = "".join(f"{line.rstrip()}\n" for line in lines)
        try:
            text.encode(self.encoding)
        except UnicodeEncodeError:
            plain = text.replace("µ", "u")
            return plain.encode(self.encoding, "backslashreplace").decode(self.encoding)
        return text


def printable(text: str) -> str:
    """The text, with escapes in place of everything that a terminal might obey."""
    return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text)
