"""Counts its own calls, and says how many there were at once: `/counts`. Others wait at a gate."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

from applications.gate import pass_the_gate

calls = {"now": 0, "most": 0, "ended": 0}
lock = threading.Lock()


def app(environ: dict[str, Any], start_response: Callable[..., Any]) -> list[bytes]:
    with lock:
        calls["now"] += 1
        calls["most"] = max(calls["most"], calls["now"])
    try:
        if environ["PATH_INFO"] == "/counts":
            body = "{now} {most} {ended}".format_map(calls).encode()
        else:
            body = pass_the_gate(environ["QUERY_STRING"])
    finally:
        with lock:
            calls["now"] -= 1
            calls["ended"] += 1
    start_response("200 OK", [])
    return [body]
