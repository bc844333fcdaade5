"""A header of the PROXY protocol, version 2."""

from __future__ import annotations

BINARY = (
    b"\r\n\r\n\x00\r\nQUIT\n\x21\x11\x00\x10\xc0\x00\x02\x07\x7f\x00\x00\x01\x30\x39\x00\x50\x04"
    b"\x00\x01\x00"
)
"""Of 192.0.2.7, with a TLV behind the addresses."""
