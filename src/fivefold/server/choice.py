"""Which serving model and which engine serve a kind of content, as settings and kernel allow."""

from __future__ import annotations

from dataclasses import dataclass

from ..content.kinds import Kind
from ..errors import SettingsError
from ..iomodels import resolve
from ..iomodels.interface import IOModel
from ..serving import MODELS
from ..serving.base import ServingModel
from .settings import AUTO, Settings


@dataclass(frozen=True)
class Choice:
    """A kind of content, and the pair that serves it."""

    kind: Kind
    model: type[ServingModel]
    engine: type[IOModel]
    passed_over: list[str]
    """A sentence for each better engine that cannot run here."""

    @classmethod
    def of(cls, settings: Settings, kind: Kind) -> Choice:
        """Raises `SettingsError`, `Unavailable`."""
        model = MODELS[kind.serving if settings.serving == AUTO else settings.serving]
        # Whatever suits the content: one thread with many connections must not block.
        auto = "multiplexing" if model.traits.one_thread else kind.io
        engine, passed_over = resolve(auto if settings.io == AUTO else settings.io)
        settings.check_serving(model.name)
        most, wanted = engine.traits.max_connections, settings.max_connections
        if model.traits.one_thread and most and wanted and wanted > most:
            raise SettingsError(
                f"max_connections: {engine.engine} can hold {most} connections in one thread:"
                f" {engine.traits.limit}"
            )
        return cls(kind, model, engine, passed_over)

    @property
    def in_event_loop(self) -> bool:
        """Whether one thread serves many connections, so that no call may block it."""
        return self.model.traits.one_thread and self.engine.traits.overlaps
