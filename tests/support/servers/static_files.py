"""The static files that sample applications send."""

from __future__ import annotations

from pathlib import Path

CSS = "body { color: #123 }\n" * 1000


def prepare(folder: str) -> None:
    static = Path(folder, "static")
    static.mkdir()
    (static / "site.css").write_text(CSS)
