"""A server that answers as a test tells it to, byte by byte, in a thread."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Callable, Iterator

Answer = Callable[[socket.socket, int], bool]
"""Answers the nth request of a connection; false ends the connection."""


@contextlib.contextmanager
def scripted(answer: Answer) -> Iterator[tuple[str, int]]:
    """The address; each connection is a thread's."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        threads: list[threading.Thread] = []
        socks: list[socket.socket] = []
        main = threading.Thread(target=accepting, args=(listener, answer, threads, socks))
        main.start()
        try:
            yield listener.getsockname()
        finally:
            listener.shutdown(socket.SHUT_RDWR)
            main.join()
            for sock in socks:
                with contextlib.suppress(OSError):
                    sock.shutdown(socket.SHUT_RDWR)
            for thread in threads:
                thread.join()


def accepting(
    listener: socket.socket,
    answer: Answer,
    threads: list[threading.Thread],
    socks: list[socket.socket],
) -> None:
    while True:
        try:
            sock, _ = listener.accept()
        except OSError:
            return
        socks.append(sock)
        threads.append(threading.Thread(target=conversing, args=(sock, answer)))
        threads[-1].start()


def conversing(sock: socket.socket, answer: Answer) -> None:
    number = 0
    with sock, contextlib.suppress(OSError):
        while request(sock):
            if not answer(sock, number):
                return
            number += 1


def request(sock: socket.socket) -> bytes:
    """One head, which has no body; empty at the end of the connection."""
    head = b""
    while not head.endswith(b"\r\n\r\n"):
        data = sock.recv(1)
        if not data:
            return b""
        head += data
    return head


def response(body: bytes, status: str = "200 OK", fields: str = "") -> bytes:
    head = f"HTTP/1.1 {status}\r\nContent-Length: {len(body)}\r\n{fields}\r\n"
    return head.encode() + body
