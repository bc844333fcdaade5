"""The report's tables: every figure of every row, the machine, the commands, the advice."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from typing import Any

from ...figures import FIGURES
from ..terminal_table import notes, shown, value

Row = dict[str, Any]


def raw(rows: Sequence[Row], title: str) -> str:
    """Medians, with the extent of the rounds as a second line."""
    head = "".join(f'<th scope="col">{escape(each.title)}</th>' for each in FIGURES)
    head += '<th scope="col">errors</th><th scope="col">lost</th>'
    body = "".join(map(line, [row for row in rows if row["available"]]))
    remarks = "".join(f"<li>{escape(each.strip())}</li>" for each in notes(rows))
    return (
        f'<div class="scroll" tabindex="0" role="region" aria-label="Figures: {escape(title)}">'
        f"<table><caption>{escape(title)}: medians, below them the lowest and the highest round"
        f'</caption><thead><tr><th scope="col">server</th>{head}</tr></thead>'
        f"<tbody>{body}</tbody></table></div><ul>{remarks}</ul>"
    )


def line(row: Row) -> str:
    cells = []
    for each in FIGURES:
        found, n = value(row, each), each.digits
        extent = f"{found['min']:.{n}f} to {found['max']:.{n}f}" if found else ""
        cells.append(
            f'<td class="number">{escape(shown(row, each))}<br><small>{extent}</small></td>'
        )
    for name in ("errors", "lost"):
        most = row[name]["max"]
        kind = "number bad" if most else "number"
        cells.append(f'<td class="{kind}">{most:g}</td>')
    return f'<tr><th scope="row">{escape(row["name"])}</th>{"".join(cells)}</tr>'


def sentences(advice: Sequence[dict[str, Any]]) -> str:
    items = []
    for each in advice:
        command = f"<pre><code>{escape(each['command'])}</code></pre>" if each["command"] else ""
        items.append(f"<li>{escape(each['text'])}{command}</li>")
    return f'<ul class="advice">{"".join(items)}</ul>'


def facts(pairs: dict[str, Any]) -> str:
    lines = "".join(
        f"<dt>{escape(str(name))}</dt><dd>{escape(str(said))}</dd>" for name, said in pairs.items()
    )
    return f"<dl>{lines}</dl>"
