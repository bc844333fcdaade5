"""Whose a packet is: events written out as a network card and loopback would give them."""

from __future__ import annotations

from typing import Any

from fivefold.tracing.kernel.packets import Ports, packets_of
from fivefold.tracing.model import Observation

SERVER, CLIENT = 80, 5000
US = 7


class Record:
    """A recording under construction."""

    def __init__(self) -> None:
        self.events: list[Observation] = []

    def add(self, event: str, context: str = "softirq", tid: int = 0, **fields: Any) -> Observation:
        detail = {"tid": tid, "cpu": 0, "context": context, "fields": fields}
        self.events.append(Observation(len(self.events), "tracefs", event, detail))
        return self.events[-1]

    def probe(self, skb: str, *ports: int) -> Observation:
        return self.add("tcp:tcp_probe", skbaddr=skb, sport=ports[0], dport=ports[1])

    def ours(self, client_port: int | None = CLIENT) -> list[Observation]:
        return packets_of(Ports(SERVER, client_port), self.events, {US})


def receive(record: Record, skb: str) -> list[Observation]:
    return [
        record.add("net:napi_gro_receive_entry", skbaddr=skb),
        record.add("net:netif_receive_skb", skbaddr=skb),
    ]


def send(record: Record, skb: str, context: str, tid: int = 0) -> list[Observation]:
    return [
        record.add(f"net:{event}", context, tid, skbaddr=skb)
        for event in ("net_dev_queue", "net_dev_start_xmit", "net_dev_xmit")
    ]


def test_a_request_from_outside_and_its_ack() -> None:
    record = Record()
    expected = [
        *receive(record, "a"),
        record.probe("a", SERVER, CLIENT),
        record.add("sock:sk_data_ready", protocol=6),
        *send(record, "b", "softirq"),
        record.add("napi:napi_poll"),
    ]
    assert record.ours() == expected
    assert record.ours(client_port=None) == expected
    assert record.ours(client_port=CLIENT + 1) == []


def test_the_address_of_a_packet_is_used_again() -> None:
    record = Record()
    ours = [*receive(record, "a"), record.probe("a", SERVER, CLIENT)]
    receive(record, "a")
    record.probe("a", 443, 6000)
    record.add("sock:sk_data_ready", protocol=6)
    send(record, "a", "task", tid=99)
    receive(record, "a")
    assert record.ours() == ours


def test_a_response_to_outside_is_known_by_its_thread() -> None:
    record = Record()
    ours = send(record, "a", "task", tid=US)
    send(record, "b", "task", tid=US + 1)
    receive(record, "a")  # from the card: another packet at the same address
    assert record.ours() == ours


def test_after_a_poll_nothing_answers_the_packets_before() -> None:
    record = Record()
    receive(record, "a")
    record.probe("a", SERVER, CLIENT)
    record.add("napi:napi_poll")
    later = [*send(record, "b", "softirq"), record.add("sock:sk_data_ready", protocol=6)]
    assert not set(map(id, later)) & set(map(id, record.ours()))


def test_the_end_of_a_handshake() -> None:
    record = Record()
    expected = [
        *receive(record, "a"),
        record.add("sock:inet_sock_set_state", sport=SERVER, dport=CLIENT),
        record.add("sock:sk_data_ready", protocol=6),
    ]
    assert record.ours() == expected


def test_over_loopback_our_own_other_connections_are_distinguished() -> None:
    record = Record()
    record.add("net:net_dev_queue", "task", US, skbaddr="a")
    record.add("net:netif_rx", "task", US, skbaddr="a")
    record.add("net:net_dev_xmit", "task", US, skbaddr="a")
    record.add("net:netif_receive_skb", skbaddr="a")
    record.probe("a", 5432, 7000)
    assert record.ours() == []


def test_a_unix_socket_has_no_packets() -> None:
    record = Record()
    expected = [*receive(record, "a"), record.probe("a", SERVER, CLIENT)]
    record.add("sock:sk_data_ready", "task", protocol=0)
    assert record.ours() == expected
