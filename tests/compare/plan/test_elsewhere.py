"""Servers that run already: this machine's, or whose host the user says to own."""

from __future__ import annotations

from pathlib import Path

import pytest

from fivefold.compare.plan.elsewhere import contender
from fivefold.compare.session import Wishes, compared, planned
from fivefold.errors import SettingsError
from fivefold.server.settings import Settings
from fivefold.testing import running

NOT_OURS = "192.0.2.7"
"""TEST-NET-1 (RFC 5737): nobody's."""


def test_a_server_that_runs_is_loaded_and_left_alone(site: Path) -> None:
    with running(str(site)) as url:
        settings = Settings(target=str(site))
        wishes = Wishes(
            settings,
            ("async",),
            ("epoll",),
            paths=("/1k.bin",),
            against=(url,),
            budget_s=1.0,
            rounds=2,
        )
        ours, theirs = compared(planned(wishes), "it", lambda _: None)["rows"]
        assert theirs["name"] == url
        assert theirs["requests_per_s"]["min"] > 0
        assert theirs["errors"]["max"] == 0
        assert theirs["cpu_us_per_request"] is None
        assert theirs["pss_mib"] is None
        assert ours["cpu_us_per_request"]["min"] > 0


def test_somebody_elses_is_refused() -> None:
    with pytest.raises(SettingsError, match=f"--i-own-this-host {NOT_OURS}"):
        contender(f"http://{NOT_OURS}:80", ())


def test_ones_own_is_not() -> None:
    assert contender(f"http://{NOT_OURS}:8080", (NOT_OURS,)).address == (NOT_OURS, 8080)


@pytest.mark.parametrize("url", ["https://localhost", "http://", "http://a:b", "ftp://localhost"])
def test_what_is_no_such_url_is_reported(url: str) -> None:
    with pytest.raises(SettingsError, match="against"):
        contender(url, ())
