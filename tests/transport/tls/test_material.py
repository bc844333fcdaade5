"""Certificates and keys that cannot be used, or only with a warning: what is said of them."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from fivefold import Server, Settings
from fivefold.errors import SettingsError
from support.openssl import Made, self_signed


def test_wrong_settings(tmp_path: Path, made: Made) -> None:
    locked = self_signed(tmp_path, "locked", password="sesame")
    other = self_signed(tmp_path, "second")
    (tmp_path / "word").write_text("wrong\n")
    (tmp_path / "long").write_text("x" * 2000)
    cases = [
        ({"tls_cert": "none.pem"}, "tls_cert: cannot read none.pem: No such file"),
        ({"tls_cert": made.cert}, "if it is in a file of its own, name that: tls_key"),
        ({"tls_cert": made.key, "tls_key": made.key}, "holds no certificate"),
        ({"tls_cert": made.cert, "tls_key": other.key}, "is not the key of the certificate"),
        ({"tls_cert": locked.cert, "tls_key": locked.key}, "is encrypted; name a file"),
        (
            {
                "tls_cert": locked.cert,
                "tls_key": locked.key,
                "tls_key_password_file": str(tmp_path / "word"),
            },
            "does not open",
        ),
        (
            {
                "tls_cert": locked.cert,
                "tls_key": locked.key,
                "tls_key_password_file": str(tmp_path / "long"),
            },
            "tls_key_password_file: password cannot be longer",
        ),
        (
            {"tls_cert": made.cert, "tls_key": made.key, "tls_client_ca": made.cert},
            "no client is asked for a certificate",
        ),
        ({"tls_key": made.key}, "1 named, but of tls_cert 0"),
        ({"redirect_http": "127.0.0.1:0"}, "name a certificate: tls_cert"),
        ({"tls_client_auth": "required", "tls_cert": made.cert}, "name the authorities"),
        (
            {
                "tls_client_auth": "required",
                "tls_client_ca": str(tmp_path / "word"),
                "tls_cert": made.cert,
                "tls_key": made.key,
            },
            "tls_client_ca: cannot use",
        ),
        ({"tls_min": "1.1"}, "choose from 1.2, 1.3"),
    ]
    for values, wanted in cases:
        with pytest.raises(SettingsError, match=wanted):
            Server(Settings.of(values))


def test_the_right_password_and_an_old_certificate(tmp_path: Path) -> None:
    (tmp_path / "sesame").write_text("sesame\n")
    old = self_signed(tmp_path, "old", password="sesame", days=0)
    files = ["--tls-cert", old.cert, "--tls-key", old.key]
    words = ["serve", "--check-config", *files, "--tls-key-password-file", str(tmp_path / "sesame")]
    done = subprocess.run(
        [sys.executable, "-m", "fivefold", *words], check=False, capture_output=True, text=True
    )
    assert done.returncode == 0
    warning, right = done.stderr.splitlines()
    assert "has expired" in warning
    assert "the settings are right" in right
