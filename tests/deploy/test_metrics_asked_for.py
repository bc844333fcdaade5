"""What the files of `deploy/` and `docs/status.md` ask Prometheus for is there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.parser import text_string_to_metric_families

from fivefold.processes.census import Census
from fivefold.status.metrics import ServerCollector, ServerFacts
from fivefold.status.rows import Rows, beat

ROOT = Path(__file__).resolve().parents[2]
FILES = [ROOT / "docs" / "status.md", *(p for p in (ROOT / "deploy").rglob("*") if p.is_file())]

NAME = r"\bfivefold_[a-z_]+"


def exported(monkeypatch: pytest.MonkeyPatch) -> set[str]:
    """By a server with an event loop, and a request that was answered."""
    rows = Rows(1)
    rows.own().words[200] += 1
    beat(rows.own(), 0.25)
    # Only another process sees that the row has an owner (fcntl_locking(2)).
    monkeypatch.setattr(rows, "living", lambda: iter([rows.total()]))
    registry = CollectorRegistry(auto_describe=False)
    facts = ServerFacts([{"io": "uring"}], {})
    registry.register(ServerCollector({"wsgi": rows}, Census(), facts))
    families = list(text_string_to_metric_families(generate_latest(registry).decode()))
    return {s.name for f in families for s in f.samples} | {f.name for f in families}


def test_each_is_exported_or_made_by_a_rule_of_the_files(monkeypatch: pytest.MonkeyPatch) -> None:
    texts = [path.read_text() for path in FILES]
    asked = {name for text in texts for name in re.findall(NAME, text)}
    made = {name for text in texts for name in re.findall(rf"\bas: ({NAME})", text)}
    assert len(asked) >= 15
    assert asked - made - exported(monkeypatch) == set()
