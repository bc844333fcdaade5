"""Two frames that the library does not make as we want them, by their bytes (RFC 9113, section 4).

Facts.        A connection that has broken a limit of the library can send nothing by it any more.
              The library ends the connection for a stream above the number that it has sent to the
              client; a stream is to be refused for that (section 5.1.2).
Choice.       The GOAWAY is made here.  The library is given a larger number than its client, whose
              SETTINGS say the one that is meant.
"""

from __future__ import annotations

import struct

HEAD_BYTES = 9
"""Of a frame."""

GOAWAY, MAX_CONCURRENT_STREAMS = 0x7, 0x3


def goaway(last: int, code: int) -> bytes:
    """Section 6.8."""
    payload = struct.pack(">LL", last, code)
    return len(payload).to_bytes(3) + struct.pack(">BBL", GOAWAY, 0, 0) + payload


def with_streams(settings: bytes, most: int) -> bytes:
    """A SETTINGS frame whose first setting is the number of streams, and what follows it; with
    another number."""
    at = HEAD_BYTES + 2
    assert int.from_bytes(settings[HEAD_BYTES:at]) == MAX_CONCURRENT_STREAMS
    return settings[:at] + most.to_bytes(4) + settings[at + 4 :]
