"""The timelines of which traces are made, for tests that hold them against witnesses."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import pytest

from fivefold.tracing.steps.assembling import assembled
from fivefold.tracing.steps.timeline import Timeline


@pytest.fixture
def timelines() -> Iterator[list[Timeline]]:
    """What the traces of a test were made of."""
    with kept_timelines() as seen:
        yield seen


@contextlib.contextmanager
def kept_timelines() -> Iterator[list[Timeline]]:
    """What the traces were made of."""
    seen: list[Timeline] = []

    def spied(timeline: Timeline) -> Any:
        seen.append(timeline)
        return assembled(timeline)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("fivefold.tracing.request.session.assembled", spied)
        yield seen
