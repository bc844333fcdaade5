"""What OpenTelemetry's SDK refuses of its variables: some when it is imported, some when a process
makes its tracer."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from ...errors import ApplicationError, FivefoldError


@contextmanager
def refusals() -> Iterator[None]:
    """What the SDK raises for them (a propagator that is not installed, a batch that is larger than
    the queue) as an `ApplicationError`, which ends a worker."""
    try:
        yield
    except FivefoldError:
        raise
    except Exception as error:
        raise ApplicationError(f"otel: {type(error).__name__}: {error}") from error
