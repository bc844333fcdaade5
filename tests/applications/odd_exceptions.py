"""Exceptions that fail when they are looked at: they are objects of the application's own."""

from __future__ import annotations

from typing import Any


class Unprintable(Exception):
    def __str__(self) -> str:
        raise KeyboardInterrupt

    __repr__ = __str__


class Empty(Exception):
    """False, as a collection of errors is that has none."""

    def __len__(self) -> int:
        return 0


class Undecided(BaseException):
    def __bool__(self) -> bool:
        raise KeyboardInterrupt


class Pretender(Exception):
    """Neither its class, nor where it comes from, can be asked for."""

    @property
    def _refused(self) -> Any:
        raise KeyboardInterrupt

    __class__ = __cause__ = __traceback__ = _refused


ODD = (Unprintable, Empty)
UNSPEAKABLE = (Undecided, Pretender)
"""Which Python's own `traceback` cannot format, and so no handler of logging."""
