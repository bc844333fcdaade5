"""Certificates: chosen by the name that a client asks for, looked at again, renewed for all.

Facts.        An SSL_CTX holds one certificate of each kind of key (RSA, ECDSA, Ed25519), and
              OpenSSL takes the one that the client can verify.  Loading another of the same
              kind replaces it (SSL_CTX_use_certificate(3)).
Choice.       A context for each set of certificates that are made out to one name: of each
              kind the one that was named first.
              What one process has read is shared with all (`renewals`), so that a worker which
              starts later has it, whatever has become of the files meanwhile.
Cost.         A few milliseconds at the start, and whenever the files have changed; session
              tickets of a renewed certificate are good for the worker that made them.
"""

from __future__ import annotations

import contextlib
import ssl
import threading
from collections.abc import Sequence
from pathlib import Path
from time import monotonic, sleep

from ...isolation.reporting import logger
from .certificate_files import Material, Names, load, refuse_waiting, tried
from .options import TlsSettings
from .renewals import Renewal, Renewals, Stamps

log = logger("fivefold.tls")

FILES_CHECK_S = 2.0
"""How long a change of the files may go unnoticed."""


OTHERS_S = 1.0
"""So long another process is waited for that reads the files; it takes milliseconds."""


class Certificates:
    """All of a server; made before the first fork. `current` is what a handshake begins with."""

    def __init__(self, settings: TlsSettings, alpn: Sequence[str] = ("http/1.1",)) -> None:
        """`alpn`: the protocols that are spoken, the best first (RFC 7301).

        Raises `SettingsError`, which names the file and the remedy.
        """
        self._alpn = tuple(alpn)
        self._stamps = settings.stamps()
        self._material = Material.read(settings)
        names = tried(settings, self._material)  # with the paths as they were written
        with contextlib.suppress(OSError):  # the folder is gone, and with it what is relative
            settings = settings.found_from(str(Path.cwd()))
        self._settings = settings
        self._served = self._of(self._material, names)
        self._complaint = ""
        self._renewals = Renewals()
        self._used = self._seen = self._renewals.number
        self._lock = threading.Lock()
        self._look_at = 0.0  # a process that begins to serve looks first

    def _of(self, material: Material, names: Sequence[Names]) -> Served:
        return Served(self._settings, material, names, self._alpn)

    def current(self) -> ssl.SSLContext:
        """The context of the first certificate; it finds the others by the client's name."""
        self.tick()
        return self._served.first

    def tick(self) -> None:
        """Look whether there are new ones, if it is time to; by any thread of any process."""
        if self._renewals.number == self._seen and monotonic() < self._look_at:
            return
        if not self._lock.acquire(blocking=False):
            return  # another thread is just doing that
        try:
            self._look_at, self._seen = monotonic() + FILES_CHECK_S, self._renewals.number
            self._look()
        except Exception as error:  # noqa: BLE001 - whatever it is, the worker serves on
            log.error(
                "the certificate in use stays, and its files will be read again: %s", said(error)
            )
        finally:
            self._lock.release()

    def look_now(self) -> None:
        """In a process that will soon have no right to. Others, who have none, may be trying just
        now; who tries for ever is not waited for."""
        give_up_at = monotonic() + OTHERS_S
        try:
            while not self._look() and monotonic() < give_up_at:
                sleep(OTHERS_S / 100)
        except Exception as error:  # noqa: BLE001 - as in `tick`
            log.error("the certificate in use stays: %s", said(error))

    def _look(self) -> bool:
        """Whether nobody else is just reading the files."""
        self._take()
        stamps = self._settings.stamps()
        if stamps == self._stamps:
            return True
        with self._renewals.alone() as alone:
            if alone:
                self._take()
                if stamps != self._stamps:
                    self._renew(stamps)
        return alone

    def _take(self) -> None:
        """What another process has read. Raises `SettingsError`, `OSError`."""
        number = self._renewals.number
        renewal = None if number == self._used else self._renewals.last()
        if renewal is not None:
            self._use(renewal)
            self._used = number

    def _use(self, renewal: Renewal) -> None:
        if renewal.material != self._material:
            self._served = self._of(renewal.material, renewal.names)
            self._material = renewal.material
        self._stamps, self._complaint = renewal.stamps, renewal.complaint

    def _renew(self, stamps: Stamps) -> None:
        """Read the files. What cannot be used is tried again, and said once, by one process."""
        names = self._served.names
        try:
            refuse_waiting(self._settings)
            read = Material.read(self._settings)
            changed = read != self._material
            renewal = Renewal(stamps, read, tried(self._settings, read) if changed else names)
            self._use(renewal)
        except Exception as error:  # noqa: BLE001 - ssl may raise anything about foreign bytes
            complaint = said(error)
            if complaint == self._complaint:
                return
            log.error("the new certificate is not used, the old one stays: %s", complaint)
            renewal = Renewal(self._stamps, self._material, names, complaint)
            self._complaint = complaint
        else:
            if changed:
                log.info("the certificate has been read again")
        self._renewals.add(renewal)
        self._used = self._seen = self._renewals.number


def said(error: Exception) -> str:
    return str(error) or type(error).__name__


class Served:
    """Contexts for handshakes: of the first certificate, and of each name."""

    def __init__(
        self,
        settings: TlsSettings,
        material: Material,
        names: Sequence[Names],
        alpn: tuple[str, ...],
    ) -> None:
        """`names` are those of each certificate. Raises `SettingsError`."""
        self._alpn = alpn
        self.names = tuple(names)
        self._settings = settings
        self._material = material
        self._contexts: dict[tuple[int, ...], ssl.SSLContext] = {}
        """By the certificates that they hold."""
        alike = [at for at, own in enumerate(self.names) if own & self.names[0]]
        self.first = self._context(tuple(dict.fromkeys([0, *alike])))
        self._by_name = {
            name: self._context(made_out_to(self.names, name))
            for name in frozenset().union(*self.names)
        }

    def _context(self, certificates: tuple[int, ...]) -> ssl.SSLContext:
        known = self._contexts.get(certificates)
        if known is None:
            known = load(self._settings, self._material, certificates)
            known.set_alpn_protocols(list(self._alpn))
            known.sni_callback = self._choose
            self._contexts[certificates] = known
        return known

    def _choose(self, tls: ssl.SSLObject, name: str | None, _: ssl.SSLContext) -> None:
        wanted = (name or "").lower()
        found = self._by_name.get(wanted) or self._by_name.get(wild(wanted))
        if found is not None:
            tls.context = found


def made_out_to(names: Sequence[Names], name: str) -> tuple[int, ...]:
    """Which certificates are good for a name: those made out to it, then those to its domain."""
    exact = [at for at, own in enumerate(names) if name in own]
    domain = [at for at, own in enumerate(names) if wild(name) in own]
    return tuple(dict.fromkeys([*exact, *domain]))


def wild(name: str) -> str:
    """The star stands for one label (RFC 6125, section 6.4.3)."""
    return "*." + name.partition(".")[2]
