"""Other people's servers: started, checked and measured as ours; or the reason why not."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from fivefold.compare.plan.peers import PEERS, find, peers
from fivefold.compare.session import Wishes, compared, planned
from fivefold.errors import SettingsError
from fivefold.server.settings import Settings
from support.measured_again import measured_again

FOLDERS = [name for name, peer in PEERS.items() if "static" in peer.serves]


@pytest.fixture
def public(site: Path) -> Iterator[Path]:
    """A folder that workers of another account may enter: each run of pytest closes the one that
    it shares with all others of its user."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o755)
        (folder / "1k.bin").write_bytes((site / "1k.bin").read_bytes())
        yield folder


@measured_again  # a round of half a second on a busy machine may have no request
@pytest.mark.parametrize("name", FOLDERS)
def test_it_serves_the_same_folder(public: Path, name: str) -> None:
    if find(PEERS[name].program) is None:
        pytest.skip(f"needs {PEERS[name].package}")
    settings = Settings(target=str(public))
    wishes = Wishes(settings, ("async",), ("epoll",), against=(name,), budget_s=3.0, rounds=1)
    plan = planned(wishes)
    ours, theirs = compared(plan, "it", lambda _: None)["rows"]

    assert theirs["available"], theirs["reason"]
    assert theirs["serving"] is None
    for row in (ours, theirs):
        assert row["errors"]["max"] == row["lost"]["max"] == 0
        assert row["requests_per_s"]["min"] > 0
        assert row["cpu_us_per_request"]["min"] > 0


def test_who_cannot_serve_it_says_so() -> None:
    (found,) = peers(["uvicorn"], ".", "static", [1])
    assert found.reason == "it serves asgi, not static"


def test_who_is_not_installed_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda *_, **__: None)
    (found,) = peers(["nginx"], ".", "static", [1])
    assert found.reason == "it is not installed: install nginx"


def test_workers_multiply_only_who_has_them() -> None:
    names = [each.name for each in peers(["uvicorn", "lighttpd"], "a:b", "asgi", [1, 2])]
    assert names == ["uvicorn", "uvicorn x2", "lighttpd"]


def test_a_name_that_nobody_knows_is_reported() -> None:
    with pytest.raises(SettingsError, match="choose from nginx"):
        peers(["iis"], ".", "static", [1])
