"""What a thread of a server that is traced works for, and by which I/O model it waits."""

from __future__ import annotations

import threading
from typing import Any

from ...iomodels.interface import IOModel


class Working(threading.local):
    """Of each thread."""

    recording: Any = None
    """Of the exchange for which it runs at this moment (`Recording`); None between two."""
    model: IOModel | None = None


working = Working()
