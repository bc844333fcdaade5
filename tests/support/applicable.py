"""Cases of a parametrised test that do not apply are not collected.

A skip would say that something is missing here, where nothing is: a model that serves one
client at a time has no second one to keep waiting, wherever it runs.

    @only(lambda engine: engine.traits.overlaps)

The predicate gets those parameters of the case that it names.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import pytest

from .engines.fixtures import is_watched

OF_FIXTURES: dict[str, Callable[..., bool]] = {"overlapping": lambda engine: engine.traits.overlaps}
"""What a fixture demands of the parameters, for all tests that ask for it."""


def only(predicate: Callable[..., bool]) -> pytest.MarkDecorator:
    return pytest.mark.only.with_args(predicate)


def applies(item: pytest.Item) -> bool:
    if not isinstance(item, pytest.Function) or not hasattr(item, "callspec"):
        return True
    params: dict[str, Any] = item.callspec.params
    if is_watched(params.get("engine")) and "pair" not in item.fixturenames:
        return False  # it is for those who ask for connections
    demands = [mark.args[0] for mark in item.iter_markers("only")]
    demands += [OF_FIXTURES[name] for name in item.fixturenames if name in OF_FIXTURES]
    return all(
        demand(*(params[name] for name in inspect.signature(demand).parameters))
        for demand in demands
    )


def keep_what_applies(config: pytest.Config, items: list[pytest.Item]) -> None:
    config.hook.pytest_deselected(items=[item for item in items if not applies(item)])
    items[:] = [item for item in items if applies(item)]
