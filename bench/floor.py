"""Builds the floor, floor.c, when its source is newer than the program."""

from __future__ import annotations

import subprocess

from servers import FLOOR, HERE

from fivefold.compare.plan.peers import find


def build() -> None:
    source = HERE / "floor.c"
    if FLOOR.exists() and FLOOR.stat().st_mtime > source.stat().st_mtime:
        return
    FLOOR.parent.mkdir(exist_ok=True)
    compiler = find("gcc")
    assert compiler is not None, "run.py has checked that the programs are there"
    subprocess.run([compiler, "-O2", "-Wall", "-Wextra", "-o", FLOOR, source], check=True)
