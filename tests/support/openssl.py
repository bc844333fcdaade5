"""Certificates for tests, made by the openssl program."""

from __future__ import annotations

import base64
import hashlib
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest

EC = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256")

RSA = ("-newkey", "rsa:2048")


@dataclass(frozen=True)
class Made:
    """A certificate and its key, by path."""

    cert: str
    key: str


def openssl(*words: str) -> None:
    if shutil.which("openssl") is None:
        pytest.skip("needs openssl: apt-get install openssl")
    subprocess.run(["openssl", *words], check=True, capture_output=True)


def self_signed(
    folder: Path,
    *names: str,
    password: str | None = None,
    days: int = 2,
    kind: tuple[str, ...] = EC,
) -> Made:
    """Made out to DNS names, and to 127.0.0.1; no days: it has expired."""
    made = Made(str(folder / f"{names[0]}.pem"), str(folder / f"{names[0]}.key"))
    alternatives = ",".join([*(f"DNS:{name}" for name in names), "IP:127.0.0.1"])
    encrypted = ["-passout", f"pass:{password}"] if password else ["-nodes"]
    files = ["-keyout", made.key, "-out", made.cert]
    request = ["req", *kind, *encrypted, "-subj", f"/CN={names[0]}", *files]
    if days > 0:
        openssl(*request, "-x509", "-days", str(days), "-addext", f"subjectAltName={alternatives}")
    else:
        openssl(*request)
        opened = ["-passin", f"pass:{password}"] if password else []
        signed = ["x509", "-req", "-in", made.cert, "-signkey", made.key, *opened]
        openssl(*signed, "-days", "0", "-out", made.cert)  # it ends when it begins
    return made


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> Made:
    """For localhost; to be read only."""
    return self_signed(tmp_path_factory.mktemp("tls"), "localhost")


def fingerprint(made: Made) -> str:
    """Of the public key, as browsers pin it (RFC 7469, section 2.4)."""
    command = ["openssl", "pkey", "-in", made.key, "-pubout", "-outform", "DER"]
    public = subprocess.run(command, check=True, capture_output=True).stdout
    return base64.b64encode(hashlib.sha256(public).digest()).decode()


def client_of(authority: Made, folder: Path, name: str, extension: str = "") -> Made:
    """A client's certificate, signed by `authority`; `extension` as in openssl's x509v3_config."""
    made = Made(str(folder / f"{name}.pem"), str(folder / f"{name}.key"))
    openssl("req", *EC, "-nodes", "-subj", f"/CN={name}", "-keyout", made.key, "-out", made.cert)
    signer = ["-CA", authority.cert, "-CAkey", authority.key, "-CAcreateserial"]
    extensions = folder / f"{name}.ext"
    extensions.write_text(extension)
    signer += ["-extfile", str(extensions)]
    openssl("x509", "-req", "-in", made.cert, *signer, "-days", "2", "-out", made.cert)
    return made
