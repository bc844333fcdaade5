"""What the folders of one worker have in common."""

from __future__ import annotations

import os
from dataclasses import dataclass, field

from .files.kept import KeptFiles


@dataclass(frozen=True)
class Shared:
    """One for the target, the mounts and the hosts together."""

    base: str = ""
    """The absolute path of the folder from which relative ones are seen."""
    in_event_loop: bool = False
    """Whether one thread serves all connections, so that what takes long must not be done in it."""
    kept: KeptFiles = field(default_factory=KeptFiles)

    def path(self, folder: str) -> str:
        return os.path.join(self.base, folder)  # noqa: PTH118 - as it is written


ALONE = Shared()
"""Of a folder by itself, as tests have it."""
