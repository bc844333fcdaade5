"""A load of websockets, for servers that echo: `websocket_load.py -c CONNECTIONS -d SECONDS URL`.

wrk does not speak RFC 6455.  Each connection sends its next message when the last one is
back; the frames are made once, so that the load costs little beside a server.  It takes
wrk's options and prints what wrk does, so that `fivefold.load.wrk` runs and reads both.
"""

from __future__ import annotations

import argparse
import select
import socket
import sys
import time
from dataclasses import dataclass
from urllib.parse import urlsplit

from fivefold.load.wrk import QUANTILES

MESSAGE = b"hello, websocket"
MASK = b"mask"
MASKED = bytes(byte ^ MASK[n % 4] for n, byte in enumerate(MESSAGE))
SENT = bytes([0x81, 0x80 | len(MESSAGE)]) + MASK + MASKED
ECHOED = bytes([0x81, len(MESSAGE)]) + MESSAGE

HANDSHAKE = (
    "GET / HTTP/1.1\r\nHost: {host}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
    "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
)


def connected(host: str, port: int) -> socket.socket:
    sock = socket.create_connection((host, port), 10)
    sock.sendall(HANDSHAKE.format(host=f"{host}:{port}").encode())
    head = b""
    while not head.endswith(b"\r\n\r\n"):
        data = sock.recv(1)
        if not data:
            raise ConnectionError("closed in the handshake")
        head += data
    if not head.startswith(b"HTTP/1.1 101"):
        raise ConnectionError(f"no websocket: {head[:40]!r}")
    sock.setblocking(False)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return sock


@dataclass
class Peer:
    """One connection: what has come of the frame that it waits for."""

    sock: socket.socket
    began: float = 0.0
    came: bytes = b""

    def say(self) -> None:
        self.began, self.came = time.monotonic(), b""
        self.sock.send(SENT)

    def hear(self) -> float | None:
        """The time of an echo that is whole. Raises `ConnectionError` for anything else."""
        self.came += self.sock.recv(4096)
        if self.came == ECHOED:
            return time.monotonic() - self.began
        if not self.came or not ECHOED.startswith(self.came):
            raise ConnectionError(f"no echo: {self.came[:40]!r}")
        return None


def talk(sockets: list[socket.socket], seconds: float) -> tuple[list[float], int]:
    """The time of each echo, and how many connections failed."""
    times, errors = [], 0
    peers = {sock.fileno(): Peer(sock) for sock in sockets}
    with select.epoll() as poll:
        for fd, peer in peers.items():
            poll.register(fd, select.EPOLLIN)
            peer.say()
        end = time.monotonic() + seconds
        while time.monotonic() < end and errors < len(peers):
            for fd, _ in poll.poll(0.1):
                try:
                    elapsed = peers[fd].hear()
                except ConnectionError:
                    errors += 1
                    poll.unregister(fd)
                    continue
                if elapsed is not None:
                    times.append(elapsed)
                    peers[fd].say()
    return times, errors


def printed(times: list[float], errors: int, elapsed: float) -> str:
    """As wrk prints it with compare's script: microseconds."""
    times.sort()
    counts = (len(times), elapsed * 1e6, 0, 0, errors, 0, 0, times[-1] * 1e6)
    shares = [(share, times[min(int(len(times) * share), len(times) - 1)]) for share in QUANTILES]
    lines = [("quantile", share, seconds * 1e6) for share, seconds in shares]
    return "\n".join(" ".join(map(str, words)) for words in (("counts", *counts), *lines))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("-c", type=int, dest="connections")
    parser.add_argument("-d", type=lambda text: float(text.removesuffix("s")), dest="seconds")
    parser.add_argument("-t", "-s", help="of wrk alone")
    parser.add_argument("url", type=urlsplit)
    asked = parser.parse_args()
    sockets = [
        connected(asked.url.hostname or "", asked.url.port or 0) for _ in range(asked.connections)
    ]
    begun = time.monotonic()
    times, errors = talk(sockets, asked.seconds)
    elapsed = time.monotonic() - begun
    for sock in sockets:
        sock.close()
    if not times:
        sys.exit("not one echo came back")
    print(printed(times, errors, elapsed))


if __name__ == "__main__":
    main()
