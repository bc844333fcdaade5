"""Whom a server believes, and what a folder makes of it."""

from __future__ import annotations

import pytest
from client import Client
from conftest import Serve

from fivefold.content.origin import Proxies

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
    proxies = Proxies(("10.0.0.0/8", "fd00::/8"))
    assert proxies.trusts("10.1.2.3")
    assert proxies.trusts("::ffff:10.1.2.3")
    assert proxies.trusts("fd00::1")
    assert not proxies.trusts("::ffff:11.1.2.3")
    assert not proxies.trusts("::10.1.2.3")
