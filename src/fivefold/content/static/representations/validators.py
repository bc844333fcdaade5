"""What tells whether a file is still the same: ETag and Last-Modified (RFC 9110, section 8.8).

Facts.        The time of modification is whatever a program says (utimensat(2)): archives, Nix,
              reproducible builds and `cp -p` give new content an old time.  It may also lie
              outside of what HTTP can say.  The time of change (ctime) no program can set, but each
              machine has another one.
Choice.       A small file is read anyway: its ETag is a digest of its content, strong, and the
              same on every machine.  A large one has time, size, inode and ctime: strong, and
              good on one machine; behind a balancer a client gets it again.  Within the second
              after a change it is marked weak (as Apache does), since two changes within a tick
              of the kernel's clock look the same.
              A date is sent if it can be one: before there was a Web, it is what some tool
              writes into everything, and caches would take it for a promise of years.
Assumption.   A date alone does not tell apart two versions of the same time (section 8.8.2.2
              calls it weak): it decides about 304, but about a part of a file (`If-Range`)
              only where nothing but writing has changed the file.
"""

from __future__ import annotations

import time
from hashlib import sha256
from typing import NamedTuple

from ....http1.response import http_date
from ..files.open_file import FileState, OpenFile

EARLIEST_S = 631_152_000
"""1990. Tools write 0 and 1 (Nix), 1980 (ZIP, App Engine), 1984 (yarn), 1985 (npm)."""

SETTLED_S = 1.0
"""No file system in use tells time more coarsely, but FAT (two seconds)."""

DIGEST_BYTES = 12
"""Of the digest: two contents that differ have the same once in 2^96."""


class Validators(NamedTuple):
    """What a client can know a file by."""

    etag: bytes
    modified_s: int | None
    """Seconds since 1970, if they say when the content was made."""
    strongly_modified_s: int | None
    """The same, if no other version can have had them."""
    is_settled: bool
    """Whether the last write was long over when the file was opened. A write changes the time
    first and the bytes after it, so what is read in between looks like the final state."""
    last_modified: bytes
    """What is sent of `modified_s`, if it is known."""

    def weakly(self, mark: bytes) -> Validators:
        """Of what is made of the file: no compressor promises to make the same bytes again."""
        return self._replace(etag=b"W/" + self.etag.removeprefix(b"W/")[:-1] + mark + b'"')


def validators_of(file: OpenFile, content: bytes | None, mark: bytes = b"") -> Validators:
    """`content` of a small file; `mark` tells its coding."""
    state = file.state
    modified_s = state.modified_ns // 10**9
    seconds = modified_s if modified_s >= EARLIEST_S else None
    only_written = 0 <= state.changed_ns - state.modified_ns < SETTLED_S * 1e9
    return Validators(
        of_state(state, mark) if content is None else of_content(content, mark),
        seconds,
        seconds if only_written and not file.date_is_shared else None,
        is_settled(state.modified_ns / 1e9, file.opened_s) and not file.is_cut_short,
        b"" if seconds is None else last_modified(seconds),
    )


def last_modified(seconds: int) -> bytes:
    """Never later than Date (section 8.8.2.1), whatever the file claims."""
    return http_date(min(seconds, int(time.time())))


def is_settled(seconds: float, now: float | None = None) -> bool:
    """Whether a time is far enough from now, that a later change must show another one."""
    return abs((time.time() if now is None else now) - seconds) > SETTLED_S


def of_content(content: bytes, mark: bytes) -> bytes:
    return b'"%b%b"' % (sha256(content).hexdigest()[: 2 * DIGEST_BYTES].encode(), mark)


def of_state(state: FileState, mark: bytes) -> bytes:
    weak = b"" if is_settled(state.changed_ns / 1e9) else b"W/"
    numbers = state.modified_ns, state.size, state.inode, state.changed_ns
    return b'%b"%x-%x-%x-%x%b"' % (weak, *numbers, mark)
