"""What a server has written, also when its folder is gone."""

from __future__ import annotations

from contextlib import AbstractContextManager, closing
from pathlib import Path


class Files:
    """What a server has written, also when its folder is gone."""

    def keep(self, folder: str) -> None:
        self._files = [(Path(folder) / name).open("a+") for name in ("log", "record")]

    def close(self) -> None:
        for file in self._files:
            file.close()

    @property
    def log(self) -> str:
        return self._read(0)

    @property
    def record(self) -> list[str]:
        return self._read(1).split()

    def _read(self, number: int) -> str:
        file = self._files[number]
        file.seek(0)
        return file.read()


def kept() -> AbstractContextManager[Files]:
    return closing(Files())
