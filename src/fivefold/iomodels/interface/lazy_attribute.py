"""An attribute that is made when it is first asked for, and from then on is one of the object.

`functools.cached_property` does the same by way of the object's `__dict__`, which CPython 3.11 only
makes when code asks for it: 64 bytes of each connection, whose other attributes are then found more
slowly.

Assumption.   The object can have attributes; threads that ask at once get the same value, or it
              does not matter which.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Generic, TypeVar, overload

V = TypeVar("V")


class lazy_attribute(Generic[V]):  # noqa: N801 - it reads as the decorator that it is
    """Decorates the method that makes the value."""

    def __init__(self, make: Callable[[Any], V]) -> None:
        self._make = make
        self._name = make.__name__
        self.__doc__ = make.__doc__

    @overload
    def __get__(self, of: None, owner: type) -> lazy_attribute[V]: ...

    @overload
    def __get__(self, of: object, owner: type) -> V: ...

    def __get__(self, of: object | None, owner: type) -> lazy_attribute[V] | V:
        if of is None:
            return self
        value = self._make(of)
        setattr(of, self._name, value)  # which is found before this from now on
        return value
