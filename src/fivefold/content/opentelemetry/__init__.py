"""`--otel`: a span of OpenTelemetry for each request, by the official SDK (`fivefold[otel]`)."""

from __future__ import annotations

from importlib.util import find_spec

from ...errors import SettingsError
from ..application.forwarded import TrustedProxies
from ..base import Content
from .refused_variables import refusals

DISTRIBUTIONS = {
    "opentelemetry.sdk.trace": "opentelemetry-sdk",
    "opentelemetry.exporter.otlp.proto.http": "opentelemetry-exporter-otlp-proto-http",
}


def check_installed() -> None:
    """Raises `SettingsError`. It imports none of them: that is for the workers, since the SDK reads
    its variables when it is imported, and `--env-file` may set these."""
    for module, distribution in DISTRIBUTIONS.items():
        try:
            found = find_spec(module)
        except ModuleNotFoundError:  # of a package above it
            found = None
        if found is None:
            raise SettingsError(
                f"otel: the library {distribution} is not installed: pip install"
                f" {' '.join(DISTRIBUTIONS.values())}"
            )


def with_spans(content: Content, proxies: TrustedProxies, pair: dict[str, str]) -> Content:
    """Content around it, each of whose requests is a span with the attributes of `pair`. Raises
    `ApplicationError`, `SettingsError`."""
    with refusals():
        from .traced import Traced  # noqa: PLC0415 - it is an extra

        return Traced(content, proxies, pair)
