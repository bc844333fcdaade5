"""Where the figures come from: a number without its machine says nothing."""

from __future__ import annotations

import datetime as dt
import os
import platform
import re
import subprocess
from pathlib import Path

from cores import Cores, describe
from servers import find, path_of, server

VERSION = re.compile(r"\d+\.\d+[\w.+-]*")


def facts(cores: Cores, names: set[str]) -> dict[str, str]:
    """Processor, kernel, interpreter, and the version of every program that takes part."""
    known = {
        "date": dt.datetime.now(dt.UTC).isoformat(timespec="seconds"),
        "processor": processor(),
        "cores": describe(cores),
        "kernel": f"{platform.system()} {platform.release()} {platform.machine()}",
        "python": platform.python_version(),
        "load average before": " ".join(f"{x:.2f}" for x in os.getloadavg()),
    }
    asked = {server(name).program: server(name) for name in sorted(names)}
    versions = {
        program: version(path_of(each), each.version)
        for program, each in asked.items()
        if program not in known
    }
    return known | versions | {"wrk": version(find("wrk"), ("-v",))}


def processor() -> str:
    text = Path("/proc/cpuinfo").read_text()
    found = re.search(r"^model name\s*:\s*(.*)$", text, re.MULTILINE)
    return f"{found[1] if found else platform.machine()}, {os.cpu_count()} cores"


def version(path: str | None, words: tuple[str, ...]) -> str:
    """The first number with a dot that the program prints about itself."""
    if path is None:
        return "missing"
    # wrk answers -v with its version and status 1
    result = subprocess.run([path, *words], capture_output=True, text=True, check=False, timeout=20)
    found = VERSION.search(result.stdout + result.stderr)
    return found[0] if found else "unknown"
