"""A word of another server, as data: how it is written there, and what says the same here."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple


class Ours(NamedTuple):
    """What a word and its value become here."""

    words: tuple[str, ...] = ()
    note: str = ""
    variables: tuple[str, ...] = ()
    """Of the environment, before the command: NAME=VALUE."""


@dataclass(frozen=True)
class Word:
    """An option or directive of another server."""

    spellings: str
    """As it is written there, separated by spaces."""
    ours: str = ""
    """The options that say the same here, as a person would look for them; "" if none does."""
    note: str = ""
    """What differs; or, if there is no equivalent, why not."""
    flag: bool = False
    """Whether it takes no value."""
    into: Callable[[str], Ours] | None = None
    """What its value becomes, where that is not simply the value of `ours`."""

    def translated(self, value: str) -> Ours:
        if self.into is not None:
            made = self.into(value)
            return made._replace(note="; ".join(filter(None, (made.note, self.note))))
        if not self.ours or " " in self.ours:
            return Ours(note=self.note)
        return Ours((self.ours,) if self.flag else (self.ours, value), self.note)


@dataclass(frozen=True)
class Program:
    """Another server: how its command is called, and its words."""

    name: str
    words: Sequence[Word]
    aliases: tuple[str, ...] = ()
    """Other names of the same command, such as the module's behind `python -m`."""
    defaults: tuple[str, ...] = ()
    """What it does of itself, and we do not: added where none of these options is given."""
    default_note: str = ""
    """What to know if none of the words `unless` is given."""
    unless: tuple[str, ...] = ()
    arguments: Callable[[Sequence[str]], Ours] = lambda given: Ours(tuple(given))
    """What its arguments that are no options become."""


def each(option: str, separator: str = ",") -> Callable[[str], Ours]:
    """Several values in one word there, the option again for each here."""

    def into(value: str) -> Ours:
        values = [part.strip() for part in value.split(separator) if part.strip()]
        return Ours(tuple(word for part in values for word in (option, part)))

    return into


def unless_zero(option: str, meaning: str) -> Callable[[str], Ours]:
    """0 is a word of its own there: `meaning`."""

    def into(value: str) -> Ours:
        return Ours(note=f"0 is {meaning}") if value == "0" else Ours((option, value))

    return into


def one_of(option: str, table: dict[str, str], note: str) -> Callable[[str], Ours]:
    """Words for words; `note` is said of any other."""

    def into(value: str) -> Ours:
        ours = table.get(value.lower())
        return Ours(note=f"{value}: {note}") if ours is None else Ours((option, ours))

    return into


def fixed(*words: str, note: str = "") -> Callable[[str], Ours]:
    """Whatever the value."""
    return lambda _: Ours(words, note)


LOG_LEVELS = {name: name for name in ("debug", "info", "warning", "error", "critical")} | {
    "trace": "debug",
    "warn": "warning",
    "notset": "debug",
}
CERTIFICATES = {
    "0": "none",
    "1": "optional",
    "2": "required",
    "cert_none": "none",
    "cert_optional": "optional",
    "cert_required": "required",
    "verifymode.cert_none": "none",
    "verifymode.cert_optional": "optional",
    "verifymode.cert_required": "required",
}
"""`ssl.CERT_...` by number and by name."""

QUEUE = "the kernel's queue is as long as net.core.somaxconn allows"
CIPHERS = "Python's ssl chooses, by the OpenSSL configuration of the machine"
HTTP2 = (
    "HTTP/2 is spoken over TLS, and without TLS by --h2c; --http2-streams is all there is to set"
)
HTTP3 = "HTTP/3 is not spoken; let a proxy in front speak it"
DAEMON = "it stays in the foreground, where systemd and containers want it (docs/operations.md)"
STATSD = "Prometheus and people read --status HOST:PORT (docs/status.md)"
SERVER_FIELD = "Server is always sent, without a version"
LOOP_OF_IO = "a worker waits in the I/O model of --io"
LOOP = "the event loop is asyncio's, and waits in the I/O model of --io"
FIELDS_OF_LOG = "fields are written {like_this} here (docs/access-log.md)"
NO_CONFIG = "a file of that server cannot be read here: write the settings into --config FILE, TOML"
