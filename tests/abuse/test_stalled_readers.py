"""A client that does not read what it asked for holds neither its place nor its connection."""

import asyncio
import json
import socket
import time
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

import orbit
from orbit.chat.outcome import Answered, Event
from orbit.chat.ticker import Ticker
from orbit.testing import serve
from orbit.web.wires.orbit.chat_wire import OrbitWire
from orbit.web.wires.sending import send_stream

ENDLESS: dict[str, Any] = {"script": {"words": -1}, "limits": {"max_concurrent": 2, "max_answer_chars": 1_000_000_000}}


def connect(server: Any, *, stream: bool, room: int = 4096) -> socket.socket:
    """Ask with a connection that has little room for what is not read."""
    host, port = server.url.removeprefix("http://").split(":")
    body = json.dumps({"message": "hello", "stream": stream}).encode()
    head = f"POST /chat HTTP/1.1\r\nHost: {host}\r\nX-API-Key: {server.key}\r\nContent-Length: {len(body)}\r\n\r\n"
    connection = socket.socket()
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, room)
    connection.settimeout(30)
    connection.connect((host, int(port)))
    connection.sendall(head.encode() + body)
    return connection


def eventually(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + 30.0
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.02)


def closed(connection: socket.socket) -> bool:
    """Read what is left; True if the server has cut the connection before the answer's end."""
    received = b""
    try:
        while piece := connection.recv(1_000_000):
            received = (received + piece)[-100:]
    except ConnectionResetError:
        return True
    return not received.endswith(b"0\r\n\r\n")


def test_stalled_readers_lose_their_places_and_others_are_served(tmp_path: Path) -> None:
    with serve({**ENDLESS, "diary": {}, "timeouts": {"send": 1.0, "ping": 0.1}}, tmp_path) as server:
        admission, script = server.services.pipeline.admission, server.provider("script")
        stalled = [connect(server, stream=True) for _ in range(2)]
        eventually(lambda: admission.running == 2)
        with httpx.stream(
            "POST", f"{server.url}/chat", json={"message": "hello"}, headers={"X-API-Key": server.key}, timeout=30
        ) as other:  # it waits for a place of theirs
            assert other.status_code == 200
            assert any("word0" in text for text in other.iter_text())
        eventually(lambda: admission.running == 0)
        assert (script.running, script.closed) == (0, 3)
        assert all(closed(connection) for connection in stalled)
        for connection in stalled:
            connection.close()
        diary = server.provider("diary")
    assert [record.status for record in diary.records] == ["cancelled"] * 3


def test_a_slow_reader_keeps_its_connection(tmp_path: Path) -> None:
    with serve({**ENDLESS, "timeouts": {"send": 3.0}}, tmp_path) as server:
        connection = connect(server, stream=True, room=65_536)
        for _ in range(60):  # twice as long as a reader may stall
            time.sleep(0.1)
            assert connection.recv(20_000)
        assert server.services.pipeline.admission.running == 1
        connection.close()


class Lump(orbit.Provider):
    """Gives a large answer at once."""

    @orbit.hookimpl
    async def generate(self) -> AsyncIterator[orbit.Chunk]:
        yield orbit.Chunk("x" * 20_000_000, finish_reason="stop")


@pytest.mark.parametrize("stream", [True, False])
def test_an_answer_in_one_piece_that_is_not_read_holds_no_place(tmp_path: Path, *, stream: bool) -> None:
    config = {"lump": {}, "limits": {"max_answer_chars": 30_000_000}, "timeouts": {"send": 1.0}}
    with serve(config, tmp_path, {"lump": Lump}) as server:
        connection = connect(server, stream=stream)
        eventually(lambda: sum(server.services.pipeline.metrics.turns.values()) == 1)
        assert server.services.pipeline.admission.running == 0
        time.sleep(2.5)  # the server looks once a second
        assert closed(connection)
        connection.close()


async def test_pings_do_not_pile_up_behind_a_reader_that_stalls() -> None:
    sending: list[bytes] = []
    free = asyncio.Event()

    async def send(message: Any) -> None:
        if message["type"] == "http.response.body":
            sending.append(message["body"])
            if message["body"].startswith(b": ping"):
                await free.wait()

    async def receive() -> Any:
        await asyncio.sleep(60)

    async def events() -> AsyncGenerator[Event, None]:
        yield "first"
        await asyncio.sleep(0.6)
        yield "second"
        yield Answered()

    before = len(asyncio.all_tasks())
    wire, ticker = OrbitWire("r", "delta", None), Ticker()
    answering = asyncio.create_task(send_stream(events(), wire, receive, send, send, ticker, 0.05))
    await asyncio.sleep(1.0)
    assert len(sending) == 2  # the first piece and one ping
    assert len(asyncio.all_tasks()) <= before + 3  # the answer, the ping, the watch for the client
    free.set()
    sent = await answering
    assert sent.arrived
    assert sent.error is None
    pieces = [frame for frame in sending if not frame.startswith(b": ping")]
    assert [b"first" in pieces[0], b"second" in pieces[1], b'"done":true' in pieces[2]] == [True] * 3
    assert len(asyncio.all_tasks()) <= before + 1
