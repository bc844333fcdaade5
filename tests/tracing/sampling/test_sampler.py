"""`--trace-sample`: every Nth request, in every pair, into all four places; and wrong values."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from fivefold import Settings
from fivefold.errors import SettingsError
from fivefold.server.texts import interval
from fivefold.tracing.attach.tracer import Attached, metrics_of
from fivefold.tracing.sampling.otlp import line_of
from fivefold.tracing.sampling.prometheus import Metrics
from fivefold.tracing.sampling.sinks import in_words
from support.client import Answer, Client
from support.every_pair import pairs
from support.servers.embedded import running
from support.servers.static_files import small_and_large

PATIENCE_S = 20.0
TRACE = "0af7651916cd43dd8448eb211c80319c"
PARENT = "b7ad6b7169203331"

SAMPLE = {
    "method": "GET",
    "target": "/a?b=c",
    "status": 200,
    "end": 2_000_000_000_000_000_000,
    "read": 1000,
    "app": 2_000_000,
    "send": 30_000,
    "thread": 1_500_000,
    "rtt": 40_000,
    "retransmitted": 0,
    "parent": f"00-{TRACE}-{PARENT}-01",
    "lost": 0,
    "queue": 5_140_000,
}


def hello(environ: dict[str, Any], start: Callable[..., Any]) -> Iterator[bytes]:
    environ["wsgi.input"].read()
    start("200 OK", [("Content-Type", "text/plain"), ("Content-Length", "10")])
    yield b"hello"
    yield b"world"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return small_and_large(tmp_path)


def sampled(answer: Answer) -> bool:
    return "server-timing" in answer.fields


def spans_in(path: Path) -> list[list[dict[str, Any]]]:
    lines = map(json.loads, path.read_text().splitlines())
    return [line["resourceSpans"][0]["scopeSpans"][0]["spans"] for line in lines]


@pairs()
def test_a_sampled_folder_answers_as_ever_in_every_pair(
    pair: dict[str, str], folder: Path, tmp_path: Path
) -> None:
    file = tmp_path / "spans.jsonl"
    settings = {"target": str(folder), "trace_sample": "1/1", "trace_spans": str(file), **pair}
    with running(**settings) as (_, address), Client(address) as client:
        for name, size in (("small", 5000), ("small", 5000), ("large", 300_000)):
            answer = client.get(f"/{name}")
            assert (answer.status, answer.body) == (200, bytes(size))
            assert sampled(answer)
        assert client.get("/nothing").status == 404
        assert client.get("/small", method="HEAD").fields["content-length"] == "5000"
    status = [
        next(a for a in spans[0]["attributes"] if a["key"] == "http.response.status_code")
        for spans in spans_in(file)
    ]
    assert [s["value"]["intValue"] for s in status] == ["200", "200", "200", "404", "200"]


@pairs()
def test_a_sampled_application_answers_as_ever_in_every_pair(pair: dict[str, str]) -> None:
    settings = {"target": hello, "trace_sample": "1/1", **pair}
    with running(**settings) as (_, address), Client(address) as client:
        for _ in range(2):
            answer = client.get("/")
            assert (answer.status, answer.body) == (200, b"helloworld")
            assert sampled(answer)
        client.send(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n\r\nda")
        client.send(b"ta")
        assert sampled(client.answer())


def test_every_third_request_is_sampled(folder: Path) -> None:
    settings = {"target": str(folder), "trace_sample": "1/3", "serving": "async"}
    with running(**settings) as (_, address), Client(address) as client:
        assert [sampled(client.get("/small")) for _ in range(9)] == [False, False, True] * 3


def test_without_the_setting_nothing_is_sampled(folder: Path) -> None:
    with running(target=str(folder)) as (server, address), Client(address) as client:
        assert not sampled(client.get("/small"))
        assert "fivefold_sample_interval 0\n" in metrics_of(server.pid)


def test_a_sampled_server_can_be_attached_to_and_goes_on_sampling(folder: Path) -> None:
    settings = {"target": str(folder), "trace_sample": "1/1"}
    with running(**settings) as (server, address), Client(address) as client:
        assert sampled(client.get("/small"))
        with Attached(server.pid, privileged=False) as attached:
            assert sampled(client.get("/small"))
            assert len(list(attached.traces(PATIENCE_S))) == 1
        assert sampled(client.get("/small"))
        assert sampled(client.get("/small"))


def test_metrics_count_all_workers(folder: Path) -> None:
    settings = {"target": str(folder), "trace_sample": "1/1", "workers": 2, "serving": "thread"}
    with running(**settings) as (server, address):
        for _ in range(10):
            with Client(address) as client:
                client.get("/small")
        # A sample is told when its response has left, which the client may see a bit earlier.
        text = ""
        for _ in range(1000):
            text = metrics_of(server.pid)
            if 'fivefold_sampled_requests_total{method="GET",status="200"} 10\n' in text:
                break
    assert 'fivefold_sampled_requests_total{method="GET",status="200"} 10\n' in text
    assert "fivefold_sampled_request_duration_seconds_count 10\n" in text


def test_a_span_has_its_parent_and_three_children() -> None:
    exported = json.loads(line_of(SAMPLE, "1"))
    spans = exported["resourceSpans"][0]["scopeSpans"][0]["spans"]
    request, *parts = spans
    assert {span["traceId"] for span in spans} == {TRACE}
    assert request["parentSpanId"] == PARENT
    assert [part["name"] for part in parts] == ["read", "app", "send"]
    assert {part["parentSpanId"] for part in parts} == {request["spanId"]}
    at = request["startTimeUnixNano"]
    for part in parts:
        assert part["startTimeUnixNano"] == at
        at = part["endTimeUnixNano"]
    assert at == request["endTimeUnixNano"] == str(SAMPLE["end"])


@pytest.mark.parametrize("parent", ["", "nonsense", "00-xyz-1-01"])
def test_a_wrong_parent_is_none(parent: str) -> None:
    request = json.loads(line_of({**SAMPLE, "parent": parent}, "1"))["resourceSpans"][0]
    span = request["scopeSpans"][0]["spans"][0]
    assert span["parentSpanId"] == ""
    assert len(span["traceId"]) == 32


def test_a_target_cannot_forge_a_line_of_the_log() -> None:
    assert "\n" not in in_words({**SAMPLE, "target": "/\xe9"})
    assert "/\\xe9 200 in 2.031 ms" in in_words({**SAMPLE, "target": "/\xe9"})
    assert "; queue 5.140; rtt 0.040" in in_words(SAMPLE)
    assert "queue" not in in_words({**SAMPLE, "queue": -1})


def test_buckets_are_cumulative_and_end_with_all() -> None:
    metrics = Metrics(10)
    for app in (1_000_000, 100_000_000, 100_000_000_000):
        metrics.add({**SAMPLE, "app": app})
    name = "fivefold_sampled_request_duration_seconds_bucket"
    lines = [line for line in metrics.text().splitlines() if line.startswith(name)]
    counts = [int(line.rpartition(" ")[2]) for line in lines]
    assert counts == sorted(counts)
    assert counts[-1] == 3
    assert f'{name}{{le="0.0025"}} 1' in lines
    assert f'{name}{{le="10.0"}} 2' in lines


@pytest.mark.parametrize("rate", ["", "1", "0.1", "1/0", "2/3", "1/x", "1/-5", "1/1000 "])
def test_a_wrong_rate_is_a_clear_error(rate: str) -> None:
    with pytest.raises(SettingsError, match=r"trace_sample: .* is not a share"):
        interval(rate)
    with pytest.raises(SettingsError, match="trace_sample"):
        Settings(trace_sample=rate)


def test_spans_need_a_rate_and_a_file(folder: Path) -> None:
    with pytest.raises(SettingsError, match="trace_spans: nothing is sampled"):
        Settings(trace_spans="spans.jsonl")
    done = subprocess.run(
        [
            *(sys.executable, "-m", "fivefold", "serve", str(folder), "--bind", "127.0.0.1:0"),
            *("--trace-sample", "1/10", "--trace-spans", str(folder / "no" / "spans")),
        ],
        capture_output=True,
        text=True,
        check=False,
        timeout=PATIENCE_S,
    )
    assert done.returncode == 2
    assert done.stderr.startswith("fivefold: trace_spans: cannot write")


def test_each_sample_is_a_line_of_the_log(folder: Path) -> None:
    with subprocess.Popen(
        [
            *(sys.executable, "-m", "fivefold", "serve", str(folder), "--bind", "127.0.0.1:0"),
            *("--trace-sample", "1/2"),
        ],
        stderr=subprocess.PIPE,
        text=True,
    ) as server:
        assert server.stderr is not None
        host, _, port = server.stderr.readline().split("//")[1].strip().rpartition(":")
        with Client((host, int(port))) as client:
            for name in ("small", "large", "small", "nothing"):
                client.get(f"/{name}")
        server.terminate()
        lines = [line for line in server.stderr if "fivefold.trace" in line]
    assert server.returncode == 0
    assert [line.split(": ")[1].split(" in ")[0] for line in lines] == [
        "GET /large 200",
        "GET /nothing 404",
    ]
