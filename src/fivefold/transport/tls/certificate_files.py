"""The files of certificates: read whole, tried, and loaded from memory.

Facts.        Python's ssl loads a certificate by path only, and does not tell the names of one
              that it serves, only those of one that it has verified.
Choice.       What was read is kept, and loaded from a file in memory (memfd_create(2)): so a
              certificate and its key are of one moment, and can be loaded again when their
              files are gone.
              Each is tried when it is read: a handshake in memory, with a client that trusts
              it alone.  That shows its names and its end, and that the key fits.  Its time is
              left out of that: an expired one is served, with a warning.
Assumption.   /proc is mounted; if not, the error says so.
"""

from __future__ import annotations

import os
import ssl
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from time import time

from ...errors import SettingsError
from ...isolation.reporting import logger
from .options import TlsSettings

log = logger("fivefold.tls")

NO_CHECK_TIME = 0x200000
"""X509_V_FLAG_NO_CHECK_TIME (X509_VERIFY_PARAM_set_flags(3)); ssl has no name for it."""

Names = frozenset[str]
"""Lower case; `*.example.org` stands for one label in place of the star."""


@dataclass(frozen=True)
class Material:
    """What was in the files; as text in Latin-1, byte by byte."""

    pairs: tuple[tuple[str, str], ...]
    """Certificates and their keys."""
    password: str
    client_ca: str | None

    @classmethod
    def read(cls, settings: TlsSettings) -> Material:
        """Raises `SettingsError`."""
        pairs = [
            (text_of("tls_cert", cert), text_of("tls_key", key)) for cert, key in settings.pairs
        ]
        ca = settings.tls_client_ca
        return cls(
            tuple(pairs),
            settings.password(),
            None if ca is None else text_of("tls_client_ca", ca),
        )


def refuse_waiting(settings: TlsSettings) -> None:
    """At the start a FIFO may hand over a secret; a worker must not wait for its writer.

    Raises `SettingsError`.
    """
    for path in settings.files:
        try:
            mode = os.stat(path).st_mode  # noqa: PTH116 - as the stamps are made
        except OSError:
            continue  # its reader says why
        if not (stat.S_ISREG(mode) or stat.S_ISDIR(mode)):
            raise SettingsError(
                f"{path} is not a regular file any more: the server reads such a file only when it"
                " starts"
            )


def text_of(setting: str, path: str) -> str:
    try:
        return Path(path).read_bytes().decode("latin-1")
    except OSError as error:
        raise SettingsError(f"{setting}: cannot read {path}: {error.strerror}") from None


@contextmanager
def in_memory(text: str) -> Iterator[str]:
    """The path of a file with this text, for as long as the block lasts."""
    fd = os.memfd_create("certificate", os.MFD_CLOEXEC)
    try:
        with open(fd, "wb", closefd=False) as file:
            file.write(text.encode("latin-1"))
        yield f"/proc/self/fd/{fd}"
    except FileNotFoundError as error:
        raise SettingsError(f"tls_cert: TLS needs /proc, which is not mounted: {error}") from None
    finally:
        os.close(fd)


def load(
    settings: TlsSettings, material: Material, certificates: tuple[int, ...]
) -> ssl.SSLContext:
    """A context with these; of two whose keys are of one kind the first is used.

    Raises `SettingsError`.
    """
    context = settings.context()
    if material.client_ca is not None:
        with in_memory(material.client_ca) as path:
            try:
                context.load_verify_locations(path)
            except ssl.SSLError as error:
                named = settings.tls_client_ca
                raise SettingsError(f"tls_client_ca: cannot use {named}: {error.reason}") from None
    for at in reversed(certificates):  # one that is loaded later replaces one of its kind
        cert, key = material.pairs[at]
        with in_memory(cert) as cert_path, in_memory(key) as key_path:
            try:
                # A password is given always, so that OpenSSL never asks at the terminal.
                context.load_cert_chain(cert_path, key_path, password=lambda: material.password)
            except ssl.SSLError as error:
                raise SettingsError(because(error, settings, material, at)) from None
            except ValueError as error:  # OpenSSL takes no password of more than 1024 bytes
                raise SettingsError(f"tls_key_password_file: {error}") from None
    return context


def because(error: ssl.SSLError, settings: TlsSettings, material: Material, at: int) -> str:
    cert, key = settings.pairs[at]
    cert_text, key_text = material.pairs[at]
    if error.reason == "KEY_VALUES_MISMATCH":
        return f"tls_key: {key} is not the key of the certificate in {cert}"
    if "ENCRYPTED" in key_text:
        if material.password:
            return f"tls_key: the password in tls_key_password_file does not open {key}"
        return f"tls_key: {key} is encrypted; name a file with its password: tls_key_password_file"
    if "CERTIFICATE" not in cert_text:
        return f"tls_cert: {cert} holds no certificate in PEM form (-----BEGIN CERTIFICATE-----)"
    if "PRIVATE KEY" not in key_text:
        own = "; if it is in a file of its own, name that: tls_key" if key == cert else ""
        return f"tls_key: {key} holds no private key in PEM form (-----BEGIN PRIVATE KEY-----){own}"
    return f"tls_cert: {cert} with {key} cannot be used: {error.reason or error}"


def tried(settings: TlsSettings, material: Material) -> tuple[Names, ...]:
    """The names of each certificate, which clients can accept. Raises `SettingsError`."""
    names = []
    for at, (cert, _) in enumerate(settings.pairs):
        fields = described(load(settings, material, (at,)), cert, material.pairs[at][0])
        if ssl.cert_time_to_seconds(str(fields["notAfter"])) < time():
            log.warning("tls_cert: %s has expired: %s", cert, fields["notAfter"])
        names.append(names_in(fields))
    return tuple(names)


def described(context: ssl.SSLContext, cert: str, text: str) -> dict[str, object]:
    """The certificate that `context` serves, as a client that trusts it sees it.

    Raises `SettingsError`.
    """
    client = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    client.check_hostname = False
    client.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN | ssl.VerifyFlags(NO_CHECK_TIME)
    with in_memory(text) as path:
        client.load_verify_locations(path)
    context.verify_mode = ssl.CERT_NONE
    try:
        return shaken(client, context)
    except ssl.SSLError as error:
        reason = getattr(error, "verify_message", "") or error.reason
        raise SettingsError(f"tls_cert: no client can accept {cert}: {reason}") from None
    except ValueError as error:  # the names are bytes of its authority (UnicodeDecodeError)
        raise SettingsError(f"tls_cert: {cert} has a name that cannot be read: {error}") from None


def shaken(client: ssl.SSLContext, server: ssl.SSLContext) -> dict[str, object]:
    """What a client knows of a server after a handshake in memory."""
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    ours = server.wrap_bio(to_server, to_client, server_side=True)
    theirs = client.wrap_bio(to_client, to_server)
    for end in (theirs, ours, theirs, ours):
        try:
            end.do_handshake()
        except ssl.SSLWantReadError:
            pass  # the other's turn
    return dict(theirs.getpeercert() or {})


def names_in(fields: dict[str, object]) -> Names:
    """Of subjectAltName, addresses too; without one the common name, as OpenSSL has it."""
    alternatives: object = fields.get("subjectAltName", ())
    assert isinstance(alternatives, tuple)
    names = [name for kind, name in alternatives if kind in ("DNS", "IP Address")]
    subject: object = fields.get("subject", ())
    assert isinstance(subject, tuple)
    common = [value for part in subject for kind, value in part if kind == "commonName"]
    return frozenset(name.lower() for name in names or common)
