"""Asking a server for its status at an abstract UNIX socket, which is there before its first
worker, by the standard library's client."""

from __future__ import annotations

import http.client
import socket
from pathlib import Path


class StatusClient(http.client.HTTPConnection):
    def __init__(self, name: str) -> None:
        super().__init__("status", timeout=30)
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

    def ask(self, path: str) -> tuple[int, str]:
        """Status and body; 0 if no process answers there."""
        connection = StatusClient(self._name)
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
