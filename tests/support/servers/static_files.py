"""Files to serve: those that sample applications send, and a small and a large one."""

from __future__ import annotations

from pathlib import Path

CSS = "body { color: #123 }\n" * 1000


def prepare(folder: str) -> None:
    static = Path(folder, "static")
    static.mkdir()
    (static / "site.css").write_text(CSS)


def small_and_large(folder: Path) -> Path:
    (folder / "small").write_bytes(bytes(5000))
    (folder / "large").write_bytes(bytes(300_000))
    return folder
