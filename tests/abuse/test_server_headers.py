"""Requests that are none: endless headers, long addresses, garbage. Their sender is closed, others notice nothing."""

import contextlib
import json
import select
import socket
import ssl
import threading
import time
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from certificates import Pair

from orbit.testing import RunningServer, serve

SCHEMES = ("http", "https")


@pytest.fixture(scope="module", params=SCHEMES)
def target(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator["Target"]:
    folder = tmp_path_factory.mktemp(request.param)
    pair = Pair(folder)
    https = {"enabled": True, "cert_file": str(pair.chain), "key_file": str(pair.key), "redirect_http": False}
    config = {"script": {"words": 3}, "timeouts": {"receive": 3}, "general": {"https": https}}
    with serve(config, folder) as server:
        yield Target(server, request.param)


class Target:
    """A server, reached in plain HTTP or over TLS."""

    def __init__(self, server: RunningServer, scheme: str) -> None:
        self.key = server.key
        self.url = httpx.URL(server.url if scheme == "http" else server.https_url)
        self._context = ssl.create_default_context()
        self._context.check_hostname = False
        self._context.verify_mode = ssl.CERT_NONE

    def connect(self) -> socket.socket:
        connection = socket.create_connection(("127.0.0.1", self.url.port or 0), timeout=30)
        return self._context.wrap_socket(connection) if self.url.scheme == "https" else connection

    def is_well(self) -> bool:
        with self.connect() as connection:
            connection.sendall(b"GET /health/live HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
            return received(connection).startswith(b"HTTP/1.1 200")

    def head(self, *headers: str, method: str = "POST", path: str = "/chat") -> bytes:
        lines = (f"{method} {path} HTTP/1.1", "Host: x", f"X-API-Key: {self.key}", *headers, "", "")
        return "\r\n".join(lines).encode()


def received(connection: socket.socket) -> bytes:
    whole = b""
    with contextlib.suppress(ConnectionError, ssl.SSLError):
        while piece := connection.recv(65536):
            whole += piece
    return whole


def endless(connection: socket.socket, begin: bytes, piece: bytes, total: int = 100_000_000) -> bytes:
    """Send until the server closes or ``total`` bytes are through; what it answered meanwhile."""
    connection.settimeout(0)
    answer, sent, waiting = b"", 0, begin
    end = time.monotonic() + 60
    with contextlib.suppress(ConnectionError, ssl.SSLEOFError, ssl.SSLZeroReturnError):
        while time.monotonic() < end:
            select.select([connection], [connection] if sent < total else [], [], 1)
            with contextlib.suppress(BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError):
                if not (read := connection.recv(65536)):
                    return answer
                answer += read
            if sent < total:
                with contextlib.suppress(BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError):
                    done = connection.send(waiting)
                    sent, waiting = sent + done, waiting[done:] or piece
    assert time.monotonic() < end
    return answer


def problem(answer: bytes) -> dict[str, Any]:
    head, _, body = answer.partition(b"\r\n\r\n")
    assert b"content-type: application/problem+json" in head
    assert b"connection: close" in head
    assert b"x-content-type-options: nosniff" in head
    parsed: dict[str, Any] = json.loads(body)
    assert f"HTTP/1.1 {parsed['status']} ".encode() == head[:13]
    return parsed


ENDLESS = {
    "one header": (b"GET / HTTP/1.1\r\nHost: x\r\nX-Big: ", b"a" * 65536, 431),
    "one header name": (b"GET / HTTP/1.1\r\nHost: x\r\n", b"a" * 65536, 431),
    "many headers": (b"GET / HTTP/1.1\r\nHost: x\r\n", b"X-Some: value\r\n" * 4096, 431),
    "many empty headers": (b"GET / HTTP/1.1\r\nHost: x\r\n", b"a:\r\n" * 16384, 431),
    "folded header": (b"GET / HTTP/1.1\r\nHost: x\r\nX-Big: a\r\n", b" folded\r\n" * 8192, 400),
    "address": (b"GET /", b"a" * 65536, 414),
    "query": (b"GET /health?", b"a=b&" * 16384, 414),
    "method": (b"", b"G" * 65536, 400),
    "blank lines": (b"", b"\r\n" * 32768, 431),
    "spaces": (b"GET ", b" " * 65536, 431),
    "zeros": (b"", b"\0" * 65536, 400),
    "tls in plain": (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", b"\0" * 65536, 400),
}


@pytest.mark.parametrize("name", list(ENDLESS))
def test_a_hundred_megabytes_before_the_body_are_refused_at_once(target: Target, name: str) -> None:
    begin, piece, status = ENDLESS[name]
    with target.connect() as connection:
        answer = endless(connection, begin, piece)
    assert problem(answer)["status"] in (status, 400)
    if name in ("one header", "address", "query", "many headers"):
        assert problem(answer)["status"] == status
    assert target.is_well()


def test_others_are_answered_while_somebody_sends_one_endless_header(target: Target) -> None:
    sending = [threading.Thread(target=_send_endlessly, args=(target,)) for _ in range(4)]
    for thread in sending:
        thread.start()
    answers = [target.is_well() for _ in range(20)]
    for thread in sending:
        thread.join(60)
    assert all(answers)


def _send_endlessly(target: Target) -> None:
    with target.connect() as connection:
        endless(connection, b"GET / HTTP/1.1\r\nX-Big: ", b"a" * 65536, 20_000_000)


@pytest.mark.parametrize(
    ("headers", "path", "status"),
    [
        (["X-Big: " + "a" * 32_000], "/health/live", 200),
        (["X-Big: " + "a" * 33_000], "/health/live", 431),
        ([f"X-{number}: {'a' * 100}" for number in range(250)], "/health/live", 200),
        ([f"X-{number}: {'a' * 100}" for number in range(400)], "/health/live", 431),
        ([], "/health/live?" + "a" * 8000, 200),
        ([], "/health/live?" + "a" * 8300, 414),
        ([], "/" + "a" * 8000, 404),
    ],
)
def test_the_limits(target: Target, headers: list[str], path: str, status: int) -> None:
    for pieces in (1, 7):
        request = target.head(*headers, "Connection: close", method="GET", path=path)
        with target.connect() as connection:
            step = len(request) // pieces + 1
            for start in range(0, len(request), step):
                with contextlib.suppress(OSError):  # it may have been refused already
                    connection.sendall(request[start : start + step])
                    time.sleep(0.01)
            answer = received(connection)
        assert answer.startswith(f"HTTP/1.1 {status} ".encode()), answer[:300]


def test_trailers_are_limited_and_are_no_headers(target: Target) -> None:
    body = json.dumps({"message": "hello", "stream": False}).encode()
    chunk = b"%x\r\n%b\r\n0\r\n" % (len(body), body)
    with target.connect() as connection:
        connection.sendall(
            target.head("Transfer-Encoding: chunked", "Connection: close") + chunk + b"X-More: 1\r\n\r\n"
        )
        assert received(connection).startswith(b"HTTP/1.1 200")
    anonymous = target.head("Transfer-Encoding: chunked", "Connection: close").replace(target.key.encode(), b"api_none")
    with target.connect() as connection:
        connection.sendall(anonymous + chunk + f"X-API-Key: {target.key}\r\n\r\n".encode())
        assert received(connection).startswith(b"HTTP/1.1 401")
    with target.connect() as connection:
        connection.sendall(
            target.head("Transfer-Encoding: chunked") + chunk + b"X-More: " + b"a" * 33_000 + b"\r\n\r\n"
        )
        assert received(connection).startswith(b"HTTP/1.1 431")
    with target.connect() as connection:
        answer = endless(connection, anonymous + chunk + b"X-More: ", b"a" * 65536)
    assert answer.startswith((b"HTTP/1.1 401", b"HTTP/1.1 431"))
    assert target.is_well()


def test_endless_chunk_extensions_end(target: Target) -> None:
    with target.connect() as connection:
        answer = endless(connection, target.head("Transfer-Encoding: chunked") + b"5;", b"a" * 65536)
    assert not answer.startswith(b"HTTP/1.1 200")
    assert target.is_well()


@pytest.mark.parametrize(
    "garbage",
    [
        b"\r\n\r\nhello\r\n\r\n",
        b"GET\r\n\r\n",
        b"GET / HTTP/9.9\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost x\r\n\r\n",
        b"GET / HTTP/1.1\r\nContent-Length: -1\r\n\r\n",
        b"GET / HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
        b"POST / HTTP/1.1\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n",
        b"CONNECT example.org:443 HTTP/1.1\r\n\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"\xff\xfe\xfd",
    ],
)
def test_garbage_is_a_client_error(target: Target, garbage: bytes) -> None:
    with target.connect() as connection:
        connection.sendall(garbage)
        answer = received(connection)
    assert answer.startswith((b"HTTP/1.1 400", b"HTTP/1.1 404", b"HTTP/1.1 405", b"HTTP/1.1 408")), answer[:200]
    assert target.is_well()


def test_a_slow_header_is_ended_by_the_time_to_receive(target: Target) -> None:
    with target.connect() as connection:
        ended = threading.Event()

        def trickle() -> None:
            with contextlib.suppress(OSError):
                connection.sendall(b"GET / HTTP/1.1\r\nX-Slow: ")
                while not ended.wait(0.2):
                    connection.sendall(b"a")

        sender = threading.Thread(target=trickle)
        sender.start()
        try:
            answer = received(connection)
        finally:
            ended.set()
            sender.join()
    assert answer.startswith(b"HTTP/1.1 408")


def test_a_body_that_is_shorter_than_announced_and_one_that_is_longer(target: Target) -> None:
    body = json.dumps({"message": "hello", "stream": False}).encode()
    with target.connect() as connection:
        connection.sendall(target.head(f"Content-Length: {len(body) + 10}") + body)
        answer = received(connection)
    assert answer.startswith(b"HTTP/1.1 408")
    assert b"timeouts" not in answer
    with target.connect() as connection:
        connection.sendall(target.head(f"Content-Length: {len(body)}") + body + b"and more that is no request\r\n\r\n")
        answer = received(connection)
    assert answer.startswith(b"HTTP/1.1 200")
    assert answer.count(b"HTTP/1.1 ") == 1
    assert target.is_well()


@pytest.mark.parametrize(
    "garbage", [b"garbage\r\n\r\n", b"\xff\xfe", b"GET / HTTP/1.1\r\nHost x\r\n\r\n", b"GET /" + b"a" * 9000]
)
@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("before", [1, 3])
def test_whole_requests_before_garbage_are_answered(target: Target, garbage: bytes, before: int, stream: bool) -> None:
    body = json.dumps({"message": "hello", "stream": stream}).encode()
    with target.connect() as connection:
        connection.sendall((target.head(f"Content-Length: {len(body)}") + body) * before + garbage)
        answer = received(connection)
    assert answer.count(b"HTTP/1.1 200") == answer.count(b"HTTP/1.1 ") == before
    assert answer.count(b'"finish_reason":"stop"') == before
    assert target.is_well()


def test_pipelined_requests_are_answered_in_order(target: Target) -> None:
    live = target.head(method="GET", path="/health/live")
    with target.connect() as connection:
        connection.sendall(live * 49 + target.head("Connection: close", method="GET", path="/nowhere"))
        answer = received(connection)
    assert answer.count(b"HTTP/1.1 200") == 49
    assert answer.rindex(b"HTTP/1.1 404") > answer.rindex(b"HTTP/1.1 200")


def test_a_refused_second_request_does_not_mix_with_the_first_answer(target: Target) -> None:
    body = json.dumps({"message": "hello"}).encode()
    with target.connect() as connection:
        connection.sendall(target.head(f"Content-Length: {len(body)}") + body + b"GET /" + b"a" * 20_000)
        answer = received(connection)
    assert answer.startswith(b"HTTP/1.1 200")
    assert answer.count(b"HTTP/1.1 ") == 1
    assert target.is_well()


def test_a_head_that_begins_behind_another_request_is_measured_whole(target: Target) -> None:
    first = target.head(method="GET", path="/health/live")
    second = target.head("X-Big: " + "a" * 33_000, "Connection: close", method="GET", path="/health/live")
    with target.connect() as connection:
        connection.sendall(first + second[:30_000])
        while b"HTTP/1.1 200" not in (answer := connection.recv(65536)):
            assert answer
        connection.sendall(second[30_000:])
        assert received(connection).startswith(b"HTTP/1.1 431")


@pytest.mark.parametrize("pieces", [1, 2])
@pytest.mark.parametrize("chunked", [False, True])
def test_a_request_for_another_protocol_is_answered_in_http_1(target: Target, chunked: bool, pieces: int) -> None:
    """Java's client asks for HTTP/2 with each first request, and sends the body all the same."""
    body = json.dumps({"message": "hello", "stream": False}).encode()
    upgrade = ("Connection: Upgrade, HTTP2-Settings", "Upgrade: h2c", "HTTP2-Settings: AAMAAABkAAQCAAAAAAIAAAAA")
    framing = "Transfer-Encoding: chunked" if chunked else f"Content-Length: {len(body)}"
    sent = b"%x\r\n%b\r\n0\r\n\r\n" % (len(body), body) if chunked else body
    with target.connect() as connection:
        if pieces == 1:
            connection.sendall(target.head(framing, *upgrade) + sent)
        else:
            connection.sendall(target.head(framing, *upgrade))
            time.sleep(0.1)
            connection.sendall(sent)
        answer = received(connection)
    assert answer.startswith(b"HTTP/1.1 200"), answer
    assert b"connection: close" in answer
    assert b'"response"' in answer
    with target.connect() as connection:
        connection.sendall(target.head(*upgrade, method="GET", path="/health/live"))
        assert received(connection).startswith(b"HTTP/1.1 200")


def test_a_connection_that_never_says_hello_is_closed(target: Target) -> None:
    """In plain HTTP before the request, over TLS before the handshake."""
    with socket.create_connection(("127.0.0.1", target.url.port or 0), timeout=30) as connection:
        connection.sendall(b"\x16\x03\x01" if target.url.scheme == "https" else b"G")
        received(connection)
    assert target.is_well()


def test_many_idle_connections_cost_little_and_end(target: Target) -> None:
    connections = [target.connect() for _ in range(200)]
    try:
        assert target.is_well()
        assert all(received(connection) == b"" for connection in connections), "closed after the time to receive"
    finally:
        for connection in connections:
            connection.close()
