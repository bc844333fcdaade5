"""Asking a server for its status at an abstract UNIX socket, which is there before its first
worker, by the standard library's client; or where it is at a port."""

from __future__ import annotations

import http.client
import re
import socket
from pathlib import Path

from support.servers.deployed import Deployed


class StatusClient(http.client.HTTPConnection):
    def __init__(self, name: str, host: str) -> None:
        super().__init__(host, timeout=30)
        self._name = name

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(30)
        self.sock.connect(f"\0{self._name}")


class Status:
    """Of a server that was started with `arguments`."""

    def __init__(self, folder: Path) -> None:
        self._name = f"fivefold-test-{folder.stat().st_ino}-{folder.name}"
        self.arguments = ("--status", f"unix:@{self._name}")

    def ask(self, path: str, host: str = "status") -> tuple[int, str]:
        """Status and body; 0 if no process answers there."""
        connection = StatusClient(self._name, host)
        try:
            connection.request("GET", path)
            answer = connection.getresponse()
            return answer.status, answer.read().decode()
        except (OSError, http.client.HTTPException):
            return 0, ""
        finally:
            connection.close()

    def is_ready(self) -> bool:
        return self.ask("/health/ready")[0] == 200


def tcp_address(server: Deployed) -> tuple[str, int]:
    """Of a server with `--status 127.0.0.1:0`."""
    server.said("status on")
    match = re.search(r"status on http://(127\.0\.0\.1):(\d+)", server.log)
    assert match
    return match[1], int(match[2])
