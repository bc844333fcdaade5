"""What all processes of a server have of the access log, from before the first fork."""

from __future__ import annotations

from ..content.application.forwarded import TrustedProxies
from .destination import OFF, Destination, Rotation
from .formats import compiled
from .log import FULL_BYTES, AccessLog
from .writer import Writer


class SharedLog:
    """Where lines go and when that is opened anew; `opened` makes a process's own log of it."""

    def __init__(
        self,
        name: str | None,
        form: str,
        proxies: TrustedProxies,
        base: str,
        *,
        has_ids: bool = False,
        rotation: Rotation | None = None,
    ) -> None:
        """`name`: a path seen from `base`, or `-`; None or `off` for no log. `rotation`: that of a
        log in whose place this one comes, and which older workers still write."""
        self._destination = None if name in (None, OFF) else Destination(name, base)
        self._format = compiled(form, has_ids=has_ids)
        self.has_queue = self._destination is not None and self._format.has_queue
        """Whether a line says how long a request lay in the kernel."""
        self._proxies = proxies
        self.rotation = rotation or Rotation()
        self.turn = self.rotation.turn
        """From now on each process opens the file anew before it writes; for the supervisor."""

    def probe(self) -> None:
        """Whether lines can be written. Raises `SettingsError`."""
        if self._destination is not None:
            self._destination.probe()

    def opened(self) -> AccessLog | None:
        """The log of this process; None for no log."""
        if self._destination is None:
            return None
        writer = Writer(self._destination, self.rotation)
        full = 1 if self._destination.is_terminal else FULL_BYTES
        return AccessLog(self._format, self._proxies, writer, full)
