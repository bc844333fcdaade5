"""JSON and TOML that others have written, in one way: whatever is wrong with it is a ValueError.

Facts.        `json` and `tomllib` raise ValueError for what is malformed, and RecursionError for
              what is nested deeper than the stack of Python (1,000 arrays: 2 kB), which no caller
              thinks of.  NaN and Infinity are no JSON (RFC 8259, section 6), but Python reads them,
              and every `int` of them raises OverflowError; so it does of 1e999.
Choice.       All of it is read here (a test looks for it).  What the values are is still to be
              checked by the caller: `number_of` and `object_of` do it for the usual ones.
              Reading the file may fail, too: `why_unread` says for all of them how.
Assumption.   The text has a bound, or its author could take our memory in other ways as well.
"""

from __future__ import annotations

import json
import tomllib
from math import isinf
from typing import Any

MOST = 1 << 63
"""What a number of ours may be: it counts things or nanoseconds."""


def json_of(text: bytes | str) -> Any:
    """The value. Raises ValueError."""
    try:
        return json.loads(text, parse_constant=_refused, parse_float=_finite)
    except RecursionError:
        raise ValueError("it is nested too deeply") from None


def object_of(text: bytes | str) -> dict[str, Any]:
    """The object of JSON. Raises ValueError, also if it is something else."""
    found = json_of(text)
    if not isinstance(found, dict):
        raise ValueError("it is no object")  # noqa: TRY004 - the text is wrong, not the caller
    return found


def number_of(found: Any) -> int:
    """A whole number from 0 on. Raises ValueError if it is something else."""
    if type(found) is not int or not 0 <= found < MOST:
        raise ValueError("it is no whole number")
    return found


def toml_of(text: str) -> dict[str, Any]:
    """The table. Raises ValueError."""
    try:
        return tomllib.loads(text)
    except RecursionError:
        raise ValueError("it is nested too deeply") from None


def why_unread(error: Exception) -> str:
    """Why a file of text could not be read or understood, in words for its author: without the
    numbers and names that Python's own sentence has."""
    if isinstance(error, OSError):
        return error.strerror or str(error)
    if isinstance(error, UnicodeDecodeError):
        line = error.object.count(b"\n", 0, error.start) + 1
        return f"line {line} is not UTF-8: save the file in this coding"
    return str(error)


def _refused(constant: str) -> float:
    raise ValueError(f"{constant} is no JSON")


def _finite(digits: str) -> float:
    number = float(digits)
    if isinf(number):
        raise ValueError(f"{digits} is no number")
    return number
