"""The lab as a user has it: its command, and the address that this prints."""

from __future__ import annotations

import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager

PATIENCE_S = 60.0
"""What has not happened by then never will; it bounds a hang, it measures nothing."""


@contextmanager
def lab(*words: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """The command, and the address that it prints."""
    command = [sys.executable, "-m", "fivefold", "lab", *words]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    assert process.stdout is not None
    with process.stdout:
        try:
            yield process, process.stdout.readline().partition(": ")[2].strip()
        finally:
            process.kill()
            process.wait()


def asked(address: str, path: str = "", *, post: bool = False) -> bytes:
    request = urllib.request.Request(address + path, method="POST" if post else "GET")
    with urllib.request.urlopen(request, timeout=PATIENCE_S) as answer:
        found: bytes = answer.read()
        return found
