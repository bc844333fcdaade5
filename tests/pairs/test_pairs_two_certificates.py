"""Two certificates for one name, of RSA and of ECDSA: each client gets the one it can verify."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from support.client import TIMEOUT_S
from support.every_pair import pairs
from support.openssl import EC, RSA, Made, self_signed
from support.servers.folder import Serve

KINDS = {"ec": EC, "rsa": RSA}


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Made]:
    """Three of ECDSA and two of RSA, in the order in which the server is told of them."""
    folder = tmp_path_factory.mktemp("two")
    wanted = {
        "ec localhost": ("localhost",),
        "rsa localhost": ("localhost",),
        "ec other.example": ("www.other.example",),
        "rsa other.example": ("*.other.example",),
        "ec alone.example": ("alone.example",),
    }
    for name in wanted:
        (folder / name).mkdir()
    return {
        name: self_signed(folder / name, *names, kind=KINDS[name.split()[0]])
        for name, names in wanted.items()
    }


def files(made: dict[str, Made]) -> dict[str, object]:
    certificates = made.values()
    return {"tls_cert": [m.cert for m in certificates], "tls_key": [m.key for m in certificates]}


def s_client(address: tuple[str, int], *words: str) -> str:
    """The kind of signature that the server has made; what failed, if it has made none."""
    command = ["openssl", "s_client", "-connect", "{}:{}".format(*address), *words]
    done = subprocess.run(command, check=False, capture_output=True, input=b"", timeout=TIMEOUT_S)
    said = (done.stdout + done.stderr).decode("latin-1")
    name = [line for line in said.splitlines() if line.startswith(("subject=", "0 s:"))]
    kind = [line for line in said.splitlines() if line.startswith("Peer signature type")]
    return f"{kind[0].rpartition(': ')[2]} {name[0].rpartition(' ')[2]}" if kind else "none"


OLD = ("-tls1_2", "-cipher")
NEW = ("-tls1_3", "-sigalgs")


@pairs()
def test_each_client_gets_its_kind(
    pair: dict[str, str], made: dict[str, Made], serve: Serve
) -> None:
    with serve(**files(made), **pair) as address:
        name = ("-servername", "localhost")
        assert s_client(address, *OLD, "ECDHE-RSA-AES128-GCM-SHA256", *name) == "RSA-PSS localhost"
        assert s_client(address, *NEW, "ecdsa_secp256r1_sha256", *name) == "ECDSA localhost"


def test_whatever_name_is_asked_for(made: dict[str, Made], serve: Serve) -> None:
    rsa, ecdsa = (*NEW, "rsa_pss_rsae_sha256"), (*OLD, "ECDHE-ECDSA-AES128-GCM-SHA256")
    with serve(**files(made)) as address:
        for name, shown in (
            (("-noservername",), ("RSA-PSS localhost", "ECDSA localhost")),
            (("-servername", "unknown.example"), ("RSA-PSS localhost", "ECDSA localhost")),
            # One made out to the name, the other to its domain.
            (
                ("-servername", "www.other.example"),
                ("RSA-PSS *.other.example", "ECDSA www.other.example"),
            ),
            (("-servername", "b.other.example"), ("RSA-PSS *.other.example", "none")),
            # Nobody is shown a certificate for another name.
            (("-servername", "alone.example"), ("none", "ECDSA alone.example")),
        ):
            assert (s_client(address, *rsa, *name), s_client(address, *ecdsa, *name)) == shown


def test_curl_verifies_each(made: dict[str, Made], serve: Serve, tmp_path: Path) -> None:
    with serve(**files(made)) as (host, port):
        for kind, cipher in (
            ("ec localhost", "ECDHE-ECDSA-AES128-GCM-SHA256"),
            ("rsa localhost", "ECDHE-RSA-AES128-GCM-SHA256"),
        ):
            command = ["curl", "-sS", "-m", str(TIMEOUT_S), "--tls-max", "1.2", "--ciphers", cipher]
            trust = ["--cacert", made[kind].cert, "-o", str(tmp_path / "answer")]
            resolve = ["--resolve", f"localhost:{port}:{host}"]
            url = f"https://localhost:{port}/1k.bin"
            subprocess.run([*command, *trust, *resolve, url], check=True)
            assert (tmp_path / "answer").stat().st_size == 1024
