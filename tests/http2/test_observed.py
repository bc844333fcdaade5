"""Whatever watches requests sees those on streams: the access log, metrics, spans, samples."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from applications.traced import asgi, wsgi
from fivefold import Server, Settings
from fivefold.content.asgi import protocol_server
from fivefold.errors import ProtocolError
from fivefold.serving import MODELS
from support.every_pair import pairs
from support.servers.collector import collecting
from support.servers.deployed import deployed, until
from support.servers.embedded import address_of
from support.status_client import Status
from support.streams import Streams

Pair = dict[str, str]

every_model = pytest.mark.parametrize("serving", MODELS)

FORM = "{request}|{status}|{bytes}|{end}|{request_id}|{wait_ms}|{handle_ms}|{send_ms}|{queue_ms}"

APPLICATION = """
def app(environ, start_response):
    if environ["PATH_INFO"] == "/fail":
        raise ValueError("broken")
    start_response("200 OK", [])
    return [b"here"]
"""


@pairs()
def test_the_access_log_has_a_line_for_each_stream(pair: Pair, site: Path, tmp_path: Path) -> None:
    log = tmp_path / "access.log"
    settings = {"target": str(site), "bind": "127.0.0.1:0", "grace_s": 10.0, "h2c": True, **pair}
    settings |= {"access_log": str(log), "access_log_format": FORM, "request_id": True}
    with Server(Settings.of(settings)) as server, Streams(address_of(server)) as client:
        answers = [client.get(path) for path in ("/1k.bin", "/1k.bin", "/none")]
    written = [line.split("|") for line in log.read_text().splitlines()]
    assert len(written) == len(answers)
    named = {line[4]: line for line in written}
    # Not as they stand in the log: aio:posix may hear of the end of a send behind the next request.
    lines = [named[answer.fields["x-request-id"]] for answer in answers]
    assert [line[:4] for line in lines] == [
        ["GET /1k.bin HTTP/2.0", "200", "1024", "complete"],
        ["GET /1k.bin HTTP/2.0", "200", "1024", "complete"],
        ["GET /none HTTP/2.0", "404", lines[2][2], "complete"],
    ]
    assert all(float(time) >= 0 for line in lines for time in line[5:8])
    # Whatever had lain in the kernel was the first request.
    assert [line[8] for line in lines[1:]] == ["-", "-"]


@every_model
def test_metrics_count_streams_and_their_connection_once(serving: str, tmp_path: Path) -> None:
    (tmp_path / "shop.py").write_text(APPLICATION)
    status = Status(tmp_path)
    arguments = ("shop:app", "--h2c", "--serving", serving, *status.arguments)
    with deployed(tmp_path, *arguments) as server:
        with Streams(server.address) as client:
            numbers = [client.ask(path) for path in ("/", "/", "/fail")]
            assert [client.answer(number).status for number in numbers] == [200, 200, 500]

        def counted() -> dict[str, float]:
            families = text_string_to_metric_families(status.ask("/metrics")[1])
            return {
                "/".join((sample.name, *sample.labels.values())): sample.value
                for family in families
                for sample in family.samples
            }

        until(lambda: counted().get("fivefold_requests_total/wsgi/500") == 1, "three requests")
        found = counted()
        assert found["fivefold_requests_total/wsgi/200"] == 2
        assert found["fivefold_request_duration_seconds_count"] == 3
        assert found["fivefold_connections_opened_total"] == 1
        assert found["fivefold_queue_seconds_count"] <= 1
        server.stop()


@pytest.mark.parametrize("application", [wsgi, asgi], ids=["wsgi", "asgi"])
@every_model
def test_each_stream_is_a_span(
    serving: str, application: object, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "a").write_text("file")
    settings = {"target": application, "mount": (f"/files={tmp_path}",), "serving": serving}
    settings |= {"bind": "127.0.0.1:0", "grace_s": 10.0, "otel": True, "h2c": True}
    with collecting() as collector:
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", collector.endpoint)
        with Server(Settings.of(settings)) as server:
            collector.begin()
            with Streams(address_of(server)) as client:
                numbers = [client.ask(path) for path in ("/parts", "/files/a", "/fail")]
                assert [client.answer(number).status for number in numbers] == [200, 200, 500]
    spans = {span.attributes["url.path"]: span for span in collector.of_server()}
    statuses = {path: s.attributes["http.response.status_code"] for path, s in spans.items()}
    assert statuses == {"/parts": 200, "/files/a": 200, "/fail": 500}
    assert {span.attributes["network.protocol.version"] for span in spans.values()} == {"2"}
    # Whatever had lain in the kernel was the first request.
    assert [path for path in spans if "fivefold.queue_ms" in spans[path].attributes] == ["/parts"]
    for path in ("/parts", "/files/a"):
        found = spans[path].attributes
        assert "error.type" not in found
        assert found["fivefold.first_byte_ms"] >= 0
        assert found["fivefold.network.copy_ms"] > 0
    assert "fivefold.disk.copy_ms" in spans["/files/a"].attributes
    assert len(collector.below(spans["/parts"])) == 3


@every_model
def test_a_sampled_stream_says_its_times(serving: str, site: Path, tmp_path: Path) -> None:
    arguments = ("--h2c", "--trace-sample", "1/1", "--serving", serving)
    with deployed(tmp_path, str(site), *arguments) as server:
        with Streams(server.address) as client:
            answers = [client.get("/1k.bin"), client.get("/none")]
        server.said("GET /none 404 in ")
        server.stop()
    for answer in answers:
        assert re.match(r"read;dur=[\d.]+, app;dur=[\d.]+", answer.fields["server-timing"])
    assert re.search(r"GET /1k.bin 200 in .*read \d.*app \d.*send \d", server.log)


@every_model
def test_lines_of_the_log_name_their_stream(serving: str, tmp_path: Path) -> None:
    (tmp_path / "shop.py").write_text(APPLICATION)
    arguments = ("--h2c", "--request-id", "--serving", serving, "--no-access-log")
    with deployed(tmp_path, "shop:app", *arguments, "--log-format", "json") as server:
        with Streams(server.address) as client:
            client.get("/fail", x_request_id="of-this-one")
        server.said("of-this-one")
        server.stop()
    about = [line for line in server.log.splitlines() if "of-this-one" in line]
    assert any("could not be answered" in line or "broken" in line for line in about)


def test_a_refusal_has_the_name_of_its_request(monkeypatch: pytest.MonkeyPatch) -> None:
    """Also one that content raises before it has begun an answer."""

    def refused(_: object) -> None:
        raise ProtocolError(400, "nobody can tell who asks")

    monkeypatch.setattr(protocol_server, "Ends", refused)  # the server is a fork
    settings = {"target": asgi, "bind": "127.0.0.1:0", "h2c": True, "request_id": True}
    with Server(Settings.of(settings)) as server, Streams(address_of(server)) as client:
        answer = client.get("/")
    assert answer.status == 400
    assert re.fullmatch("[0-9a-f]{32}", answer.fields["x-request-id"])
