"""What can be set of TLS, checked as far as that needs no file."""

from __future__ import annotations

import os
import ssl
from dataclasses import dataclass, replace
from pathlib import Path

from ...configuration.setting import check, setting
from ...errors import SettingsError

VERSIONS = {"1.2": ssl.TLSVersion.TLSv1_2, "1.3": ssl.TLSVersion.TLSv1_3}

CLIENTS = {
    "none": ssl.CERT_NONE,
    "optional": ssl.CERT_OPTIONAL,
    "required": ssl.CERT_REQUIRED,
}

Stamp = tuple[int, ...]


@dataclass(frozen=True, kw_only=True)
class TlsSettings:
    """Without a certificate there is no TLS. Raises `SettingsError`."""

    tls_cert: tuple[str, ...] = setting(
        (),
        "Speak HTTPS, with the certificate (and its chain) in this PEM file; repeatable: the name"
        " that a client asks for chooses one, and the first is for all other names.",
    )
    tls_key: tuple[str, ...] = setting(
        (), "The private key, one for each certificate; by default it is in the certificate's file."
    )
    tls_key_password_file: str | None = setting(
        None, "A file whose first line is the password of the encrypted keys."
    )
    tls_min: str = setting(
        "1.2", "The oldest version of TLS that the server speaks: 1.2 or 1.3.", choices=VERSIONS
    )
    tls_client_ca: str | None = setting(
        None, "A file with certificates (PEM) of the authorities that sign clients' certificates."
    )
    tls_client_auth: str = setting(
        "none", "Whether clients show a certificate: none, optional or required.", choices=CLIENTS
    )
    redirect_http: tuple[str, ...] = setting(
        (), "An address, HOST:PORT, where the server redirects plain HTTP to https; repeatable."
    )

    def __post_init__(self) -> None:
        check(self)
        if self.tls_client_auth != "none" and self.tls_client_ca is None:
            raise SettingsError(
                "tls_client_auth: name the authorities that sign clients' certificates,"
                " in a file: tls_client_ca"
            )
        if self.tls_client_auth == "none" and self.tls_client_ca is not None:
            raise SettingsError(
                "tls_client_ca: no client is asked for a certificate;"
                " add tls_client_auth: optional or required"
            )
        if self.tls_key and len(self.tls_key) != len(self.tls_cert):
            raise SettingsError(
                f"tls_key: {len(self.tls_key)} named, but of tls_cert {len(self.tls_cert)}:"
                " give a key for each certificate, in the same order"
            )
        if not self.tls_cert:
            self._check_unused()

    def _check_unused(self) -> None:
        for name in ("tls_key_password_file", "tls_client_ca", "redirect_http"):
            if getattr(self, name):
                raise SettingsError(f"{name}: it is for HTTPS; name a certificate: tls_cert")

    @property
    def pairs(self) -> list[tuple[str, str]]:
        """Certificates and their keys, by path."""
        return list(zip(self.tls_cert, self.tls_key or self.tls_cert, strict=True))

    @property
    def files(self) -> list[str]:
        """All that are read."""
        files = [*self.tls_cert, *self.tls_key, self.tls_key_password_file, self.tls_client_ca]
        return [path for path in files if path is not None]

    def found_from(self, folder: str) -> TlsSettings:
        """The same files wherever the process goes (`--chdir`), relative paths from this folder."""

        def absolute(path: str) -> str:
            return os.path.join(folder, path)  # noqa: PTH118 - text, as it was

        password, authorities = self.tls_key_password_file, self.tls_client_ca
        return replace(
            self,
            tls_cert=tuple(map(absolute, self.tls_cert)),
            tls_key=tuple(map(absolute, self.tls_key)),
            tls_key_password_file=password and absolute(password),
            tls_client_ca=authorities and absolute(authorities),
        )

    def stamps(self) -> list[Stamp | None]:
        """Another list whenever one of the files has changed."""
        return [_stamp(path) for path in self.files]

    def context(self) -> ssl.SSLContext:
        """Without a certificate yet, and without those that clients' are signed with."""
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.minimum_version = VERSIONS[self.tls_min]
        context.options |= ssl.OP_NO_RENEGOTIATION
        context.verify_mode = CLIENTS[self.tls_client_auth]
        return context

    def password(self) -> str:
        """Empty if there is none. Raises `SettingsError`."""
        path = self.tls_key_password_file
        if path is None:
            return ""
        try:
            return Path(path).read_text("utf-8").partition("\n")[0]
        except (OSError, UnicodeDecodeError) as error:
            reason = getattr(error, "strerror", None) or "not UTF-8"
            raise SettingsError(f"tls_key_password_file: cannot read {path}: {reason}") from None


def _stamp(path: str) -> Stamp | None:
    """Changes whenever the file does; None if there is none."""
    try:
        status = os.stat(path)  # noqa: PTH116 - a plain tuple is all that is wanted
    except OSError:
        return None
    # ctime, because a user who copies a file with its time (cp -p) may leave all else as it was.
    return status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns
