"""Ports of this machine, for programs that must be told one."""

from __future__ import annotations

import socket


def free_port() -> int:
    """One of 127.0.0.1 that is free now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
