"""The three serving models, from the most isolated to the cheapest."""

from __future__ import annotations

from .async_ import Async
from .base import ServingModel
from .process import Process
from .thread import Thread

MODELS: dict[str, type[ServingModel]] = {model.name: model for model in (Process, Thread, Async)}
