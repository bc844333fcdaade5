"""Every engine can be chosen on the lab's page, and what is served is what is selected."""

from __future__ import annotations

import re

import pytest

from fivefold.iomodels import engines
from fivefold.lab.io_options import option_of, options
from support.servers.laboratory import asked, lab


def test_every_model_and_every_engine_can_be_chosen() -> None:
    words = {each.word: each.reason for each in options()}
    for engine in engines():
        assert engine.name in words
        assert words[option_of(engine.engine)] == engine.available()
    assert {"multiplexing:select", "multiplexing:poll", "aio:posix", "aio:uring"} <= set(words)


@pytest.mark.parametrize(
    ("written", "selected"),
    [
        ("blocking", "blocking"),
        ("aio", "aio"),
        ("select", "multiplexing:select"),
        ("multiplexing:poll", "multiplexing:poll"),
        ("posix", "aio:posix"),
    ],
)
def test_what_a_side_serves_is_selected(written: str, selected: str) -> None:
    with lab("--left", f"thread+{written}", "--right", "async+multiplexing") as (_, address):
        page = asked(address).decode()
    left = page.partition('data-side="1"')[0].partition('data-of="io"')[2]
    assert re.findall(r"<option selected>([^<]*)<", left) == [selected]
