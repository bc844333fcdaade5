"""Builds the floor, floor.c, when its source is newer than the program."""

from __future__ import annotations

import subprocess

from servers import BUILD, HERE, find


def build() -> None:
    source, program = HERE / "floor.c", BUILD / "floor"
    if program.exists() and program.stat().st_mtime > source.stat().st_mtime:
        return
    BUILD.mkdir(exist_ok=True)
    compiler = find("gcc")
    assert compiler is not None, "run.py has checked that the programs are there"
    subprocess.run([compiler, "-O2", "-Wall", "-Wextra", "-o", program, source], check=True)
