"""Three instances behind Debian's HAProxy and nginx, with the files of `deploy/`."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from fivefold.compare.plan.peers import find

ROOT = Path(__file__).resolve().parents[2]
sys.path.append(str(ROOT))

from reliability.balanced import deployed, killed, restarted  # noqa: E402 - on the path just made
from reliability.outcome import Trial  # noqa: E402

SECONDS = 2.0
"""Of load for the hard death; a rolling restart takes as long as it does."""


@pytest.mark.alone
def test_a_rolling_restart_loses_nothing_and_a_hard_death_what_it_held(tmp_path: Path) -> None:
    for program in ("haproxy", "nginx"):
        if find(program) is None:
            pytest.skip(f"{program} is not installed")
    trial = Trial("async", SECONDS, 0.1, tmp_path)
    with deployed(trial) as deployment:
        assert restarted(deployment, trial).missed == []
        assert killed(deployment, trial).missed == []
