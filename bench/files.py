"""The files that are served, the same bytes on every machine, and the proof that they arrive."""

from __future__ import annotations

import http.client
import random
import ssl
import subprocess
from pathlib import Path

MANY = 10_000
"""Different files of one size; many.lua asks for them by these numbers."""


class WrongAnswer(Exception):
    """A server that answers something else is not measured."""


def write(folder: Path) -> None:
    """1 KiB of text, and what no server would think of compressing."""
    folder.chmod(0o755)  # the peers' workers run under another account
    line = b"<p>Five ways to wait, three ways to serve: one page.</p>\n"
    (folder / "1k.html").write_bytes((line * 20)[:1024])
    (folder / "100k.jpg").write_bytes(random.Random(5).randbytes(100 * 1024))
    (folder / "10m.bin").write_bytes(random.Random(6).randbytes(10 << 20))
    (folder / "many").mkdir()
    for number in range(MANY):
        (folder / "many" / f"{number:04}.html").write_bytes(b"%04d" % number * 1024)
    (folder / "many.html").write_bytes(line)


def certificate(folder: Path) -> tuple[Path, Path]:
    """A certificate for this run, and its key: ECDSA, as public sites have it."""
    cert, key = folder / "cert.pem", folder / "key.pem"
    made = (
        "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=localhost"
    )
    command = ["openssl", *made.split(), "-keyout", str(key), "-out", str(cert)]
    subprocess.run(command, check=True, capture_output=True)
    return cert, key


def connected(scheme: str, port: int) -> http.client.HTTPConnection:
    if scheme == "http":
        return http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    # The certificate is of this run, and signed by itself.
    unverified = ssl._create_unverified_context()  # noqa: SLF001 - as its own documentation does
    return http.client.HTTPSConnection("127.0.0.1", port, timeout=10, context=unverified)


def check(
    port: int, folder: Path, path: str, expected: str | None = None, scheme: str = "http"
) -> None:
    """One request: 200, and the expected bytes, or those of the file."""
    connection = connected(scheme, port)
    try:
        connection.request("GET", path)
        answer = connection.getresponse()
        body = answer.read()
    except (OSError, http.client.HTTPException) as error:
        raise WrongAnswer(f"no answer to GET {path}: {error!r}") from error
    finally:
        connection.close()
    if answer.status != http.HTTPStatus.OK:
        raise WrongAnswer(f"GET {path}: status {answer.status}, not 200")
    if body != ((folder / path[1:]).read_bytes() if expected is None else expected.encode()):
        raise WrongAnswer(f"GET {path}: {len(body)} bytes that are not the expected ones")
