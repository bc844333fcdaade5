"""Whom a server believes, and what a folder makes of it."""

from __future__ import annotations

from typing import Any

import pytest

from fivefold.content.application.forwarded import Forwarded, TrustedProxies, parsed
from fivefold.errors import SettingsError
from fivefold.server.settings import Settings
from support.client import Client
from support.servers.folder import Serve

CLAIMS = {
    "Forwarded": 'for=192.0.2.9;proto=https;host="evil.example"',
    "X_Forwarded_Host": "evil.example",
    "X_Forwarded_Proto": "https",
}


@pytest.mark.parametrize("trusted", [(), ("127.0.0.1",)], ids=["nobody", "a proxy"])
def test_a_redirect_into_a_folder_names_no_host(trusted: tuple[str, ...], serve: Serve) -> None:
    """A path is right behind every proxy, and nobody can turn it elsewhere."""
    with (
        serve(trusted_proxies=trusted, listing=True) as address,
        Client(address) as client,
    ):
        answer = client.get("/sub?a=1", **CLAIMS)
        assert (answer.status, answer.fields["location"]) == (301, "sub/?a=1")
        assert b"evil.example" not in client.get("/sub/", **CLAIMS).body


def test_ipv4_through_a_socket_of_both_families() -> None:
    proxies = TrustedProxies(("10.0.0.0/8", "fd00::/8"))
    assert proxies.trusts("10.1.2.3")
    assert proxies.trusts("::ffff:10.1.2.3")
    assert proxies.trusts("fd00::1")
    assert not proxies.trusts("::ffff:11.1.2.3")
    assert not proxies.trusts("::10.1.2.3")


PROXY = "10.0.0.1"

ALL = ("x-forwarded", "x-forwarded-host")


class Conn:
    """A connection of a proxy, as far as this is looked at."""

    peer = (PROXY, 1234)
    scheme = "http"
    socket_ends = None


def forwarded(
    *fields: str, trusted: tuple[str, ...] = ("10.0.0.0/8",), believed: tuple[str, ...] = ALL
) -> tuple[str | None, str, str | None]:
    named = [tuple(field.encode().split(b": ", 1)) for field in fields]
    conn: Any = Conn()
    found: Forwarded = TrustedProxies(trusted, believed).forwarded(
        conn, [(n.lower(), v) for n, v in named]
    )
    return found.client and found.client[0], found.scheme, found.host


CLIENTS_OWN = (
    "Forwarded: for=6.6.6.6;proto=https;host=evil.example",
    "X-Forwarded-Host: evil.example",
    "X-Forwarded-For: 6.6.6.6",
    "X-Forwarded-Proto: https",
)


def test_what_the_proxy_passes_on_is_not_believed() -> None:
    """A proxy that appends to one field, sets another, and knows nothing of the others."""
    nginx = ("X-Forwarded-For: 203.0.113.9", "X-Forwarded-Proto: http")
    believed = ("x-forwarded",)
    assert forwarded(*CLIENTS_OWN, *nginx, believed=believed) == ("203.0.113.9", "http", None)
    rfc7239 = "Forwarded: for=203.0.113.9"
    believed = ("forwarded",)
    assert forwarded(*CLIENTS_OWN, rfc7239, believed=believed) == ("203.0.113.9", "http", None)
    assert forwarded(*CLIENTS_OWN[1:], believed=believed) == (PROXY, "http", None)
    assert forwarded(CLIENTS_OWN[0], believed=("x-forwarded",)) == (PROXY, "http", None)
    assert forwarded(*CLIENTS_OWN, believed=("x-forwarded-for",)) == ("6.6.6.6", "http", None)


def test_everybody_is_a_peer_and_nobody_on_the_way() -> None:
    chain = "X-Forwarded-For: 6.6.6.6, 203.0.113.9"
    for trusted in (("*",), ("unix", "*"), ("10.0.0.0/8",)):
        assert forwarded(chain, trusted=trusted)[0] == "203.0.113.9"
    assert forwarded(chain + ", 10.0.0.7", trusted=("*", "10.0.0.0/8"))[0] == "203.0.113.9"


@pytest.mark.parametrize(
    "host",
    [
        "evil.example/<x> y",
        "a b",
        "a@b",
        "[::1",
        "[::1::]",
        "a,b c",
        "a\tb",
        'a"b',
        "ä",
        "a%zz",
        ":80",
    ],
)
def test_a_host_is_checked_as_strictly_as_the_field(host: str) -> None:
    assert forwarded(f"X-Forwarded-Host: {host}")[2] is None
    quoted = f'Forwarded: for=203.0.113.9;host="{host}"'
    assert forwarded(quoted, believed=("forwarded",))[2] is None


def test_a_host_that_is_one() -> None:
    for host in ("shop.example", "shop.example:8443", "[::1]:80"):
        assert forwarded(f"X-Forwarded-Host: a.example, {host}")[2] == host
        quoted = f'Forwarded: for=x;host="{host}"'
        assert forwarded(quoted, believed=("forwarded",))[2] == host


@pytest.mark.parametrize(
    "hop",
    [
        *("unknown", "_hidden", "", "fe80::1%evil", "1.2.3.4.5", "1.2.3.4:x"),
        *("::1%\x1b[31m", "1.2.3.4:" + "1" * 5000, "a.example", "[::1", "٣.1.1.1"),
    ],
)
def test_a_hop_that_is_no_address_ends_the_way(hop: str) -> None:
    assert forwarded(f"X-Forwarded-For: 6.6.6.6, {hop}")[0] == PROXY


@pytest.mark.parametrize("port", ["_hidden", "_a.b-c_1", "65536", "99999"])
def test_a_port_that_is_none_takes_no_address_along(port: str) -> None:
    """RFC 7239, section 6: a proxy may hide it, and the client is the one that it names."""
    for host, shown in (("203.0.113.9", "203.0.113.9"), ("[2001:db8::9]", "2001:db8::9")):
        hop = f'Forwarded: for="{host}:{port}"'
        assert forwarded(hop, believed=("forwarded",))[0] == shown
        client = parsed(f"{host}:{port}")
        assert client == (shown, 0)


def test_a_way_of_thousands_of_hops_is_not_walked_to_its_end() -> None:
    """Whoever it is that says so: the last of those that are looked at is the client."""
    hops = ", ".join(f"10.0.{n // 256}.{n % 256}" for n in range(3000))
    assert forwarded(f"X-Forwarded-For: {hops}")[0] == "10.0.11.152"


def test_forwarded_is_read_from_the_right() -> None:
    believed = ("forwarded",)
    for text, client in (
        ('for="[2001:db8::1]:90"; proto=https', ("2001:db8::1", "https", None)),
        ('for="6.6.6.6, for=203.0.113.9;proto=WSS', ("203.0.113.9", "https", None)),
        ("for=203.0.113.9, for=10.0.0.2;proto=https", ("203.0.113.9", "https", None)),
        ("xfor=6.6.6.6;by-proto=https", (PROXY, "http", None)),
        ("FOR=203.0.113.9;Host=a.example", ("203.0.113.9", "http", "a.example")),
    ):
        assert forwarded(f"Forwarded: {text}", believed=believed) == client


def test_wrong_settings() -> None:
    for fields, said in (
        (("x-real-ip",), "'x-real-ip' is unknown; choose from x-forwarded, "),
        (("forwarded", "x-forwarded"), "may contradict each other"),
    ):
        with pytest.raises(SettingsError, match=said):
            Settings(forwarded_fields=fields)
