"""Where the figures come from: a number without its machine says nothing."""

from __future__ import annotations

import datetime as dt
import os
import platform
import re
import subprocess
from pathlib import Path

from servers import path_of, server

from fivefold.compare.measure.cores import Cores
from fivefold.compare.plan.peers import find
from fivefold.compare.report.document import processor

VERSION = re.compile(r"\d+\.\d+[\w.+-]*")


def facts(cores: Cores, names: set[str]) -> dict[str, str]:
    """Processor, kernel, interpreter, and the version of every program that takes part."""
    known = {
        "date": dt.datetime.now(dt.UTC).isoformat(timespec="seconds"),
        "processor": f"{processor()}, {os.cpu_count()} cores",
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
    loads = {"wrk": version(find("wrk"), ("-v",))}
    if any(server(name).http == "2" for name in names):
        loads["h2load"] = version(find("h2load"), ("--version",))
    return known | versions | loads


def choose() -> Cores:
    """The first two cores we may use: how busy a server is says something of one core alone."""
    allowed = sorted(os.sched_getaffinity(0))
    return Cores(frozenset(allowed[:1]), allowed[min(1, len(allowed) - 1)])


def describe(cores: Cores) -> str:
    """Hyper-threads of one core compete for its units, as if they shared it."""
    folders = [Path(f"/sys/devices/system/cpu/cpu{n}") for n in (*cores.server, cores.load)]
    try:
        units = {(each / "topology/core_cpus_list").read_text() for each in folders}
    except OSError:
        return str(cores)
    one = len(units) == 1 and not cores.shared
    return f"{cores} (two threads of one core)" if one else str(cores)


def version(path: str | None, words: tuple[str, ...]) -> str:
    """The first number with a dot that the program prints about itself."""
    if path is None:
        return "missing"
    # wrk answers -v with its version and status 1
    result = subprocess.run([path, *words], capture_output=True, text=True, check=False, timeout=20)
    found = VERSION.search(result.stdout + result.stderr)
    return found[0] if found else "unknown"
