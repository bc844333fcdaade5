"""The report: one page that needs nothing else, drawn from the document alone.

Nothing on it comes from the network, and its policy forbids that anything does; it
names the page's own style and script by their hashes.
"""

from __future__ import annotations

import base64
import hashlib
import json
from html import escape
from importlib.resources import files
from string import Template
from typing import Any

from .charts import cost, growth, latencies, legend
from .matrix import cells, choices, matrix, ours
from .tables import facts, raw, sentences

Row = dict[str, Any]


def as_html(document: dict[str, Any]) -> str:
    """The page."""
    settings = by_setting(document["rows"])
    title, first = next(iter(settings.items()))
    style, script = part("compare.css"), part("compare.js")
    page = Template(part("compare.html")).substitute(
        target=escape(document["target"]),
        style=style,
        style_hash=hash_of(style),
        script=script,
        script_hash=hash_of(script),
        interrupted=INTERRUPTED if document["interrupted"] else "",
        how=f"{document['rounds']} rounds of {document['seconds']:g} s, taken in turns",
        advice=sentences(document["advice"]),
        choices=choices(list(settings)),
        matrix=matrix(first, title) if ours(first) else "",
        settings="\n".join(section(name, rows) for name, rows in settings.items()),
        growth=all_growth(document["rows"]),
        machine=facts(document["machine"]),
        commands=facts(document["commands"]),
        json=embedded({name: cells(rows) for name, rows in settings.items()}),
    )
    return page.encode("utf-8", "backslashreplace").decode("utf-8")


INTERRUPTED = "<p><strong>Interrupted: what was finished until then.</strong></p>"


def part(name: str) -> str:
    return files(__package__).joinpath(name).read_text("utf-8")


def hash_of(text: str) -> str:
    """As a Content-Security-Policy names what it allows."""
    return base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


def embedded(data: Any) -> str:
    """JSON that cannot end its element, nor begin a comment or another script in it."""
    return json.dumps(data).replace("<", "\\u003c")


def by_setting(rows: list[Row]) -> dict[str, list[Row]]:
    """The rows that may be compared with each other, under the name of what they share."""
    found: dict[str, list[Row]] = {}
    for row in rows:
        suffix = f", {row['idle_connections']} idle" if row["idle_connections"] else ""
        found.setdefault(row["scenario"] + suffix, []).append(row)
    return found


def section(title: str, rows: list[Row]) -> str:
    drawings = [latencies(rows), cost(rows)]
    charts = "".join(drawings) + legend(rows) if any(drawings) else ""
    return f"<section><h2>{escape(title)}</h2>{charts}{raw(rows, title)}</section>"


def all_growth(rows: list[Row]) -> str:
    scenarios = dict.fromkeys(row["scenario"] for row in rows)
    found = []
    for scenario in scenarios:
        mine = [row for row in rows if row["scenario"] == scenario]
        drawing = growth(mine)
        if drawing:
            names = {row["name"]: row for row in reversed(mine)}
            in_order = [names[name] for name in dict.fromkeys(row["name"] for row in mine)]
            heading = f"<h2>{escape(scenario)}: growth over connections</h2>"
            found.append(f"<section>{heading}{drawing}{legend(in_order)}</section>")
    return "".join(found)
