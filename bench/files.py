"""The files that are served, the same bytes on every machine, and the proof that they arrive."""

from __future__ import annotations

import hashlib
import http.client
import random
import ssl
import subprocess
from pathlib import Path

from fivefold.errors import LoadFailed
from fivefold.load.job import Expected, Job

MANY = 10_000
"""Different files of one size; many.lua asks for them by these numbers."""


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


def certificate(folder: Path) -> None:
    """A certificate for this run, and its key: ECDSA, as public sites have it."""
    made = (
        "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=localhost"
    )
    command = ["openssl", *made.split(), "-keyout", "key.pem", "-out", "cert.pem"]
    subprocess.run(command, check=True, capture_output=True, cwd=folder)


def right(folder: Path, path: str, answer: str | None) -> Expected:
    """The answer of an application, or the file of that path."""
    body = (folder / path[1:]).read_bytes() if answer is None else answer.encode()
    return Expected(http.HTTPStatus.OK, len(body), hashlib.sha256(body).digest())


def connected(scheme: str, address: tuple[str, int]) -> http.client.HTTPConnection:
    if scheme == "http":
        return http.client.HTTPConnection(*address, timeout=10)
    # The certificate is of this run, and signed by itself.
    unverified = ssl._create_unverified_context()  # noqa: SLF001 - as its own documentation does
    return http.client.HTTPSConnection(*address, timeout=10, context=unverified)


def check(job: Job, path: str, scheme: str) -> None:
    """One request, and the job's answer to it. Raises `LoadFailed`."""
    connection = connected(scheme, job.address)
    try:
        connection.request("GET", path)
        answer = connection.getresponse()
        body = answer.read()
    except (OSError, http.client.HTTPException) as error:
        raise LoadFailed(f"no answer to GET {path}: {error!r}") from error
    finally:
        connection.close()
    check_answer(job, path, answer.status, body)


def check_version(job: Job, path: str, version: str) -> None:
    """The same over TLS by curl, which says what it spoke. Raises `LoadFailed`."""
    said = "%{stderr}%{http_version} %{response_code}"
    url = "https://{}:{}{}".format(*job.address, path)
    command = ["curl", "-sSk", "-m10", f"--http{version}", "-w", said, url]
    done = subprocess.run(command, capture_output=True, check=False)
    if done.returncode:
        raise LoadFailed(f"no answer to GET {path}: {done.stderr.decode().strip()}")
    spoken, status = done.stderr.decode().split()
    if spoken != version:
        raise LoadFailed(f"it speaks HTTP/{spoken}, not HTTP/{version}")
    check_answer(job, path, int(status), done.stdout)


def check_answer(job: Job, path: str, status: int, body: bytes) -> None:
    """Raises `LoadFailed` for a wrong one."""
    expected = job.groups[0].asks[0].expected
    if status != http.HTTPStatus.OK:
        raise LoadFailed(f"GET {path}: status {status}, not 200")
    if expected is None or hashlib.sha256(body).digest() != expected.digest:
        raise LoadFailed(f"GET {path}: {len(body)} bytes that are not the expected ones")
