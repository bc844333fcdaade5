"""What an application is told of TLS, and of a client that has shown a certificate."""

from __future__ import annotations

import re
import ssl
from typing import Any

from ...errors import ProtocolError

VERSIONS = {"TLSv1.2": 0x0303, "TLSv1.3": 0x0304}
"""RFC 8446, section 4.1.2."""

SHORT = {
    "commonName": "CN",
    "organizationName": "O",
    "organizationalUnitName": "OU",
    "countryName": "C",
    "stateOrProvinceName": "ST",
    "localityName": "L",
    "domainComponent": "DC",
    "userId": "UID",
}
"""RFC 4514, section 3."""


SPECIAL = ',+"\\<>;'

CONTROL = re.compile(r"[\x00-\x1f\x7f]")
"""They would end the line that an application logs; any octet may be written in hexadecimals."""


def subject(tls: ssl.SSLObject) -> str | None:
    """The client's distinguished name (RFC 4514); None if it has shown no certificate.

    Raises `ProtocolError`: its names are bytes of the authority that signed it, and Python's ssl
    takes them for text. An application must not mistake such a client for one without a name.
    """
    try:
        certificate = tls.getpeercert()
    except ValueError:
        raise ProtocolError(400, "The client's certificate has a name that is not text.") from None
    if not certificate:
        return None
    parts: Any = certificate.get("subject", ())
    named = ["+".join(f"{SHORT.get(k, k)}={escaped(v)}" for k, v in part) for part in parts]
    return ",".join(reversed(named))


def escaped(value: str) -> str:
    """RFC 4514, section 2.4."""
    last = len(value) - 1
    return "".join(
        f"\\{c}"
        if c in SPECIAL or (c == "#" and not at) or (c == " " and at in (0, last))
        else CONTROL.sub(lambda found: f"\\{ord(found[0]):02X}", c)
        for at, c in enumerate(value)
    )


def environ(tls: ssl.SSLObject) -> dict[str, str]:
    """The variables by which Apache's mod_ssl is known to applications; none without TLS
    that asks for certificates."""
    if tls.context.verify_mode == ssl.CERT_NONE:
        return {}
    name = subject(tls)
    if name is None:
        return {"SSL_CLIENT_VERIFY": "NONE"}
    return {"SSL_CLIENT_VERIFY": "SUCCESS", "SSL_CLIENT_S_DN": name}


def extension(tls: ssl.SSLObject) -> dict[str, Any]:
    """`scope["extensions"]["tls"]` of the ASGI TLS Extension 0.2."""
    shown = tls.getpeercert(binary_form=True)
    return {
        "server_cert": None,
        "client_cert_chain": [ssl.DER_cert_to_PEM_cert(shown)] if shown else [],
        "client_cert_name": subject(tls),
        "client_cert_error": None,
        "tls_version": VERSIONS.get(tls.version() or ""),
        "cipher_suite": None,
    }
