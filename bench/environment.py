"""The environment of the application servers: all of them run in this one, ours as well.

So they share an interpreter and the frameworks, and differ in nothing but themselves.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable

from servers import BUILD, HERE

FOLDER = BUILD / "peers"
REQUIREMENTS = HERE / "requirements.txt"
DONE = FOLDER / "installed"


def make(show: Callable[[str], None]) -> str | None:
    """Install what is missing; the reason if that cannot be done."""
    wanted = REQUIREMENTS.read_text()
    if DONE.exists() and DONE.read_text() == wanted:
        return None
    show(f"installing the application servers into {FOLDER}")
    pip = [str(FOLDER / "bin" / "pip"), "install", "--quiet", "--disable-pip-version-check"]
    commands = [
        [sys.executable, "-m", "venv", str(FOLDER)],
        [*pip, "-r", str(REQUIREMENTS), "-e", str(HERE.parent)],
    ]
    for command in commands:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            return f"cannot install the application servers:\n{done.stderr.strip()}"
    DONE.write_text(wanted)
    return None
