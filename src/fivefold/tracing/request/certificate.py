"""A certificate for one trace: made by openssl(1), known to nobody, gone afterwards."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager

from ...errors import TraceFailed
from ...isolation.scratch_folder import scratch_folder

MAKING = (
    "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 1 -subj /CN=trace"
)


@contextmanager
def throw_away_certificate() -> Iterator[str]:
    """The path of a file with a certificate and its key. Raises `TraceFailed`."""
    with scratch_folder("certificate") as folder:
        path = folder / "certificate.pem"
        try:
            made = subprocess.run(  # noqa: S603 - our own words
                [*MAKING.split(), "-keyout", "-"], capture_output=True, text=True, check=True
            )
        except FileNotFoundError:
            raise TraceFailed("no openssl(1) here to make a certificate: give --tls-cert") from None
        except subprocess.CalledProcessError as error:
            raise TraceFailed(f"openssl(1) makes no certificate: {error.stderr}") from None
        path.touch(0o600)
        path.write_text(made.stdout)
        yield str(path)
