"""What can be set of HTTP/2."""

from __future__ import annotations

from dataclasses import dataclass

from ..configuration.setting import check, setting
from ..errors import SettingsError

VERSIONS = {"1.1,2": ("h2", "http/1.1"), "1.1": ("http/1.1",), "2": ("h2",)}
"""What `http` may be, and what of it is offered to clients, the best first (ALPN, RFC 7301)."""

STREAMS = 100
"""What RFC 9113 recommends at least (section 6.5.2), and nginx allows nearly (128)."""


@dataclass(frozen=True, kw_only=True)
class Http2Settings:
    """Raises `SettingsError`."""

    http: str = setting(
        "1.1,2",
        "The versions of HTTP that the server speaks: 1.1,2, or one of them. Over TLS the client"
        " chooses; without TLS, 2 needs --h2c.",
        choices=VERSIONS,
    )
    h2c: bool = setting(
        False,
        "Without TLS, speak HTTP/2 with clients that begin with it (prior knowledge), as programs"
        " and proxies may; browsers do not.",
    )
    http2_streams: int = setting(
        STREAMS, "Requests at once on one connection of HTTP/2; the server says so to clients."
    )

    def __post_init__(self) -> None:
        check(self)
        if self.h2c and not self.has_2:
            raise SettingsError("h2c: HTTP/2 is left out; add it to http: 1.1,2")

    @property
    def has_2(self) -> bool:
        return "h2" in self.alpn

    @property
    def has_1(self) -> bool:
        return "http/1.1" in self.alpn

    @property
    def alpn(self) -> tuple[str, ...]:
        return VERSIONS[self.http]
