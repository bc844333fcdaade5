"""What others have written ends nothing of ours: a command says so in one line, and a server passes
it over and serves on."""

from __future__ import annotations

import ast
import json
from pathlib import Path

import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

import fivefold
from fivefold.cli import main
from fivefold.isolation.foreign_documents import json_of, number_of, object_of, toml_of

SOURCE = Path(fivefold.__file__).parent

DEEP = "[" * 4000

JSON = [DEEP, '{"a":' * 2000, "NaN", "-Infinity", "1e999", "9" * 5000, "", "{", '"\\x"', "\0"]
TOML = [f"a = {DEEP}", "a = " + "{a = " * 2000, "a = " + "9" * 5000, "a", "a = 9999-99-99", "\0"]


@pytest.mark.parametrize("text", JSON)
def test_whatever_is_wrong_with_json_is_a_value_error(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        json_of(text)
    with pytest.raises(ValueError, match=r"."):
        json_of(text.encode() + b"\xff")


@pytest.mark.parametrize("text", TOML)
def test_whatever_is_wrong_with_toml_is_a_value_error(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        toml_of(text)


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


@given(VALUES)
def test_what_is_right_is_read_as_it_was_written(value: object) -> None:
    text = json.dumps(value)
    assert json_of(text) == json_of(text.encode()) == value
    if isinstance(value, dict):
        assert object_of(text) == value
    else:
        with pytest.raises(ValueError, match="no object"):
            object_of(text)


@pytest.mark.parametrize("value", [-1, 1 << 63, True, 1.0, "1", None, [1]])
def test_other_values_are_no_numbers(value: object) -> None:
    with pytest.raises(ValueError, match="no whole number"):
        number_of(value)
    assert number_of((1 << 63) - 1) == (1 << 63) - 1


PARSERS = {"json.loads", "json.load", "tomllib.loads", "tomllib.load"}


def test_nothing_else_reads_such_documents() -> None:
    """Or a caller would have to think of each exception again."""
    found = {
        module.relative_to(SOURCE).as_posix(): call
        for module in sorted(SOURCE.rglob("*.py"))
        for node in ast.walk(ast.parse(module.read_text()))
        if isinstance(node, ast.Attribute) and (call := ast.unparse(node)) in PARSERS
    }
    assert found.keys() == {"isolation/foreign_documents.py"}


def said_by(*arguments: str, **environment: str) -> str:
    done = CliRunner().invoke(main, arguments, env=environment)
    assert done.exit_code == 2
    (line,) = done.stderr.splitlines()
    return line


def test_a_file_that_is_nested_too_deeply_is_one_line(tmp_path: Path) -> None:
    toml, log, result = tmp_path / "a.toml", tmp_path / "log.json", tmp_path / "result.json"
    toml.write_text(f"a = {DEEP}")
    log.write_text(DEEP)
    result.write_text(DEEP)
    line = said_by("serve", "--config", str(toml), "--check-config")
    assert line.startswith(f"fivefold: config: {toml} is not TOML: it is nested too deeply")
    line = said_by("serve", str(tmp_path), "--log-config", str(log), "--check-config")
    assert line.startswith(f"fivefold: log_config: {log}: it is not JSON: it is nested too deeply")
    line = said_by("compare", "--report", str(result))
    assert line.startswith(f"fivefold: report: cannot read {result}: it is nested too deeply")
