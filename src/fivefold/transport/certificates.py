"""Certificates: read from files, chosen by the name that a client asks for, read again.

Facts.        Python's ssl does not tell the names of a certificate that it serves, only those
              of one that it has verified.
Choice.       Each certificate is tried when it is read: a handshake in memory, with a client
              that trusts it alone.  That shows its names and its end, and that the key fits.
              Its time is left out of that: an expired one is served, with a warning.
Cost.         A few milliseconds at the start, and whenever the files have changed.
"""

from __future__ import annotations

import ssl
from collections.abc import Sequence
from dataclasses import dataclass
from time import monotonic, time

from ..errors import SettingsError
from ..reporting import logger
from .tls_settings import TlsSettings

log = logger("fivefold.tls")

LOOK_S = 2.0
"""How long a change of the files may go unnoticed."""

NO_CHECK_TIME = 0x200000
"""X509_V_FLAG_NO_CHECK_TIME (X509_VERIFY_PARAM_set_flags(3)); ssl has no name for it."""


@dataclass(frozen=True)
class Certificate:
    """One, ready to be served."""

    context: ssl.SSLContext
    names: frozenset[str]
    """Lower case; `*.example.org` stands for one label in place of the star (RFC 6125, 6.4.3)."""


class Certificates:
    """All of a server. `current` is what a handshake begins with."""

    def __init__(self, settings: TlsSettings) -> None:
        """Raises `SettingsError`, which names the file and the remedy."""
        self._settings = settings
        self._stamps = settings.stamps()
        self._served = self._read()
        self._look_at = monotonic() + LOOK_S

    def current(self) -> ssl.SSLContext:
        """The context of the first certificate; it finds the others by the client's name."""
        now = monotonic()
        if now >= self._look_at:
            self._look_at = now + LOOK_S
            self._look()
        return self._served[0].context

    def _look(self) -> None:
        stamps = self._settings.stamps()
        if stamps == self._stamps:
            return
        self._stamps = stamps
        try:
            self._served = self._read()
        except SettingsError as error:
            log.error("the new certificate is not used, the old one stays: %s", error)
        else:
            log.info("the certificate has been read again")

    def _read(self) -> list[Certificate]:
        return [self._certificate(cert, key) for cert, key in self._settings.pairs]

    def _certificate(self, cert: str, key: str) -> Certificate:
        context = self._settings.context()
        load(context, cert, key, self._settings.password())
        told = described(context, cert)
        end = ssl.cert_time_to_seconds(str(told["notAfter"]))
        if end < time():
            log.warning("tls_cert: %s has expired: %s", cert, told["notAfter"])
        context.sni_callback = self._by_name
        return Certificate(context, names_in(told))

    def _by_name(self, tls: ssl.SSLObject, name: str | None, _: ssl.SSLContext) -> None:
        found = chosen(self._served, (name or "").lower())
        if found is not None:
            tls.context = found.context


def chosen(served: Sequence[Certificate], name: str) -> Certificate | None:
    """The first that is made out to a name, or to all of its domain; None if none is."""
    wild = "*." + name.partition(".")[2]
    for wanted in (name, wild):
        for certificate in served:
            if wanted in certificate.names:
                return certificate
    return None


def load(context: ssl.SSLContext, cert: str, key: str, password: str) -> None:
    """Raises `SettingsError`."""
    for setting, path in (("tls_cert", cert), ("tls_key", key)):
        try:
            with open(path, "rb"):  # noqa: PTH123 - a path of the user's, as it is
                pass
        except OSError as error:
            raise SettingsError(f"{setting}: cannot read {path}: {error.strerror}") from None
    try:
        # Given always, so that OpenSSL never asks at the terminal.
        context.load_cert_chain(cert, key, password=lambda: password)
    except ssl.SSLError as error:
        raise SettingsError(because(error, cert, key, password)) from None
    except ValueError as error:  # OpenSSL takes no password of more than 1024 bytes
        raise SettingsError(f"tls_key_password_file: {error}") from None


def because(error: ssl.SSLError, cert: str, key: str, password: str) -> str:
    if error.reason == "KEY_VALUES_MISMATCH":
        return f"tls_key: {key} is not the key of the certificate in {cert}"
    if "ENCRYPTED" in head_of(key):
        if password:
            return f"tls_key: the password in tls_key_password_file does not open {key}"
        return f"tls_key: {key} is encrypted; name a file with its password: tls_key_password_file"
    if "PRIVATE KEY" not in head_of(key):
        return f"tls_key: {key} holds no private key in PEM form (-----BEGIN PRIVATE KEY-----)"
    if "CERTIFICATE" not in head_of(cert):
        return f"tls_cert: {cert} holds no certificate in PEM form (-----BEGIN CERTIFICATE-----)"
    return f"tls_cert: {cert} with {key} cannot be used: {error.reason or error}"


def head_of(path: str) -> str:
    """Enough of a file to see what is in it, and not more of a key than need be."""
    with open(path, "rb") as file:  # noqa: PTH123
        return file.read(65536).decode("latin-1")


def described(context: ssl.SSLContext, cert: str) -> dict[str, object]:
    """The certificate that `context` serves, as a client that trusts it sees it.

    Raises `SettingsError`.
    """
    client = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    client.check_hostname = False
    client.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN | ssl.VerifyFlags(NO_CHECK_TIME)
    client.load_verify_locations(cert)
    before, context.verify_mode = context.verify_mode, ssl.CERT_NONE
    try:
        return in_memory(client, context)
    except ssl.SSLError as error:
        reason = getattr(error, "verify_message", "") or error.reason
        raise SettingsError(f"tls_cert: no client can accept {cert}: {reason}") from None
    finally:
        context.verify_mode = before


def in_memory(client: ssl.SSLContext, server: ssl.SSLContext) -> dict[str, object]:
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    ours = server.wrap_bio(to_server, to_client, server_side=True)
    theirs = client.wrap_bio(to_client, to_server)
    for end in (theirs, ours, theirs, ours):
        try:
            end.do_handshake()
        except ssl.SSLWantReadError:
            pass  # the other's turn
    return dict(theirs.getpeercert() or {})


def names_in(told: dict[str, object]) -> frozenset[str]:
    alternatives: object = told.get("subjectAltName", ())
    assert isinstance(alternatives, tuple)
    return frozenset(name.lower() for kind, name in alternatives if kind == "DNS")
