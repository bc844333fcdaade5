"""The film of the sample site as browsers like it least: its index is far behind the pictures."""

from __future__ import annotations

import os
from pathlib import Path

SITE = Path(__file__).parents[2] / "examples" / "site"

GAP_BYTES = 60 << 20
"""More than a browser reads of a film that nobody plays."""


def add_film(folder: Path) -> None:
    """`film.html` and the film that it shows, with a hole between pictures and index."""
    film = (SITE / "media" / "life.mp4").read_bytes()
    index = film.rindex(b"moov") - 4
    with (folder / "long.mp4").open("wb") as file:
        file.write(film[:index] + GAP_BYTES.to_bytes(4, "big") + b"free")
        file.seek(GAP_BYTES - 8, os.SEEK_CUR)
        file.write(film[index:])
    (folder / "film.html").write_text(
        "<!doctype html><title>film</title><video src=long.mp4 preload=metadata muted></video>"
    )
