"""Virtual hosts: which folder answers for which name, and what is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from fivefold import Settings
from fivefold.cli.serve import as_toml
from fivefold.cli.sources import from_file
from fivefold.errors import SettingsError
from support.client import Client
from support.servers.folder import Serve


@pytest.fixture
def sites(tmp_path: Path) -> Path:
    for name in ("main", "one", "two", "three"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "who.txt").write_text(name)
    return tmp_path


def ask(client: Client, host: str, path: str = "/who.txt") -> tuple[int, str]:
    client.send(f"GET {path} HTTP/1.1\r\nHost: {host}\r\n\r\n".encode())
    answer = client.answer()
    return answer.status, answer.body.decode()


def test_the_name_decides(sites: Path, serve: Serve) -> None:
    hosts: list[dict[str, Any]] = [
        {"name": ["one.example", "www.one.example"], "target": str(sites / "one"), "listing": True},
        {"name": "*.example", "target": str(sites / "two"), "mount": f"/3={sites / 'three'}"},
        {"name": "*.deep.example", "target": str(sites / "three")},
    ]
    with serve(target=str(sites / "main"), host=hosts) as address, Client(address) as client:
        for _ in range(2):
            for name, who in (
                ("one.example", "one"),
                ("ONE.example:8080", "one"),
                ("one.example.", "one"),
                ("www.one.example", "one"),
                ("other.example", "two"),
                ("a.one.example", "two"),
                ("a.b.deep.example", "three"),
                ("deep.example", "two"),
                ("example", "main"),
                ("xone.example.org", "main"),
                ("[::1]:80", "main"),
                ("", "main"),
            ):
                assert ask(client, name) == (200, who), name
        assert ask(client, "x.example", "/3/who.txt") == (200, "three")
        assert ask(client, "one.example", "/3/who.txt")[0] == 404
        assert ask(client, "x.example", "/")[0] == 404
        client.send(b"GET http://one.example/who.txt HTTP/1.1\r\nHost: main\r\n\r\n")
        assert client.answer().body == b"one"


WRONG: list[tuple[Any, str]] = [
    ("one", "a table of its own"),
    (["one"], "is not a table"),
    ([{"name": "a"}], "needs a name and a target"),
    ([{"target": "."}], "needs a name and a target"),
    ([{"name": "A.example", "target": "."}], "'A.example' is not a name"),
    ([{"name": "a.*.example", "target": "."}], "is not a name"),
    ([{"name": "a:80", "target": "."}], "is not a name"),
    ([{"name": "a", "target": ".", "workers": 2}], "workers: there is no such setting"),
    ([{"name": "a", "target": ".", "cors": "x"}], "cors: 'x' is not an origin"),
    ([{"name": "a", "target": ".", "mount": "x"}], "is not /PREFIX=FOLDER"),
    ([{"name": ["a", "b"], "target": "."}, {"name": "b", "target": "."}], "'b' is given twice"),
]


@pytest.mark.parametrize(("tables", "message"), WRONG)
def test_a_wrong_host_is_named(tables: object, message: str) -> None:
    with pytest.raises(SettingsError) as refused:
        Settings(host=tables)  # type: ignore[arg-type]
    assert message in str(refused.value)


def test_a_folder_that_is_not_there(sites: Path, serve: Serve) -> None:
    host = [{"name": "one.example", "target": str(sites / "none")}]
    with (
        pytest.raises(SettingsError, match=r"host one\.example: .*there is no folder"),
        serve(target=str(sites), host=host),
    ):
        pass


def test_the_configuration_file(sites: Path, tmp_path: Path) -> None:
    file = tmp_path / "fivefold.toml"
    file.write_text(
        'target = "main"\n[[host]]\nname = "a.example"\ntarget = "one"\nlisting = true\n'
        '[[host]]\nname = ["b.example"]\ntarget = "two"\nheader = ["*: X-A: b"]\n'
    )
    settings = Settings.of(from_file(str(file)))
    assert [host.name for host in settings.host] == [("a.example",), ("b.example",)]
    assert settings.host[0].rules.listing
    again = tmp_path / "printed.toml"
    again.write_text(as_toml(settings))
    assert Settings.of(from_file(str(again))) == settings
