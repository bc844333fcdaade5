"""A server that runs already, known by its URL: it is loaded, not started nor looked into.

Load is an attack if its target did not ask for it.  So the address must be one of this machine, or
one that the user has named as their own.
"""

from __future__ import annotations

import socket
from collections.abc import Collection
from urllib.parse import urlsplit

from ...errors import SettingsError
from .contenders import Contender

HTTP_PORT = 80


def contender(url: str, owned: Collection[str]) -> Contender:
    """Raises `SettingsError` for a URL that is none, or of a host that is not the user's."""
    host, port = parts(url)
    address = resolved(host)
    if host not in owned and not is_here(address):
        raise SettingsError(
            f"against: {host} is not this machine; load sent to others is an attack."
            f" If it is yours, say so: --i-own-this-host {host}"
        )
    return Contender(url, address=(address, port))


def parts(url: str) -> tuple[str, int]:
    try:
        split = urlsplit(url)
        host, port = split.hostname, split.port or HTTP_PORT
    except ValueError as error:
        raise SettingsError(f"against: {url!r}: {error}") from None
    if split.scheme != "http" or not host or split.path not in ("", "/"):
        raise SettingsError(f"against: {url!r} is not http://HOST:PORT")
    return host, port


def resolved(host: str) -> str:
    try:
        found = socket.getaddrinfo(host, None, socket.AF_INET, socket.SOCK_STREAM)
    except OSError as error:
        raise SettingsError(f"against: {host}: {error.strerror}") from None
    return str(found[0][4][0])


def is_here(address: str) -> bool:
    """Whether a socket can be bound to it: the kernel knows its own addresses."""
    with socket.socket() as probe:
        try:
            probe.bind((address, 0))
        except OSError:
            return False
    return True


class Elsewhere:
    """It is as it is: never started, paused or ended, and nothing is known of its inside."""

    pid = None

    def __init__(self, contender: Contender) -> None:
        assert contender.address is not None
        self.address = contender.address

    def wait(self) -> None:
        """It runs already; if not, the first request says so."""

    check = pause = resume = ask_to_end = kill = wait

    def last_words(self) -> str:
        return "its log is not ours to read"
