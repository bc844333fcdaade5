"""How spans get to a collector: one that does not answer costs no request, and what is lost is
said; the application's own way of exporting is kept."""

from __future__ import annotations

from pathlib import Path

import pytest

from fivefold.content.opentelemetry.attributes import divided
from fivefold.serving import MODELS
from support.client import Client
from support.command_line import fivefold
from support.servers.collector import collecting
from support.servers.deployed import deployed

ASKED = 20

OWN = """
from opentelemetry import trace
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor

provider = TracerProvider(resource=Resource({"service.name": "of the application"}))
provider.add_span_processor(SimpleSpanProcessor(OTLPSpanExporter()))
trace.set_tracer_provider(provider)

def app(environ, start_response):
    with trace.get_tracer("a").start_as_current_span("work"):
        start_response("200 OK", [("Content-Length", "2")])
    return [b"ok"]
"""


@pytest.mark.parametrize("serving", MODELS)
def test_a_collector_that_does_not_answer_delays_nothing_and_what_is_lost_is_counted(
    serving: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OTEL_BSP_MAX_QUEUE_SIZE", "4")
    monkeypatch.setenv("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", "2")
    with collecting() as collector:  # whose queue takes connections, and no more
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", collector.endpoint)
        with deployed(tmp_path, ".", "--otel", "--serving", serving) as server:
            with Client(server.address) as client:
                for _ in range(ASKED):
                    assert client.get("/server.log").status == 200
            assert server.stop() == 0
            assert f"{ASKED} spans have not reached their collector" in server.log
            assert "Traceback" not in server.log


def test_a_collector_that_is_not_there_is_said_with_the_reason(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with collecting() as collector:
        endpoint = collector.endpoint
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", endpoint)
    monkeypatch.setenv("OTEL_BSP_SCHEDULE_DELAY", "10")
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_TIMEOUT", "0.1")
    with deployed(tmp_path, ".", "--otel", "--serving", "async") as server:
        with Client(server.address) as client:
            client.get("/server.log")
        server.said("spans do not reach their collector: ")
        assert server.stop() == 0
        assert "1 spans have not reached their collector" in server.log


def test_the_tracer_provider_of_an_application_is_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "shop.py").write_text(OWN)
    with collecting() as collector:
        collector.begin()
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", collector.endpoint)
        with deployed(tmp_path, "shop:app", "--otel", "--serving", "process") as server:
            with Client(server.address) as client:
                assert client.get("/").body == b"ok"
            assert server.stop() == 0
    (span,) = collector.of_server()
    assert [below.name for below in collector.below(span)] == ["work"]
    assert {one.resource["service.name"] for one in collector.spans} == {"of the application"}


def test_what_is_not_installed_is_one_line_with_the_remedy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "opentelemetry").mkdir()
    (tmp_path / "opentelemetry" / "__init__.py").touch()
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    said = fivefold("serve", str(tmp_path), "--otel")
    assert said.returncode == 2, said
    remedy = "pip install opentelemetry-sdk opentelemetry-exporter-otlp-proto-http"
    why = f"the library opentelemetry-sdk is not installed: {remedy}"
    assert said.stderr == f"fivefold: otel: {why} (option --otel)\n"


@pytest.mark.parametrize(
    ("serving", "name", "value", "message"),
    [
        ("async", "TRACES_EXPORTER", "zipkin", "there is no exporter 'zipkin' installed"),
        ("async", "PROPAGATORS", "none-such", "Propagator none-such not found"),
        # These are read after the fork, by a thread or a connection process.
        ("thread", "BSP_MAX_QUEUE_SIZE", "2", "max_export_batch_size must be less"),
        ("process", "SPAN_ATTRIBUTE_COUNT_LIMIT", "-1", "non-negative"),
    ],
)
def test_a_variable_that_the_sdk_refuses_is_one_line(
    serving: str,
    name: str,
    value: str,
    message: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv(f"OTEL_{name}", value)
    said = fivefold("serve", str(tmp_path), "--otel", "--bind", "127.0.0.1:0", "--serving", serving)
    assert said.returncode, said
    assert "otel: " in said.stderr
    assert message in said.stderr
    assert "Traceback" not in said.stderr


@pytest.mark.parametrize(
    ("authority", "host", "port"),
    [
        ("shop.example", "shop.example", 0),
        ("shop.example:8000", "shop.example", 8000),
        ("shop.example:", "shop.example", 0),
        ("[::1]", "::1", 0),
        ("[::1]:8000", "::1", 8000),
        ("", "", 0),
    ],
)
def test_an_authority_is_a_host_and_a_port(authority: str, host: str, port: int) -> None:
    assert divided(authority) == (host, port)
