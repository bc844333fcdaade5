"""A listing for people, and one for programs.

For people: one table, light or dark as the browser is, without any script.  A name is the work
of a user who may write to the folder: in text it is escaped, in a link it is quoted and begins
with `./`, so that no name is taken for a scheme or a host.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, datetime
from html import escape
from importlib.resources import files
from string import Template

from ..paths import quoted

HEAD = Template(files(__package__).joinpath("page.html").read_text("utf-8"))

UNITS = ("B", "KiB", "MiB", "GiB", "TiB")

STEP = 1024


@dataclass(slots=True)
class ListedItem:
    """A file or folder in a listing."""

    name: bytes
    is_folder: bool
    size: int
    modified_s: float


class Html:
    """`path` is the folder as the client asked for it, decoded, with a slash at its end."""

    media_type = b"text/html; charset=utf-8"

    def __init__(self, path: bytes) -> None:
        self._path = path

    def opening(self) -> bytes:
        title = escape("Index of /" + readable(self._path))
        page = HEAD.substitute(title=title, crumbs=crumbs(self._path))
        return (page + (PARENT if self._path else "")).encode()

    def row(self, item: ListedItem) -> bytes:
        slash = "/" if item.is_folder else ""
        link = "./" + quoted(item.name).decode() + slash
        when = moment(item.modified_s)
        return (
            f'<tr><td><a href="{escape(link)}">{escape(readable(item.name))}{slash}</a></td>'
            f'<td class="size">{"" if item.is_folder else in_words(item.size)}</td>'
            f"<td>{when.isoformat(' ', 'minutes') if when else '?'}</td></tr>\n"
        ).encode()

    def closing(self) -> bytes:
        return b"</tbody>\n</table>\n</body>\n</html>\n"


PARENT = '<tr><td><a href="../">../</a></td><td></td><td></td></tr>\n'


def crumbs(path: bytes) -> str:
    """The folders above as links, the folder itself as text.

    Relative links, because a proxy may serve all this below a prefix.
    """
    names = path.split(b"/")[:-1]
    parts = [f'<a href="{"../" * len(names)}">/</a>' if names else "/"]
    for below, name in zip(reversed(range(len(names))), names, strict=True):
        text = escape(readable(name))
        parts.append(f'<a href="{"../" * below}">{text}</a> / ' if below else text)
    return " ".join(parts)


def readable(name: bytes) -> str:
    """Bytes that are not UTF-8 are shown as U+FFFD; the link has them as they are."""
    return name.decode("utf-8", "replace")


def in_words(size: int) -> str:
    """Three digits of a size, in powers of 1024."""
    amount, unit = float(size), 0
    while amount >= STEP and unit < len(UNITS) - 1:
        amount, unit = amount / STEP, unit + 1
    return f"{amount:.0f} {UNITS[unit]}" if unit == 0 else f"{amount:.1f} {UNITS[unit]}"


def moment(seconds: float) -> datetime | None:
    """In UTC; None outside of the years 1 to 9999: a file has whatever time its writer gave it."""
    try:
        return datetime.fromtimestamp(seconds, UTC).replace(tzinfo=None)
    except (ValueError, OverflowError, OSError):
        return None


class Json:
    """An array of objects, one a line.

    Names that are not UTF-8 have U+FFFD in them, as in every other JSON; a time that has no
    ISO form is null."""

    media_type = b"application/json"

    def __init__(self) -> None:
        self._separator = b"\n"

    def opening(self) -> bytes:
        return b"["

    def row(self, item: ListedItem) -> bytes:
        modified = moment(item.modified_s)
        about = {
            "name": item.name.decode("utf-8", "replace"),
            "type": "directory" if item.is_folder else "file",
            "mtime": modified and f"{modified.isoformat(timespec='seconds')}Z",
        }
        if not item.is_folder:
            about["size"] = item.size  # type: ignore[assignment]
        separator, self._separator = self._separator, b",\n"
        return separator + json.dumps(about).encode()

    def closing(self) -> bytes:
        return b"\n]\n"
