"""`fivefold models`: the fifteen pairs and every engine, and what runs here; also what packages
that are installed add to them."""

from __future__ import annotations

import json
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import click

from ..content.kinds import KINDS
from ..errors import Unavailable
from ..iomodels import OFFERS, why_not
from ..iomodels import models as io_models
from ..iomodels.interface import Traits
from ..iomodels.offers import EngineOffer
from ..serving import MODELS as SERVING_MODELS

H2_NOTE = "over TLS by ALPN, without TLS with --h2c; blocking answers its streams in turn"

KIND_NAMES = {"static": "folder", "wsgi": "WSGI application", "asgi": "ASGI application"}

AUTO = {name: f"{KINDS[kind].serving} + {KINDS[kind].io}" for kind, name in KIND_NAMES.items()}
"""What `auto` takes, by kind of content."""


UNKNOWN = Traits(overlaps=True, waits_in="?", wait="?", disk_wait="?", files="?")
"""Of a package that cannot be loaded."""


def engine_row(offer: EngineOffer) -> dict[str, Any]:
    reason = why_not(offer)
    try:
        traits = offer.load().traits
    except Unavailable:
        traits = UNKNOWN
    return {
        "io": offer.name,
        "engine": offer.engine,
        "available": reason is None,
        "reason": reason,
        "overlaps": traits.overlaps,
        "waits_in": traits.waits_in,
        "files": traits.files,
        "limit": traits.limit or None,
    }


def pair_row(serving: str, io: str, engines: list[dict[str, Any]]) -> dict[str, Any]:
    mine = [row for row in engines if row["io"] == io]
    usable = [row for row in mine if row["available"]]
    iterative = SERVING_MODELS[serving].traits.one_thread and not mine[0]["overlaps"]
    return {
        "serving": serving,
        "io": io,
        "available": bool(usable),
        "reason": None if usable else "; ".join(row["reason"] for row in mine),
        "engine": usable[0]["engine"] if usable else None,
        "note": "iterative: one client at a time" if iterative else None,
    }


def http_rows() -> list[dict[str, Any]]:
    """In every pair alike; HTTP/2 by a library that is loaded only where it is spoken."""
    try:
        by, reason = f"ngh2 {version('ngh2')}", None
    except PackageNotFoundError:
        by, reason = None, "ngh2 is not installed"
    return [
        {"http": "1.1", "available": True, "reason": None, "by": None, "note": ""},
        {"http": "2", "available": by is not None, "reason": reason, "by": by, "note": H2_NOTE},
    ]


def report() -> dict[str, Any]:
    engines = [engine_row(offer) for offer in OFFERS]
    pairs = [pair_row(serving, io, engines) for serving in SERVING_MODELS for io in io_models()]
    return {"pairs": pairs, "engines": engines, "http": http_rows(), "auto": AUTO}


def in_words(table: dict[str, Any]) -> list[str]:
    lines = ["Pairs", ""]
    for row in table["pairs"]:
        name = f"{row['serving']} + {row['io']}"
        state = f"available ({row['engine']})" if row["available"] else f"not here: {row['reason']}"
        note = f"; {row['note']}" if row["note"] else ""
        lines.append(f"  {name:24} {state}{note}")
    lines += ["", "Engines", ""]
    for row in table["engines"]:
        state = "available" if row["available"] else f"not here: {row['reason']}"
        lines.append(f"  {row['io'] + ':' + row['engine']:24} {state}")
        lines += [f"  {'':24} waits in {row['waits_in']}", f"  {'':24} files: {row['files']}"]
        if row["limit"]:
            lines.append(f"  {'':24} limit: {row['limit']}")
    lines += ["", "HTTP", ""]
    for row in table["http"]:
        by = f" ({row['by']})" if row["by"] else ""
        state = f"available{by}" if row["available"] else f"not here: {row['reason']}"
        lines.append(f"  {row['http']:24} {state}{row['note'] and '; '}{row['note']}")
    lines += ["", "What `auto` takes", ""]
    lines += [f"  {kind:24} {pair}" for kind, pair in table["auto"].items()]
    return lines


@click.command(short_help="List what can run on this machine; for what cannot, why.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def models(as_json: bool) -> None:  # noqa: FBT001 - click calls by keyword
    """List the fifteen pairs, every engine and version of HTTP: available here, or why not."""
    table = report()
    click.echo(json.dumps(table, indent=2) if as_json else "\n".join(in_words(table)))
