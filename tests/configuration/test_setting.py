"""Every setting takes what its type says, and says what else it was given, and from where."""

from __future__ import annotations

import dataclasses
import os
from dataclasses import Field, dataclass
from pathlib import Path
from typing import Any

import pytest

from fivefold.cli.sources import Sources
from fivefold.configuration.setting import TYPES, check, setting
from fivefold.content.routing.virtual_hosts import VirtualHost
from fivefold.content.static.rules import Rules
from fivefold.errors import SettingsError
from fivefold.server.settings import FIELDS, GROUPS, Settings
from fivefold.transport.tls.options import TlsSettings

CLASSES: tuple[Any, ...] = (Settings, *GROUPS.values(), VirtualHost)

EVERY = [(group, each) for group in CLASSES for each in dataclasses.fields(group)]

WRONG = [object(), b"bytes", 7, 1.5, True, "a text", ["text", 7], {"a": "table"}, [["nested"]]]
"""Of types: no setting takes all of these."""

TAKES: dict[str, tuple[type, ...]] = {
    "bool": (bool,),
    "int": (int,),
    "Count": (int,),
    "float": (int, float),
    "str": (str, os.PathLike),
}
"""Said once more, independently of the table that is tested."""

NEEDED: dict[Any, dict[str, Any]] = {VirtualHost: {"name": "example.org", "target": "."}}


def named(case: Any) -> str:
    return case.__name__ if isinstance(case, type) else str(case.name)


def wrong_values(each: Field[Any]) -> list[Any]:
    kind = str(each.type).removesuffix(" | None")
    taken = TAKES.get(kind)
    if taken is None:  # a list, a group, a table or an application
        return [object(), 7, 1.5, True, ["text", 7], [["nested"]], {"a": "table"}]
    of_type = [v for v in WRONG if isinstance(v, taken) and (kind == "bool" or v is not True)]
    return [value for value in WRONG if not any(value is right for right in of_type)]


@pytest.mark.parametrize(("group", "each"), EVERY, ids=named)
def test_every_setting_refuses_what_is_of_another_type(group: Any, each: Field[Any]) -> None:
    values = [*wrong_values(each)]
    if not str(each.type).endswith(" | None"):
        values.append(None)
    for value in values:
        with pytest.raises(SettingsError, match=f"^{each.name}: ") as refused:
            group(**{**NEEDED.get(group, {}), each.name: value})
        assert repr(value) in str(refused.value) or each.type == "tuple[Any, ...]"


@pytest.mark.parametrize("name", FIELDS)
def test_what_a_file_holds_is_refused_with_its_key(name: str, tmp_path: Path) -> None:
    config = tmp_path / "site.toml"
    config.write_text(f"{name} = {{ a = 1 }}\n")
    sources = Sources()
    sources.add_file(str(config))
    with pytest.raises(SettingsError) as refused:
        sources.settings()
    assert str(refused.value).startswith(f"{name}: {{'a': 1}} is not ")
    assert str(refused.value).endswith(f" (key {name} in {config})")


@pytest.mark.parametrize(
    "name",
    [n for n, each in FIELDS.items() if str(each.type).split()[0] in ("bool", "int", "float")],
)
def test_what_a_variable_holds_is_refused_with_its_name(name: str) -> None:
    variable = f"FIVEFOLD_{name.upper()}"
    with pytest.raises(SettingsError, match=f"^{name}: 'x' is not .* .variable {variable}.$"):
        Sources().add_environment({variable: "x"})


@pytest.mark.parametrize(
    ("group", "each"),
    [(g, e) for g, e in EVERY if str(e.type).split()[0] in ("int", "float")],
    ids=named,
)
def test_numbers_are_greater_than_zero(group: Any, each: Field[Any]) -> None:
    wrong: list[float] = [0, -1]
    if "float" in str(each.type):
        wrong += [float("nan"), -0.5, float("inf")]
    for value in wrong:
        with pytest.raises(SettingsError, match=f"^{each.name}: {value!r} "):
            group(**{each.name: value})


def test_every_type_of_a_setting_has_a_line_in_the_table() -> None:
    assert {str(each.type).removesuffix(" | None") for each in FIELDS.values()} <= set(TYPES)


def test_a_new_setting_cannot_be_forgotten() -> None:
    @dataclass(frozen=True)
    class Newer(Rules):
        added: bool = setting(False, "Added today.")

    assert Newer(added=True).added
    with pytest.raises(SettingsError, match="added: 'no' is not true or false"):
        Newer(added="no")  # type: ignore[arg-type]


def test_a_type_without_a_line_is_an_error_at_once() -> None:
    @dataclass(frozen=True)
    class Stranger:
        added: complex = setting(1j, "Of a type that nobody has thought of.")

        def __post_init__(self) -> None:
            check(self)

    with pytest.raises(KeyError, match="complex"):
        Stranger()


def test_a_path_stands_for_its_text_and_one_text_for_a_list_of_one() -> None:
    tls = TlsSettings(tls_cert=Path("/a.pem"), tls_key="/b.pem")  # type: ignore[arg-type]
    assert tls.pairs == [("/a.pem", "/b.pem")]
    assert Settings(chdir=Path("/srv")).chdir == "/srv"  # type: ignore[arg-type]
