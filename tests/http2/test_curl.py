"""curl over TLS, in every pair: HTTP/2 that it asks for by ALPN, and HTTP/1.1 beside it."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from support import TESTS
from support.client import TIMEOUT_S
from support.every_pair import pairs
from support.openssl import Made
from support.servers.folder import Serve

Pair = dict[str, str]


def curl(made: Made, *words: str) -> bytes:
    command = ["curl", "-s", "-S", "--http2", "-m", str(TIMEOUT_S), "--cacert", made.cert, *words]
    return subprocess.run(command, check=True, capture_output=True).stdout


@pairs()
def test_files_of_a_folder(pair: Pair, made: Made, serve: Serve, site: Path) -> None:
    with serve(tls_cert=made.cert, tls_key=made.key, **pair) as (host, port):
        url = f"https://{host}:{port}"
        said = curl(made, "-w", " %{http_version} %{response_code}", f"{url}/index.html")
        assert said == (site / "index.html").read_bytes() + b" 2 200"
        names = ("50m.bin", "64k+1.bin", "0.bin")
        urls = [f"{url}/{name}" for name in names]
        wanted = b"".join((site / name).read_bytes() for name in names)
        assert curl(made, *urls) == wanted
        # An old client of the same server.
        older = curl(made, "--http1.1", "-w", " %{http_version}", f"{url}/1.bin")
        assert older == (site / "1.bin").read_bytes() + b" 1.1"


@pairs()
@pytest.mark.parametrize("kind", ["wsgi", "asgi"])
def test_uploads(pair: Pair, kind: str, made: Made, serve: Serve, tmp_path: Path) -> None:
    """Bodies of a known length and of none, larger than any window."""
    data = os.urandom(3_000_000)
    (tmp_path / "body").write_bytes(data)
    target = {"target": f"applications.{kind}.sample:app", "chdir": str(TESTS)}
    with serve(tls_cert=made.cert, tls_key=made.key, **target, **pair) as (host, port):
        url = f"https://{host}:{port}/echo"
        assert curl(made, "--data-binary", f"@{tmp_path / 'body'}", url) == data
        with (tmp_path / "body").open("rb") as file:
            command = ["curl", "-s", "--http2", "-m", str(TIMEOUT_S), "--cacert", made.cert]
            piped = subprocess.run(
                [*command, "-T", "-", "-X", "POST", url],
                check=True,
                capture_output=True,
                stdin=file,
            )
        assert piped.stdout == data
