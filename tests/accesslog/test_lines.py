"""One exchange, one line: what is in it, and that nobody can write another."""

from __future__ import annotations

import asyncio
import json
import re
import tracemalloc
from collections.abc import Iterable
from itertools import product
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fivefold.accesslog.formats import FROM_HEAD, JSON, NAMED, ONCE_A_SECOND, TIMES, compiled
from fivefold.accesslog.heads import Heads
from fivefold.accesslog.shared import SharedLog
from fivefold.content.application.forwarded import TrustedProxies
from fivefold.errors import PeerGone, SettingsError
from fivefold.http1.connection import Http1
from fivefold.http1.limits import Limits
from fivefold.http1.logged import LoggedRequest
from fivefold.http1.request import examined
from support.scripted_connection import SILENCE, Echo, FakeConnection, statuses

GET = b"GET /a?b HTTP/1.1\r\nHost: h.example\r\n"


class Leaving(FakeConnection):
    """A client that leaves when 20 bytes of the answer are still to be taken."""

    async def send(self, *buffers: bytes) -> None:
        self.unsent = 20
        raise PeerGone("reset")


def logged(
    form: str,
    script: Iterable[bytes | None],
    tmp_path: Path,
    *,
    trusted: tuple[str, ...] = (),
    kind: type[FakeConnection] = FakeConnection,
    limits: Limits | None = None,
) -> tuple[str, bytes]:
    """What one scripted connection leaves in the log, and what was sent."""
    file = tmp_path / "log"
    file.unlink(missing_ok=True)
    log = SharedLog(str(file), form, TrustedProxies(trusted), "").opened()
    connection = kind(script)
    asyncio.run(Http1(Echo(), limits or Limits(), log).serve(connection))
    assert log is not None
    log.close()
    return file.read_text("ascii"), connection.sent


def test_common_and_combined_are_those_of_apache_and_nginx(tmp_path: Path) -> None:
    head = GET + b'Referer: http://r/"\r\nuser-agent:\t x\x1b[0m\\ \xc3\xbc\r\n\r\n'
    head = head.replace(b"\x1b", b"~")  # llhttp refuses control characters
    text, _ = logged("combined", [head, head], tmp_path)
    stamp = r"\[\d\d/[A-Z][a-z]{2}/\d{4}:\d\d:\d\d:\d\d [+-]\d{4}\]"
    common = rf'192\.0\.2\.1 - - {stamp} "GET /a\?b HTTP/1\.1" 200 8'
    line = common + r' "http://r/\\x22" "x~\[0m\\x5C \\xC3\\xBC"'
    assert re.fullmatch(rf"({line}\n){{2}}", text)
    text, _ = logged("common", [head], tmp_path)
    assert re.fullmatch(common + "\n", text)


def test_json_has_names_numbers_and_times(tmp_path: Path) -> None:
    text, _ = logged("json", [GET + b'User-Agent: "\xc3\xbc\xff\r\n\r\n'], tmp_path)
    line = json.loads(text)
    assert line["user_agent"] == '"ü\\xff'
    assert (line["method"], line["target"], line["host"]) == ("GET", "/a?b", "h.example")
    assert (line["status"], line["bytes"], line["end"]) == (200, 8, "complete")
    assert all(line[name] >= 0 for name in ("wait_ms", "handle_ms", "send_ms"))
    assert text.count("\n") == 1


class Queued(FakeConnection):
    """Its first bytes lay in the kernel."""

    queued_s = 0.0125


def test_queue_time_is_that_of_the_first_request_and_nothing_where_unknown(tmp_path: Path) -> None:
    head = GET + b"\r\n"
    queue = "{status} {queue_ms}"
    assert logged(queue, [head, head], tmp_path, kind=Queued)[0] == "200 12.500\n200 -\n"
    assert logged(queue, [head], tmp_path)[0] == "200 -\n"
    text, _ = logged("json", [head, head], tmp_path, kind=Queued)
    assert [json.loads(line)["queue_ms"] for line in text.splitlines()] == [12.5, None]
    refused, _ = logged(queue, [b"GET / HTTP/1.1\r\n\r\n"], tmp_path, kind=Queued)
    assert refused == "400 12.500\n"


def test_every_field_and_text_around_it(tmp_path: Path) -> None:
    names = [*ONCE_A_SECOND, *TIMES, *FROM_HEAD, "header:X-Id", "header:None"]
    form = "\t100% %s {{ü}} " + " ".join(f"{name}={{{name}}}" for name in names)
    head = GET + b"X-ID:7%s\r\nReferer: %d%%\r\n\r\n"
    file = tmp_path / "log"
    log = SharedLog(str(file), form, TrustedProxies(), "").opened()
    assert log is not None
    asyncio.run(Http1(Echo(), Limits(), log).serve(FakeConnection([head])))
    log.close()
    text = file.read_text("utf-8")
    assert text.startswith("\t100% %s {ü} client=192.0.2.1 peer=192.0.2.1 time=")
    assert re.search(r" wait_ms=\d+\.\d{3} handle_ms=\d+\.\d{3} send_ms=\d+\.\d{3} ", text)
    assert text.endswith(
        " request=GET /a?b HTTP/1.1 method=GET target=/a?b path=/a query=b protocol=HTTP/1.1"
        " host=h.example referer=%d%% user_agent=- request_id=- header:X-Id=7%s header:None=-\n"
    )


@pytest.mark.parametrize(
    ("form", "said"),
    [
        ("{clinet}", "'{clinet}' is unknown; the fields are {client} {peer} "),
        ("combine", "'combine' is neither common, combined, json nor a text with fields"),
        ("{client", "a '{' without its pair; write {{ for one"),
        ("client}{time}", "a '}' without its pair; write }} for one"),
        ("{client}\n{time}", "control characters"),
        ("{header:}", "'{header:}' is unknown"),
    ],
)
def test_a_wrong_format_is_reported(form: str, said: str) -> None:
    with pytest.raises(SettingsError) as raised:
        compiled(form)
    assert said in str(raised.value)
    assert "\n" not in str(raised.value)


STATUS = "{request}|{status}|{bytes}|{end}"

REFUSED: dict[str, tuple[list[bytes | None], str]] = {
    "no host": ([b"GET / HTTP/1.1\r\n\r\n"], "GET / HTTP/1.1|400|{}|complete"),
    "no http": ([b"\x16\x03\x01\x02"], "\\x16\\x03\\x01\\x02|400|{}|complete"),
    "slow": ([b"GET /x HT", b"TP/1.1\r\nHo", SILENCE], "GET /x HTTP/1.1|408|{}|complete"),
    "large": ([GET + b"A: " + b"b" * 40000], "GET /a?b HTTP/1.1|431|{}|complete"),
    "head": ([b"HEAD / HTTP/1.1\r\n\r\n"], "HEAD / HTTP/1.1|400|{}|complete"),
    "no body": ([GET + b"Content-Length: 5\r\n\r\n", SILENCE], "GET /a?b HTTP/1.1|408|{}|complete"),
    "left": ([b"GET /y HT"], "GET /y HT|499|{}|aborted"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_refusals_are_logged_with_their_status(case: str, tmp_path: Path) -> None:
    script, line = REFUSED[case]
    text, sent = logged(STATUS, script, tmp_path)
    body = sent.partition(b"\r\n\r\n")[2]
    assert text == line.format(len(body)) + "\n"


@pytest.mark.parametrize("script", [[], [SILENCE], [b"\r\n"]], ids=str)
def test_where_nothing_was_asked_there_is_no_line(
    script: list[bytes | None], tmp_path: Path
) -> None:
    assert logged("common", script, tmp_path)[0] == ""


def test_a_client_that_takes_not_all_is_marked(tmp_path: Path) -> None:
    text, _ = logged(STATUS, [GET + b"\r\n"], tmp_path, kind=Leaving)
    assert text == "GET /a?b HTTP/1.1|200|0|aborted\n"  # 20 bytes are more than its body had


def test_the_client_is_whom_a_trusted_proxy_names(tmp_path: Path) -> None:
    script = [GET + b"X-Forwarded-For: 203.0.113.9\r\n\r\n", GET + b"\r\n"]
    text, _ = logged("{client} {peer}", script, tmp_path)
    assert text == "192.0.2.1 192.0.2.1\n" * 2
    text, _ = logged("{client} {peer}", script, tmp_path, trusted=("192.0.2.0/24",))
    assert text == "203.0.113.9 192.0.2.1\n192.0.2.1 192.0.2.1\n"


def test_the_document_has_every_field() -> None:
    document = (Path(__file__).parents[2] / "docs" / "access-log.md").read_text()
    for name in (*ONCE_A_SECOND, *TIMES, *FROM_HEAD, "header:NAME"):
        assert "`{" + name + "}`" in document


ANYTHING = st.binary(max_size=60)
WITHIN = ANYTHING.map(lambda value: re.sub(rb"[\r\n]", b"", value))


@pytest.mark.parametrize("form", [*NAMED, JSON, "{target} {header:x} {client}"])
@settings(max_examples=200, deadline=None, suppress_health_check=list(HealthCheck))
@given(target=WITHIN, referer=WITHIN, agent=WITHIN, before=st.sampled_from([b"", b"\x00"]))
def test_a_request_is_one_printable_line_whatever_it_says(
    form: str, tmp_path: Path, target: bytes, referer: bytes, agent: bytes, before: bytes
) -> None:
    head = b"%bGET /%b HTTP/1.1\r\nHost: h\r\nReferer: %b\r\nUser-Agent: %b\r\n\r\n"
    text, sent = logged(form, [head % (before, target, referer, agent)], tmp_path)
    assert len(statuses(sent)) == text.count("\n") == 1
    assert re.fullmatch(r"[\x20-\x7e]*\n", text)
    if form == "json":
        line = json.loads(text)
        assert line["status"] == statuses(sent)[0]
    elif form == "combined":
        assert len(text.split('"')) == 7


@pytest.mark.parametrize("form", ["{status} {bytes} {end}", "{status} {bytes} {end} {send_ms}"])
def test_exchanges_of_one_head_have_lines_of_their_own(form: str, tmp_path: Path) -> None:
    """A line that is kept for the next exchange like it is taken for no other one."""
    file = tmp_path / "log"
    log = SharedLog(str(file), form, TrustedProxies(), "").opened()
    assert log is not None
    lines = log.log_of(FakeConnection([]))
    head = GET + b"\r\n"
    request = examined(head)
    said = []
    for status, size, complete in [*product((200, 404), (2, 3), (True, False))] * 2:
        asked = LoggedRequest(request, head, 0.0, 0.0, 0.0)
        lines.record(asked, status, size, complete=complete)
        said += [f"{status} {size} {'complete' if complete else 'aborted'}"]
        lines.log_whole(request, head, b"HTTP/1.1 200 OK\r\n\r\n12", 0.0, 0.0)
        said += ["200 2 complete"]
    log.close()
    assert [" ".join(line.split()[:3]) for line in file.read_text().splitlines()] == said


@pytest.mark.parametrize("form", ["{host} {status}", "{request}"])
def test_long_targets_are_not_kept_whether_they_are_shown_or_not(form: str) -> None:
    heads = Heads(compiled(form))
    tracemalloc.start()
    try:
        for number in range(400):
            head = f"GET /{number}{'x' * 20_000} HTTP/1.1\r\nHost: h\r\n\r\n".encode()
            heads.learnt(head, examined(head), None)
        held, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert held < 1_048_576


def test_what_is_kept_of_heads_is_bounded_in_bytes_with_the_answers_to_them() -> None:
    """Each client asks something else, and gets an answer of its own, which stays with its line."""
    log = SharedLog("/dev/null", "combined", TrustedProxies(), "").opened()
    assert log is not None
    lines = log.log_of(FakeConnection([]))
    answer = b"HTTP/1.1 200 OK\r\n\r\n" + b"x" * 4000
    tracemalloc.start()
    try:
        for number in range(2500):
            head = b"GET /%04d%s HTTP/1.1\r\nHost: h\r\n\r\n" % (number, b"y" * 180)
            lines.log_whole(examined(head), head, answer + b"%d" % number, 0.0, 0.0)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
        log.close()
    assert peak < 10_485_760  # 13 MB without a bound
