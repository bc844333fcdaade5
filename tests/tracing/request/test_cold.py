"""A file that cannot be made cold: why, and what to do."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pytest

from fivefold.errors import TraceFailed
from fivefold.tracing.request import cold

MEMORY = Path("/dev/shm")


@pytest.mark.skipif(not MEMORY.is_dir(), reason="no tmpfs is mounted on /dev/shm")
def test_a_file_on_no_disk_is_never_cold(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cold, "EVICT_S", 0.0)
    with tempfile.NamedTemporaryFile(dir=MEMORY) as file:
        file.write(b"x" * 4096)
        file.flush()
        with pytest.raises(TraceFailed, match=r"lies on no disk \(`df /dev/shm/.* says tmpfs"):
            cold.evict(Path(file.name))
