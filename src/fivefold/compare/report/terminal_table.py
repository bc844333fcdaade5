"""The result for a terminal: a table for each scenario, the answers, then the chapter's claims."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from ...inspection.phrases import counted
from ..figures import BY_KEY, Figure, Row
from .claims import EXPLAINED, STABILITY
from .columns import aligned, fits, table, three, wrapped
from .criteria import isolation
from .soundness import held_against

ANSWERS = {
    "requests_per_s": "requests/s",
    "latency_ms.p50": "p50 ms",
    "latency_ms.p99": "p99 ms",
    "latency_ms.max": "max ms",
}
COST = {
    "cpu_us_per_request": "CPU us",
    "pss_mib": "MiB",
    "context_switches_per_request": "switches",
    "syscalls_per_request": "calls",
}
"""Columns with the short words above them; the rest is in the JSON and the report."""
HARM = {"errors": "wrong", "lost": "lost"}
CLAIMED = "The chapter's three claims, on this machine and with this target"
SIDE = {
    "requests_per_s": "req/s",
    "latency_ms.p99": "p99 ms",
    "cpu_us_per_request": "CPU us",
    "pss_mib": "MiB",
}


def value(row: Row, figure: Figure) -> dict[str, float] | None:
    place = row.get(figure.group) or {} if figure.group else row
    found: dict[str, float] | None = place.get(figure.name)
    return found


def shown(row: Row, figure: Figure) -> str:
    found = value(row, figure)
    if found is None:
        return "-"
    text = three(found["median"])
    # Where the load was the limit the server could do more, and how much is not known.
    least = row["load_is_the_limit"] and not figure.less_is_better
    return f">= {text}" if least and figure.name == "requests_per_s" else text


def columns(rows: Sequence[Row], titles: Mapping[str, str]) -> list[list[str]]:
    """Heading and lines; a figure that no row has, and a harm that none has met, is left out."""
    there = [key for key in titles if any(shown(row, BY_KEY[key]) != "-" for row in rows)]
    return [
        ["", *(titles[key] for key in there)],
        *([row["name"], *(shown(row, BY_KEY[key]) for key in there)] for row in rows),
    ]


def harm(rows: Sequence[Row]) -> list[list[str]]:
    met = [name for name in HARM if any(row[name]["max"] for row in rows)]
    return [
        ["", *(HARM[name] for name in met)],
        *([row["name"], *(f"{row[name]['max']:g}" for name in met)] for row in rows),
    ]


def joined(*tables: list[list[str]]) -> list[list[str]]:
    """Beside each other: the name once."""
    return [
        [lines[0][0], *(cell for line in lines for cell in line[1:])]
        for lines in zip(*tables, strict=True)
    ]


def figures(rows: Sequence[Row]) -> Iterator[str]:
    """One table if it fits, else what is answered and what it costs below each other."""
    answers, cost = joined(columns(rows, ANSWERS), harm(rows)), columns(rows, COST)
    whole = aligned(joined(answers, cost))
    if fits(whole):
        yield from whole
        return
    yield from table(answers)
    yield ""
    yield from table(cost)


def by_setting(rows: Sequence[Row]) -> dict[str, list[Row]]:
    """The rows that may be compared with each other, under the name of what they share."""
    found: dict[str, list[Row]] = {}
    for row in rows:
        suffix = f", {row['idle_connections']} idle" if row["idle_connections"] else ""
        found.setdefault(row["scenario"] + suffix, []).append(row)
    return found


def tables(document: dict[str, Any]) -> Iterator[str]:
    """Line by line."""
    for setting, rows in by_setting(document["rows"]).items():
        yield from wrapped(f"{setting}: {document['scenarios'][rows[0]['scenario']]}")
        yield ""
        measured = [row for row in rows if row["available"]]
        if measured:
            yield from figures(measured)
            yield ""
        remarks = list(notes(rows))
        for each in remarks:
            yield from wrapped(each, "    ", "  ")
        if remarks:
            yield ""


def notes(rows: Sequence[Row]) -> Iterator[str]:
    """What a reader must know before trusting a line; the same reason once for all."""
    reasons: dict[str, list[str]] = {}
    for row in rows:
        if row["reason"]:
            reasons.setdefault(row["reason"], []).append(row["name"])
    for reason, names in reasons.items():
        yield reason if len(names) == len(rows) else f"{', '.join(names)}: {reason}"
    measured = [row for row in rows if row["available"]]
    for row in measured:
        if row["note"]:
            yield f"{row['name']}: {row['note']}"
    for names, reason in held_against(measured):
        yield f"{', '.join(names)}: {reason}"
    disturbed = [f"{row['name']} {n}" for row in rows if (n := row["disturbed_rounds"])]
    if disturbed:
        yield f"rounds disturbed by other programs: {', '.join(disturbed)}"
    queued = [f"{row['name']} {n}" for row in rows if (n := row.get("clients_queued"))]
    if queued:
        yield f"clients whose turn had not come, and no time for longer rounds: {', '.join(queued)}"
    limited = [row["name"] for row in rows if row["load_is_the_limit"]]
    if limited:
        yield f">=: the load generator was the limit, not the server: {', '.join(limited)}"


def side(document: dict[str, Any], answer: dict[str, Any]) -> list[Row]:
    """The rows that an answer puts side by side: those of the setting it is about."""
    mine = [row for row in document["rows"] if row["scenario"] == answer["rows_of"]]
    most = max((row["idle_connections"] for row in mine), default=0)
    by_name = {row["name"]: row for row in mine if row["idle_connections"] == most}
    return [by_name[name] for name in answer["rows"] if name in by_name]


def side_by_side(rows: Sequence[Row]) -> list[list[str]]:
    isolations = [["", "a crash takes along"], *([row["name"], isolation(row)] for row in rows)]
    return joined(columns(rows, SIDE), isolations)


def answers(document: dict[str, Any]) -> Iterator[str]:
    for each in document["advice"]:
        yield f"{each['question']} ({each['scenario']})"
        yield from wrapped(each["text"], "  ")
        yield ""
        rows = side(document, each)
        if rows:
            yield from table(side_by_side(rows))
            yield ""
        for price in each["price"]:
            yield from wrapped(price, "    ", "  ")
        if each["excluded"]:
            yield "  Not advised:"
            for reason in each["excluded"]:
                yield from wrapped(reason, "      ", "    ")
        if each["price"] or each["excluded"]:
            yield ""
        if each["command"]:
            yield f"    {each['command']}"
            yield ""


def rounds_of(document: dict[str, Any]) -> str:
    """How many, and of what length where a row needed no longer ones."""
    rounds = counted(document["rounds"], "round", "rounds")
    return f"{rounds} of {three(document['seconds'])} s"


def text(document: dict[str, Any]) -> str:
    """The whole result."""
    lines = [line for each in document["warnings"] for line in (*wrapped(each), "")]
    for name, found in document["machine"].items():
        lines += wrapped(f"{name}: {found}", "    ", "")
    lines += [f"medians of {rounds_of(document)}, taken in turns"]
    lines += ["", *tables(document)]
    if document["interrupted"]:
        lines += ["Interrupted: these are the rounds that were finished.", ""]
    return "\n".join([*lines, *answers(document), *claimed(document["claims"])])


def claims_table(claims: Sequence[dict[str, Any]]) -> list[list[str]]:
    models = list(dict.fromkeys(model for each in claims for model in each["figures"]))
    return [
        ["", *models, "here"],
        *(
            [
                f"{each['claim']}: {each['figure']}",
                *(each["figures"].get(model, "-") for model in models),
                each["verdict"].removesuffix(" here"),
            ]
            for each in claims
        ),
    ]


def claimed(claims: Sequence[dict[str, Any]]) -> list[str]:
    """The chapter's, as the last table."""
    if not claims:
        return []
    return [f"{CLAIMED}:", *wrapped(explained(claims)), "", *table(claims_table(claims))]


def explained(claims: Sequence[dict[str, Any]]) -> str:
    """What harm was done, where it was done."""
    return EXPLAINED if any(each["claim"] == STABILITY for each in claims) else ""
