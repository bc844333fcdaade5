"""`--access-log-format`: a word or a text with `{fields}`, compiled once per process.

A line is filled in three steps, each as seldom as it can be.  What comes from the head of
the request is put in once per head (`heads`); client, time, status and bytes, which are the
same for every answer of a second to one client, come next; the times of the exchange last.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from operator import itemgetter
from typing import Any

from ..errors import SettingsError
from ..http1.escaping import as_json, as_text

FROM_HEAD = {
    "request": "the request line",
    "method": "its method",
    "target": "its target: path and query",
    "path": "the target up to the question mark",
    "query": "the target behind the question mark",
    "protocol": "HTTP/1.1 or HTTP/1.0",
    "host": "the host that was asked for",
    "referer": "the Referer field",
    "user_agent": "the User-Agent field",
    "request_id": "the X-Request-ID field; with --request-id each request has one",
}
"""Fields that the head of a request determines; `{header:NAME}` is one of them, too."""

ONCE_A_SECOND = {
    "client": "the client's address, behind --trusted-proxies",
    "peer": "the address at the other end of the connection",
    "time": "when the exchange ended, local: 24/Nov/2026:02:10:00 +0000",
    "iso_time": "the same as 2026-11-24T02:10:00+00:00",
    "status": "the status sent; 499 if none was",
    "bytes": "bytes of the body sent",
    "end": "complete, or aborted if the exchange was cut off",
}
"""Fields that many lines share; their order is that of the values handed to `Format.filled`."""

TIMES = {
    "wait_ms": "waited for the request",
    "handle_ms": "until the response began",
    "send_ms": "until the kernel had all of it",
    "queue_ms": "of a connection's first request: lay in the kernel until a worker read it",
}
"""Fields that differ from exchange to exchange; milliseconds."""

QUEUE = "queue_ms"
"""The one that is not known of every exchange, and has to be asked for (`Format.has_queue`)."""

HEADER = "header:"
NAMES = ("request_id", "header:x-request-id")
FIELD_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")

TOKEN = re.compile(r"\{\{|\}\}|\{([^{}]*)\}|[^{}]+|[{}]")

COMMON = '{client} - - [{time}] "{request}" {status} {bytes}'

JSON = "json"

JSON_FIELDS = (
    *("iso_time", "client", "method", "target", "protocol", "host", "status", "bytes", "end"),
    *(*TIMES, "referer", "user_agent"),
)

UNQUOTED = {"status", "bytes", *TIMES}
"""Numbers in JSON."""

NAMED = {
    "common": COMMON,
    "combined": COMMON + ' "{referer}" "{user_agent}"',
}
"""The formats that have a name, nginx's and Apache's two, besides `json`."""

MARK = "\0"
"""Stands for a time; nothing else in a line can be a control character."""

MARKS = (MARK,) * len(TIMES)

Line = tuple[str, ...]
"""The parts of a line; between them its times are still to be put."""

Times = tuple[str, str, str, str]
"""As text, in the order of `TIMES`."""


@dataclass(frozen=True)
class Format:
    """A compiled format."""

    parts: tuple[str, ...]
    """Texts, with their percent signs doubled, and at odd places the fields of a head."""
    pick: Callable[[tuple[Any, ...]], tuple[Any, ...]]
    """Of the values in the order of `ONCE_A_SECOND` and `TIMES` those that the template has."""
    pick_times: Callable[[tuple[Any, ...]], tuple[Any, ...]]
    """The same of `TIMES` alone."""
    has_times: bool
    has_all_times: bool
    """Whether it has all of them, in their order, as `json` has."""
    has_queue: bool
    has_ids: bool
    """Whether it shows the names that the server gives to requests."""
    escaped: Callable[[bytes], str]
    missing: str
    """What stands for a field that the request does not have."""
    no_time: str
    """The same for a time."""

    @property
    def head_fields(self) -> tuple[str, ...]:
        return self.parts[1::2]

    def template(self, head: dict[str, bytes | None]) -> str:
        """With the fields of a head; what is left are those of an exchange."""
        parts = list(self.parts)
        for at in range(1, len(parts), 2):
            value = head[parts[at]]
            text = self.missing if value is None else self.escaped(value)
            parts[at] = text.replace("%", "%%")
        return "".join(parts)

    def filled(self, template: str, *values: str) -> Line:
        """With the values of `ONCE_A_SECOND`."""
        return tuple((template % self.pick((*values, *MARKS))).split(MARK))

    def timed(self, line: Line, times: Times) -> str:
        """A whole line; `times` are all of `TIMES` in their order."""
        picked = self.pick_times(times)
        between = (text for pair in zip(line, picked, strict=False) for text in pair)
        return "".join((*between, line[-1]))


def compiled(text: str, *, has_ids: bool = False) -> Format:
    """From a name, or from a text. Raises `SettingsError`.

    `has_ids`: whether requests have names, which `json` then shows.
    """
    is_json = text == JSON
    if is_json:
        text = as_object((*JSON_FIELDS, "request_id") if has_ids else JSON_FIELDS)
    elif text in NAMED:
        text = NAMED[text]
    elif "{" not in text:
        raise unknown(text, f"is neither {', '.join(NAMED)}, {JSON} nor a text with fields")
    if not text.replace("\t", "").isprintable():
        raise SettingsError("access_log_format: control characters would break the lines")
    parts, dynamic = [""], []
    order = (*ONCE_A_SECOND, *TIMES)
    for token in TOKEN.finditer(text):
        name = checked(token)
        if name is None:
            parts[-1] += literal(token[0])
        elif name in order:
            dynamic.append(name)
            parts[-1] += "%s"
        else:
            parts += [name, ""]
    parts[-1] += "\n"
    times = [list(TIMES).index(name) for name in dynamic if name in TIMES]
    return Format(
        tuple(parts),
        picker([order.index(name) for name in dynamic]),
        picker(times),
        bool(times),
        times == list(range(len(TIMES))),
        QUEUE in dynamic,
        has_ids and any(name.lower() in NAMES for name in parts[1::2]),
        as_json if is_json else as_text,
        "" if is_json else "-",
        "null" if is_json else "-",
    )


def as_object(names: tuple[str, ...]) -> str:
    """One line of JSON, as a text with fields."""
    quoted = (f"{{{name}}}" if name in UNQUOTED else f'"{{{name}}}"' for name in names)
    pairs = zip(names, quoted, strict=True)
    members = (f'"{name.removeprefix("iso_")}":{value}' for name, value in pairs)
    return "{{" + ",".join(members) + "}}"


def checked(token: re.Match[str]) -> str | None:
    """The name of a field, None for other text. Raises `SettingsError`."""
    name = token[1]
    if name is None:
        if token[0] in ("{", "}"):
            raise SettingsError(
                f"access_log_format: a {token[0]!r} without its pair; write {token[0] * 2} for one"
            )
        return None
    if name in FROM_HEAD or name in ONCE_A_SECOND or name in TIMES:
        return name
    if name.startswith(HEADER) and FIELD_NAME.fullmatch(name, len(HEADER)):
        return HEADER + name.removeprefix(HEADER).lower()
    raise unknown("{" + name + "}", "is unknown")


def unknown(what: str, why: str) -> SettingsError:
    fields = " ".join("{" + name + "}" for name in (*ONCE_A_SECOND, *TIMES, *FROM_HEAD))
    return SettingsError(
        f"access_log_format: {what!r} {why}; the fields are {fields} {{header:NAME}}"
    )


def literal(text: str) -> str:
    return {"{{": "{", "}}": "}"}.get(text, text).replace("%", "%%")


def picker(indexes: list[int]) -> Callable[[tuple[Any, ...]], tuple[Any, ...]]:
    """`itemgetter`, but for its exceptions: one index gives no tuple there, none is an error."""
    if len(indexes) > 1:
        return itemgetter(*indexes)
    return lambda values: tuple(values[index] for index in indexes)
