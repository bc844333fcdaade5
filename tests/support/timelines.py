"""The timelines of which traces are made, for tests that hold them against witnesses."""

from __future__ import annotations

from typing import Any

import pytest

from fivefold.tracing.steps.assembling import assembled
from fivefold.tracing.steps.timeline import Timeline


@pytest.fixture
def timelines(monkeypatch: pytest.MonkeyPatch) -> list[Timeline]:
    """What the traces were made of."""
    seen: list[Timeline] = []

    def spied(timeline: Timeline) -> Any:
        seen.append(timeline)
        return assembled(timeline)

    monkeypatch.setattr("fivefold.tracing.request.session.assembled", spied)
    return seen
