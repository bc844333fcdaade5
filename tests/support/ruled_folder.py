"""A folder in which each rule that a folder can have has something to do."""

from __future__ import annotations

from pathlib import Path

import pytest

TEXT = b"Five ways to wait, three ways to serve.\n" * 5000
"""200,000 bytes: compressed on the fly it is sent from memory, as it is from the page cache."""

RULES = {
    "compress": True,
    "listing": True,
    "spa": "app.html",
    "error_page": "404=404.html",
    "header": "*.css: X-Style: yes",
    "cache_control": "*.css: max-age=60",
    "cors": "*",
}


@pytest.fixture
def ruled_folder(tmp_path: Path) -> Path:
    (tmp_path / "app.html").write_text("application")
    (tmp_path / "404.html").write_text("not here")
    (tmp_path / "long.txt").write_bytes(TEXT)
    (tmp_path / "both.css").write_bytes(b"p {}")
    (tmp_path / "both.css.br").write_bytes(b"shorter")
    (tmp_path / "many").mkdir()
    for number in range(600):  # more than one batch
        (tmp_path / "many" / f"{number:03}").touch()
    return tmp_path
