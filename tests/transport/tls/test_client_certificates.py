"""Who a client is, by its certificate, as applications are told."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from fivefold.content.application.client_certificate import escaped
from fivefold.serving import MODELS
from support import TESTS
from support.openssl import Made, client_of, self_signed
from support.servers.folder import Serve
from support.servers.logged import logged
from support.tls_clients import curl


@pytest.mark.parametrize("auth", ["optional", "required"])
def test_client_certificates(auth: str, tmp_path: Path, made: Made, serve: Serve) -> None:
    mary = client_of(made, tmp_path, "mary")
    settings = {"tls_client_ca": made.cert, "tls_client_auth": auth}
    files = {"tls_cert": made.cert, "tls_key": made.key}
    with serve(target="applications.wsgi.mirror:app", chdir=TESTS, **settings, **files) as (
        host,
        port,
    ):
        url = f"https://{host}:{port}/"
        said = curl(made, "--cert", mary.cert, "--key", mary.key, url)
        assert said.endswith("SUCCESS CN=mary")
        if auth == "optional":
            assert curl(made, url).endswith("NONE")
        else:
            with pytest.raises(subprocess.CalledProcessError) as failed:
                curl(made, url)
            assert "certificate required" in failed.value.stderr
        stranger = self_signed(tmp_path, "stranger")
        with pytest.raises(subprocess.CalledProcessError):
            curl(made, "--cert", stranger.cert, "--key", stranger.key, url)


@pytest.mark.parametrize("target", ["applications.wsgi.mirror:app", "applications.asgi.sample:app"])
@pytest.mark.parametrize("serving", MODELS)
def test_a_client_whose_name_is_no_text_is_refused(
    serving: str,
    target: str,
    made: Made,
    serve: Serve,
    tmp_path: Path,
) -> None:
    """It was a traceback for each request, as many as it likes."""
    odd = client_of(made, tmp_path, f"odd-{serving}", "subjectAltName=DER:30:06:82:04:6d:fc:6c:6c")
    settings = {"tls_client_ca": made.cert, "tls_client_auth": "optional", "serving": serving}
    files = {"tls_cert": made.cert, "tls_key": made.key}
    log = tmp_path / "log"
    with (
        logged(log),
        serve(target=target, chdir=TESTS, **settings, **files) as (host, port),
    ):
        url = f"https://{host}:{port}/"
        said = curl(made, "--cert", odd.cert, "--key", odd.key, "-i", url)
        assert said.split()[1] == "400"
        assert "has a name that is not text" in said
        assert "is not text" not in curl(made, "-i", url)
    assert "UnicodeDecodeError" not in log.read_text()


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("mary", "mary"),
        ('a,b+c"d\\e<f>g;h', 'a\\,b\\+c\\"d\\\\e\\<f\\>g\\;h'),
        (" a b ", "\\ a b\\ "),
        (" ", "\\ "),
        ("#a#b", "\\#a#b"),
        ("a\r\nX: y\0\x7f", "a\\0D\\0AX: y\\00\\7F"),
        ("Zoë", "Zoë"),
    ],
)
def test_a_name_cannot_end_the_line_that_it_is_written_into(value: str, text: str) -> None:
    """RFC 4514, section 2.4."""
    assert escaped(value) == text
