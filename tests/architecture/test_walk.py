"""How often somebody who follows the first GET of a file through the calls comes back to a file of
the source that was left before: a measure of how well each part keeps to its own business."""

from __future__ import annotations

import os
import sys
from itertools import groupby
from pathlib import Path
from types import FrameType
from typing import Any

import fivefold.content.static
from fivefold.content.static.responses import Responses
from fivefold.content.static.site import Static
from fivefold.http1.connection import Http1
from fivefold.http1.limits import Limits
from support.scripted_connection import FakeConnection

STATIC = Path(fivefold.content.static.__file__).parent

FIRST = Responses._file  # where the path of a file is known

MOST_RETURNS = 5

LONG_AGO = 1_500_000_000


class Reading(FakeConnection):
    """Can read files, and never waits."""

    async def read_file(self, file: Any, offset: int, count: int) -> bytes:
        return os.pread(file.fd, count, offset)


def walk(request: bytes, folder: Path) -> list[str]:
    """The files of `static` that are entered by calls, one after the other."""
    entered: list[str] = []
    depth = 0

    def follow(frame: FrameType, event: str, _: Any) -> None:
        nonlocal depth
        code = frame.f_code
        if event == "call" and (depth or code is FIRST.__code__):
            depth += 1
            if code.co_filename.startswith(str(STATIC)):
                entered.append(code.co_filename)
        elif event == "return" and depth:
            depth -= 1

    content = Static(str(folder))
    conn = Reading([request])
    serving = Http1(content, Limits()).serve(conn)
    sys.setprofile(follow)
    try:
        serving.send(None)
    except StopIteration:
        pass
    finally:
        sys.setprofile(None)
    content.close()
    assert conn.sent.startswith(b"HTTP/1.1 200 ")
    return [name for name, _ in groupby(entered)]


def test_the_way_of_a_small_file_returns_to_few_files(tmp_path: Path) -> None:
    file = tmp_path / "page.html"
    file.write_bytes(b"page")
    os.utime(file, (LONG_AGO, LONG_AGO))
    stays = walk(b"GET /page.html HTTP/1.1\r\nHost: test\r\n\r\n", tmp_path)
    assert len(set(stays)) > 10  # it was followed
    assert len(stays) - len(set(stays)) <= MOST_RETURNS, [Path(name).name for name in stays]
