"""slowhttptest, a foreign program that holds connections by saying little, and the deadlines."""

from __future__ import annotations

import re
import shutil
import subprocess
from contextlib import ExitStack
from pathlib import Path

import pytest

from fivefold import Server, Settings
from fivefold.serving import MODELS
from support import TESTS
from support.client import TIMEOUT_S, Client
from support.servers.embedded import address_of

CONNECTIONS = 20

WAYS = {"headers": ["-H"], "body": ["-B", "-s", "5000"]}
"""A head that never ends (slowloris), a body that comes byte by byte (R.U.D.Y.)."""

LONGEST_S = 15
"""It gives up then; deadlines end it after one second and a tick."""


def test_it_has_no_connection_left(tmp_path: Path) -> None:
    """All serving models at once."""
    program = shutil.which("slowhttptest")
    if program is None:
        pytest.skip("needs slowhttptest: apt-get install slowhttptest")
    deadlines = {"first_byte_s": 1.0, "head_s": 1.0, "body_s": 1.0, "linger_s": 0.2}
    values = {
        "target": "applications.wsgi.sample:app",
        "chdir": TESTS,
        "bind": "127.0.0.1:0",
        **deadlines,
    }
    with ExitStack() as stack:
        running = []
        for serving in MODELS:
            server = stack.enter_context(Server(Settings.of({**values, "serving": serving})))
            for way in WAYS.values():
                count = ["-c", str(CONNECTIONS), "-r", str(CONNECTIONS)]
                times = ["-i", "2", "-l", str(LONGEST_S), "-p", "2"]
                url = ["-u", f"{server.addresses[0]}/echo"]
                running.append(
                    subprocess.Popen(
                        [program, *way, *count, *times, *url],
                        stdout=subprocess.PIPE,
                        text=True,
                        cwd=tmp_path,
                    )
                )
            with Client(address_of(server)) as client:
                assert client.get("/").status == 200
        for each in running:
            said = re.sub(r"\x1b\[[0-9;]*m", "", each.communicate(timeout=TIMEOUT_S)[0])
            assert "No open connections left" in said, said[-1000:]
