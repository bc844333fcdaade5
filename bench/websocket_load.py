"""A load of websockets, for servers that echo: `websocket_load.py CONNECTIONS SECONDS URL`.

wrk does not speak RFC 6455.  Each connection sends its next message when the last one is
back; the frames are made once, so that the load costs little beside a server.  It prints
what wrk would, so that one parser reads both.
"""

from __future__ import annotations

import select
import socket
import sys
import time
from dataclasses import dataclass
from urllib.parse import urlsplit

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


def main() -> None:
    connections, seconds = int(sys.argv[1]), float(sys.argv[2])
    url = urlsplit(sys.argv[3])
    sockets = [connected(url.hostname or "", url.port or 0) for _ in range(connections)]
    begun = time.monotonic()
    times, errors = talk(sockets, seconds)
    elapsed = time.monotonic() - begun
    for sock in sockets:
        sock.close()
    if not times:
        sys.exit("not one echo came back")
    times.sort()
    for percent in (50, 99):
        print(f"     {percent}%  {times[len(times) * percent // 100] * 1e3:.3f}ms")
    print(f"  {len(times)} requests in {elapsed:.2f}s, 0MB read")
    if errors:
        print(f"  Non-2xx or 3xx responses: {errors}")
    print(f"Requests/sec: {len(times) / elapsed:.2f}")


if __name__ == "__main__":
    main()
