"""A listing for people: one table, light or dark as the browser is, without any script.

A name is the work of a user who may write to the folder: in text it is escaped, in a link it
is quoted and begins with `./`, so that no name is taken for a scheme or a host.
"""

from __future__ import annotations

from html import escape

from ..paths import quoted
from .json_array import Listed, moment

HEAD = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="robots" content="noindex">
<title>{title}</title>
<style>
:root {{ color-scheme: light dark; }}
body {{ font: 1rem/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 60rem;
  padding: 0 1rem; }}
h1 {{ font-size: 1.25rem; overflow-wrap: anywhere; }}
table {{ border-collapse: collapse; width: 100%; }}
th, td {{ padding: .3rem .75rem .3rem 0; text-align: left; vertical-align: top;
  border-bottom: 1px solid color-mix(in srgb, currentColor 15%, transparent); }}
th {{ font-weight: 600; }}
td:first-child {{ overflow-wrap: anywhere; width: 100%; }}
td + td {{ white-space: nowrap; font-variant-numeric: tabular-nums; opacity: .75; }}
.size {{ text-align: right; }}
a {{ text-decoration: none; }}
a:hover, a:focus-visible {{ text-decoration: underline; }}
tbody tr:hover {{ background: color-mix(in srgb, currentColor 6%, transparent); }}
</style>
</head>
<body>
<h1>{crumbs}</h1>
<table>
<thead><tr><th scope="col">Name</th><th scope="col" class="size">Size</th>\
<th scope="col">Changed (UTC)</th></tr></thead>
<tbody>
"""

UNITS = ("B", "KiB", "MiB", "GiB", "TiB")

STEP = 1024


class Html:
    """`path` is the folder as the client asked for it, decoded, with a slash at its end."""

    media_type = b"text/html; charset=utf-8"

    def __init__(self, path: bytes) -> None:
        self._path = path

    def opening(self) -> bytes:
        title = escape("Index of /" + readable(self._path))
        page = HEAD.format(title=title, crumbs=crumbs(self._path))
        return (page + (PARENT if self._path else "")).encode()

    def row(self, item: Listed) -> bytes:
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
