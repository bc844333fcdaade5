"""Which packets belong to a connection.

Facts.
    The events of a network device name a packet (skbaddr) but no port; `tcp:tcp_probe`
    names both, at the moment when TCP gets the packet.  An skbaddr is used again as soon as
    the packet is freed.  A packet that is sent over loopback is received as the same skb, and
    `netif_rx` then comes between `net_dev_start_xmit` and `net_dev_xmit`.  What TCP sends
    in answer (a SYN-ACK, an ACK) it sends while it works on the packet that asked for it.

Choice.
    Events are put together to packets.  A packet that TCP got is ours if its ports are; one
    that never came to TCP on this machine is ours if it was sent by a thread of ours, or in
    answer to a packet of ours.

Cost.
    A SYN from outside cannot be attributed (no event of it names a port).  A packet to
    outside that a server thread sends for *another* connection counts as ours.
"""

from __future__ import annotations

import socket
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import Any

from ..model import Observation

TOWARDS = "towards"
"""The end of the connection to which a packet goes, in the detail of its observations."""

SERVER, CLIENT = "server", "client"


@dataclass(frozen=True)
class Ports:
    """A TCP connection on this machine, by its ports."""

    server_port: int
    client_port: int | None = None
    """None: every connection to the server's port."""

    def owns(self, fields: dict[str, Any]) -> bool:
        ports = fields.get("sport"), fields.get("dport")
        return self.server_port in ports and (self.client_port is None or self.client_port in ports)


@dataclass
class _Packet:
    ours: bool | None = None
    """What its ports say; None as long as nothing named them."""
    towards: str | None = None
    """SERVER or CLIENT, likewise."""
    sent_by_us: bool = False
    answers: _Packet | None = None
    looped: bool = False
    """Handed to a receiver on this machine."""
    received: bool = False

    def is_ours(self) -> bool:
        if self.ours is not None:
            return self.ours
        return self.sent_by_us or (self.answers is not None and self.answers.is_ours())


def packets_of(
    connection: Ports, observations: Iterable[Observation], tids: Collection[int]
) -> list[Observation]:
    """The events of the network that belong to the connection, out of all of them; those of which
    it is known say which end the packet goes to."""
    sorting = _Sorting(connection, tids)
    # Whose a packet is may turn out after its first events: first put together, then choose.
    seen = [(one, sorting.packet(one)) for one in observations]
    ours = [(one, packet) for one, packet in seen if packet is not None and packet.is_ours()]
    for one, packet in ours:
        if packet.towards is not None:
            one.detail[TOWARDS] = packet.towards
    return [one for one, _ in ours]


class _Sorting:
    """Puts events together to packets, in the order in which they happened."""

    def __init__(self, connection: Ports, tids: Collection[int]) -> None:
        self._connection = connection
        self._tids = tids
        self._flying: dict[str, _Packet] = {}
        self._current: dict[int, _Packet] = {}
        """The packet that a processor works on."""
        self._steps = {
            "net:net_dev_queue": self._queued,
            "net:net_dev_start_xmit": self._known,
            "net:net_dev_xmit": self._sent,
            "net:netif_rx": self._arrived,
            "net:napi_gro_receive_entry": self._arrived,
            "net:netif_receive_skb": self._received,
            "tcp:tcp_probe": self._probed,
            "sock:sk_data_ready": self._of_current,
            "napi:napi_poll": self._polled,
        }

    def packet(self, seen: Observation) -> _Packet | None:
        """The packet that an event belongs to."""
        step = self._steps.get(seen.event, self._by_ports)
        return step(seen, str(seen.detail["fields"].get("skbaddr")))

    def _queued(self, seen: Observation, skb: str) -> _Packet:
        packet = self._flying[skb] = _Packet()
        if seen.detail["context"] == "task":
            packet.sent_by_us = seen.detail["tid"] in self._tids
        else:
            packet.answers = self._current.get(seen.detail["cpu"])
        return packet

    def _known(self, seen: Observation, skb: str) -> _Packet | None:
        return self._flying.get(skb)

    def _sent(self, seen: Observation, skb: str) -> _Packet | None:
        packet = self._flying.get(skb)
        if packet is not None and not packet.looped:
            del self._flying[skb]
        return packet

    def _arrived(self, seen: Observation, skb: str) -> _Packet:
        packet = self._flying.get(skb)
        if packet is None or packet.looped:
            packet = self._flying[skb] = _Packet()
        packet.looped = True
        return packet

    def _received(self, seen: Observation, skb: str) -> _Packet:
        packet = self._flying.get(skb)
        if packet is None or packet.received or not packet.looped:
            packet = self._flying[skb] = _Packet(looped=True)
        packet.received = True
        self._current[seen.detail["cpu"]] = packet
        return packet

    def _probed(self, seen: Observation, skb: str) -> _Packet:
        packet = self._flying.setdefault(skb, _Packet(looped=True, received=True))
        fields = seen.detail["fields"]
        packet.ours = self._connection.owns(fields)
        # tcp_probe names the ends as the receiving socket does.
        packet.towards = SERVER if fields.get("sport") == self._connection.server_port else CLIENT
        self._current[seen.detail["cpu"]] = packet
        return packet

    def _of_current(self, seen: Observation, skb: str) -> _Packet | None:
        if seen.detail["fields"].get("protocol") != socket.IPPROTO_TCP:
            return None  # a Unix socket has no packets
        return self._current.get(seen.detail["cpu"])

    def _polled(self, seen: Observation, skb: str) -> _Packet | None:
        return self._current.pop(seen.detail["cpu"], None)

    def _by_ports(self, seen: Observation, skb: str) -> _Packet | None:
        if not self._connection.owns(seen.detail["fields"]):
            return None
        current = self._current.get(seen.detail["cpu"])
        if current is not None and current.ours is None and seen.detail["context"] == "softirq":
            current.ours = True  # the last packet of the handshake, which TCP does not probe
        return _Packet(ours=True)
