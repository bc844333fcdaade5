"""One word everywhere: command line = file = class = `name`; and no code names a pair."""

from __future__ import annotations

import ast
import inspect
import tokenize
from pathlib import Path

import pytest

import fivefold
from fivefold.iomodels import ENGINES, MODELS, resolve
from fivefold.iomodels.interface import IOModel
from fivefold.serving import MODELS as SERVING_MODELS
from fivefold.serving.base import ServingModel
from support.project_files import project_files

SOURCE = Path(fivefold.__file__).parent
STEVENS = ("blocking", "nonblocking", "multiplexing", "sigio", "aio")

MODULES = sorted(SOURCE.rglob("*.py"))

CLONE = Path(__file__).parents[2]

DENIED = ("beside", "house", "visit", "outlet", "told", "telling")
"""Words that meant several things each, or nothing to a stranger; no name holds one."""

DENIED_ALONE = ("tell", "Tell")
"""As these, but names of tests are sentences, which may hold one."""

OF_PYTHON = ("file_wrapper.py", "test_file_wrapper.py")
"""Here `tell` is the method of a file."""


def test_the_registry_has_stevens_models_in_his_order() -> None:
    assert MODELS == STEVENS
    assert tuple(SERVING_MODELS) == ("process", "thread", "async")


@pytest.mark.parametrize("engine", ENGINES, ids=lambda e: e.engine)
def test_an_engine_is_called_alike_everywhere(engine: type[IOModel]) -> None:
    assert engine.__name__.lower() == engine.engine
    file = Path(inspect.getfile(engine)).relative_to(SOURCE / "iomodels").with_suffix("")
    own = str(file).removesuffix("/__init__")
    assert own in (engine.name, f"{engine.name}/{engine.engine}")
    if engine.available() is None:
        assert resolve(f"{engine.name}:{engine.engine}")[0] is engine
        assert resolve(engine.engine)[0] is engine


@pytest.mark.parametrize(("name", "model"), SERVING_MODELS.items())
def test_a_serving_model_is_called_alike_everywhere(name: str, model: type[ServingModel]) -> None:
    assert model.__name__.lower() == model.name == name
    # `async` is a keyword, so its file has PEP 8's trailing underscore.
    file = str(Path(inspect.getfile(model)).relative_to(SOURCE / "serving").with_suffix(""))
    assert file.removesuffix("/__init__").removesuffix("_") == name


@pytest.mark.parametrize("module", MODULES, ids=lambda m: str(m.relative_to(SOURCE)))
def test_no_code_names_a_pair_and_every_module_says_what_it_is(module: Path) -> None:
    tree = ast.parse(module.read_text())
    if module.stat().st_size:
        assert ast.get_docstring(tree), "no module docstring"
    for node in ast.walk(tree):
        if isinstance(node, ast.Compare):
            words = {
                leaf.value
                for side in (node.left, *node.comparators)
                for leaf in ast.walk(side)
                if isinstance(leaf, ast.Constant) and isinstance(leaf.value, str)
            }
            named = words & {*STEVENS, *SERVING_MODELS, *(e.engine for e in ENGINES)}
            assert not named, f"line {node.lineno} decides by the name {named}"


@pytest.mark.parametrize("word", ["utils", "util", "helpers", "manager", "common", "misc"])
def test_no_grab_bags(word: str) -> None:
    assert not [module for module in MODULES if word in module.stem.split("_")]


def denied(text: str) -> bool:
    return any(word in text.lower() for word in DENIED)


def names_in(module: Path) -> set[str]:
    with module.open("rb") as source:
        return {t.string for t in tokenize.tokenize(source.readline) if t.type == tokenize.NAME}


def test_no_name_holds_a_word_that_is_denied() -> None:
    files = [str(file) for file in project_files(CLONE) if file.suffix == ".py"]
    assert files
    assert [file for file in files if denied(file)] == []
    names = [(file, name) for file in files for name in names_in(CLONE / file)]
    assert [(file, name) for file, name in names if denied(name)] == []
    alone = {file for file, name in names if name in DENIED_ALONE}
    assert {Path(file).name for file in alone} == set(OF_PYTHON)


@pytest.mark.parametrize("engine", ENGINES, ids=lambda e: e.engine)
def test_an_io_model_says_facts_consequence_choice_and_cost(engine: type) -> None:
    text = inspect.getdoc(inspect.getmodule(engine)) or ""
    for heading in ("Facts.", "Consequence.", "Choice.", "Cost."):
        assert heading in text


@pytest.mark.parametrize("model", SERVING_MODELS.values(), ids=lambda m: m.name)
def test_a_serving_model_says_what_it_promises(model: type) -> None:
    assert "Promises." in (inspect.getdoc(inspect.getmodule(model)) or "")


def test_every_logger_of_ours_is_one_that_applications_cannot_silence() -> None:
    others = SOURCE / "isolation/reporting.py"
    plain = [m for m in MODULES if m != others and 'getLogger("fivefold' in m.read_text()]
    assert plain == []
