"""What people download with: curl, wget, aria2 and httpx resume, take parts, verify, mirror."""

from __future__ import annotations

import filecmp
import hashlib
import shutil
import subprocess
from pathlib import Path

import httpx
import pytest

from support.client import TIMEOUT_S
from support.servers.folder import Serve

SITE = Path(__file__).parents[3] / "examples" / "site"

BEGUN_BYTES = 300_000
"""Of a download that was broken off."""


def run(folder: Path, *words: str) -> str:
    if shutil.which(words[0]) is None:
        pytest.skip(f"needs {words[0]}")
    return subprocess.run(
        words, cwd=folder, check=True, capture_output=True, text=True, timeout=2 * TIMEOUT_S
    ).stdout


def begun(folder: Path, site: Path) -> Path:
    path = folder / "1m.bin"
    path.write_bytes((site / "1m.bin").read_bytes()[:BEGUN_BYTES])
    return path


def test_curl_resumes(tmp_path: Path, site: Path, serve: Serve) -> None:
    path = begun(tmp_path, site)
    with serve() as (host, port):
        url = f"http://{host}:{port}/1m.bin"
        said = run(tmp_path, "curl", "-sSf", "-C", "-", "-O", "-w", "%{size_download}", url)
    assert int(said) == (site / "1m.bin").stat().st_size - BEGUN_BYTES
    assert filecmp.cmp(path, site / "1m.bin", shallow=False)


def test_wget_resumes_and_mirrors(tmp_path: Path, site: Path, serve: Serve) -> None:
    path = begun(tmp_path, site)
    with serve() as (host, port):
        run(tmp_path, "wget", "-q", "-c", f"http://{host}:{port}/1m.bin")
    assert filecmp.cmp(path, site / "1m.bin", shallow=False)
    with serve(target=str(SITE)) as (host, port):
        for _ in range(2):  # the second time nothing has changed
            run(tmp_path, "wget", "-q", "--mirror", "-nH", "-P", "copy", f"http://{host}:{port}/")
    copied = tmp_path / "copy"
    names = ["index.html", "style.css", "favicon.svg", "wait-copy.svg", "pairs/index.html"]
    for name in names:
        assert filecmp.cmp(copied / name, SITE / name, shallow=False)
        assert int((copied / name).stat().st_mtime) == int((SITE / name).stat().st_mtime)


def test_aria2_takes_parts_at_once_and_verifies(tmp_path: Path, site: Path, serve: Serve) -> None:
    content = (site / "50m.bin").read_bytes()
    known = f"--checksum=sha-256={hashlib.sha256(content).hexdigest()}"
    with serve() as (host, port):
        url = f"http://{host}:{port}/50m.bin"
        parts = ("-x4", "-s4", "-k1M", "--file-allocation=none")
        said = run(tmp_path, "aria2c", *parts, known, "--no-conf", url)
    assert "Verification finished successfully" in said
    assert filecmp.cmp(tmp_path / "50m.bin", site / "50m.bin", shallow=False)


def test_httpx_streams_resumes_and_revalidates(site: Path, serve: Serve) -> None:
    content = (site / "1m.bin").read_bytes()
    with (
        serve() as (host, port),
        httpx.Client(base_url=f"http://{host}:{port}", timeout=TIMEOUT_S) as client,
    ):
        with client.stream("GET", "/1m.bin") as answer:
            digest = hashlib.sha256(b"".join(answer.iter_bytes())).hexdigest()
        assert digest == hashlib.sha256(content).hexdigest()
        rest = client.get("/1m.bin", headers={"Range": f"bytes={BEGUN_BYTES}-"})
        assert (rest.status_code, rest.content) == (206, content[BEGUN_BYTES:])
        known = {"If-None-Match": rest.headers["etag"]}
        assert client.get("/1m.bin", headers=known).status_code == 304
        changed = {"Range": "bytes=0-9", "If-Range": '"another"'}
        assert client.get("/1m.bin", headers=changed).content == content
