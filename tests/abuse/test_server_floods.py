"""Floods of connections and slow bodies: memory and descriptors stay bounded, and the server is well afterwards."""

import contextlib
import re
import socket
import time
from pathlib import Path

import httpx
import pytest
from serve_kit import Served, eventually, served

pytestmark = pytest.mark.processes

BOTH = pytest.mark.parametrize("workers", ["1", "2"])
MEGABYTE = 1_000_000


def connect(server: Served) -> socket.socket:
    return socket.create_connection(("127.0.0.1", httpx.URL(server.url).port or 0), timeout=30)


def memory(server: Served) -> int:
    """Bytes of the server's processes together."""
    total = 0
    for process in server.processes():
        status = Path(f"/proc/{process}/status").read_text()
        if found := re.search(r"VmRSS:\s+(\d+) kB", status):
            total += int(found[1]) * 1024
    return total


def descriptors(server: Served) -> int:
    return sum(len(list(Path(f"/proc/{process}/fd").iterdir())) for process in server.processes())


def ended(connection: socket.socket) -> bool:
    with contextlib.suppress(ConnectionError):
        while connection.recv(65536):
            pass
    return True


@BOTH
def test_connections_that_say_nothing_or_little_are_closed(tmp_path: Path, workers: str) -> None:
    with served(tmp_path, "echo: {}\ntimeouts: {receive: 2}\n", "--workers", workers) as server:
        before = descriptors(server)
        head = b"POST /chat HTTP/1.1\r\nHost: x\r\nContent-Length: 100000\r\n\r\n"
        beginnings = (b"", b"GET / HTT", b"GET / HTTP/1.1\r\nX: " + b"a" * 30_000, head, head + b"{" * 50_000)
        for _ in range(3):
            connections = []
            for number in range(300):
                connection = connect(server)
                connection.sendall(beginnings[number % len(beginnings)])
                connections.append(connection)
            assert server.readiness() == 200
            assert server.ask(stream=False).status_code == 200
            assert all(map(ended, connections))
            for connection in connections:
                connection.close()
        eventually(lambda: descriptors(server) <= before + 100)  # of 300: the second worker may have started later


@BOTH
def test_a_body_that_trickles_in_ends_after_the_time_to_receive(tmp_path: Path, workers: str) -> None:
    with (
        served(tmp_path, "echo: {}\ntimeouts: {receive: 2}\n", "--workers", workers) as server,
        connect(server) as slow,
    ):
        slow.settimeout(0.2)
        slow.sendall(f"POST /chat HTTP/1.1\r\nX-API-Key: {server.key}\r\nContent-Length: 1000\r\n\r\n".encode())
        received, end = b"", time.monotonic() + 30
        while not received and time.monotonic() < end:
            with contextlib.suppress(TimeoutError):
                received = slow.recv(65536)
            with contextlib.suppress(OSError):
                slow.sendall(b"{")
        assert received.startswith(b"HTTP/1.1 408")


@BOTH
def test_memory_is_bounded_while_many_send_endless_headers(tmp_path: Path, workers: str) -> None:
    with served(tmp_path, "echo: {}\n", "--workers", workers) as server:
        assert server.ask(stream=False).status_code == 200
        before = memory(server)
        piece = b"a" * 65536
        most = 0
        for _ in range(3):
            connections = [connect(server) for _ in range(50)]
            for connection in connections:
                connection.sendall(b"GET / HTTP/1.1\r\nX-Big: ")
            for _ in range(32):
                for connection in connections:
                    with contextlib.suppress(OSError):
                        connection.sendall(piece)
            most = max(most, memory(server))
            for connection in connections:
                connection.close()
        assert server.ask(stream=False).status_code == 200
        assert most - before < 100 * MEGABYTE


def test_more_connections_than_descriptors(tmp_path: Path) -> None:
    """Those beyond wait or are closed; when others leave, the server is as before."""
    with served(tmp_path, "echo: {}\ntimeouts: {receive: 3}\n", prefix=["prlimit", "--nofile=150"]) as server:
        connections = []
        for _ in range(400):
            with contextlib.suppress(OSError):
                connections.append(connect(server))
        time.sleep(1)
        for connection in connections:
            connection.close()
        eventually(lambda: _works(server))
        assert server.process.poll() is None


def _works(server: Served) -> bool:
    with contextlib.suppress(httpx.HTTPError):
        return server.ask(stream=False).status_code == 200
    return False
