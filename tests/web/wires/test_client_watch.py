"""A client that goes away stops the work done for it, in every phase."""

import asyncio
import json
import socket
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from orbit.testing import serve


def connect(server: Any, *, stream: bool) -> socket.socket:
    """Send a question and leave the answer unread."""
    host, port = server.url.removeprefix("http://").split(":")
    body = json.dumps({"message": "hello", "stream": stream}).encode()
    head = f"POST /chat HTTP/1.1\r\nHost: {host}\r\nX-API-Key: {server.key}\r\nContent-Length: {len(body)}\r\n\r\n"
    connection = socket.create_connection((host, int(port)))
    connection.sendall(head.encode() + body)
    return connection


def within_a_second(condition: Callable[[], bool]) -> bool:
    end = time.monotonic() + 1.0
    while not condition():
        if time.monotonic() > end:
            return False
        time.sleep(0.01)
    return True


def eventually(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + 10.0
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.01)


PHASES: dict[str, dict[str, Any]] = {
    "before the first token": {"script": {"first_delay": 60}},
    "in the middle": {"script": {"words": -1, "delay": 0.01}},
    "in a long pause": {"script": {"words": 2, "delay": 60}},
}


@pytest.mark.parametrize("stream", [True, False])
@pytest.mark.parametrize("phase", PHASES)
def test_the_model_stops(tmp_path: Path, phase: str, *, stream: bool) -> None:
    with serve({**PHASES[phase], "diary": {}}, tmp_path) as server:
        script, diary = server.provider("script"), server.provider("diary")
        connection = connect(server, stream=stream)
        eventually(lambda: script.running == 1)
        if stream and phase != "before the first token":
            assert b"word0" in connection.recv(65536)
        connection.close()
        assert within_a_second(lambda: script.running == 0)
        assert script.closed == 1
        eventually(lambda: len(diary.records) == 1)
        assert diary.records[0].status == "cancelled"
        assert server.services.pipeline.admission.running == 0


@pytest.mark.parametrize("stream", [True, False])
def test_retrieval_stops(tmp_path: Path, *, stream: bool) -> None:
    with serve({"script": {}, "shelf": {"delay": 60}, "guard": {}}, tmp_path) as server:
        shelf = server.provider("shelf")
        connection = connect(server, stream=stream)
        eventually(lambda: shelf.running == 1)
        connection.close()
        assert within_a_second(lambda: shelf.running == 0)
        assert not server.provider("script").seen


def test_one_who_waits_in_the_queue_gives_up_its_place(tmp_path: Path) -> None:
    config = {"script": {"words": -1, "delay": 0.01}, "limits": {"max_concurrent": 1}}
    with serve(config, tmp_path) as server:
        admission = server.services.pipeline.admission
        first = connect(server, stream=True)
        eventually(lambda: admission.running == 1)
        second = connect(server, stream=True)
        eventually(lambda: admission.waiting == 1)
        second.close()
        assert within_a_second(lambda: admission.waiting == 0)
        third = connect(server, stream=True)
        eventually(lambda: admission.waiting == 1)
        first.close()
        assert within_a_second(lambda: admission.running == 1 and admission.waiting == 0)
        assert b"word0" in third.recv(65536)
        third.close()


def test_a_hundred_who_leave_at_once_leave_nothing_behind(tmp_path: Path) -> None:
    config = {"script": {"words": -1, "delay": 0.005}, "limits": {"max_concurrent": 50, "max_queued": 50}}
    with serve(config, tmp_path) as server:
        script, admission = server.provider("script"), server.services.pipeline.admission
        connections = [connect(server, stream=number % 2 == 0) for number in range(100)]
        eventually(lambda: script.running == 50)
        for connection in connections:
            connection.close()
        assert within_a_second(lambda: script.running == 0)
        eventually(lambda: admission.running == 0 and admission.waiting == 0)
        tasks = server.call(_other_tasks())
        assert not [task for task in tasks if "answer" in task or "script" in task]


async def _other_tasks() -> list[str]:
    await asyncio.sleep(0.1)
    return [repr(task.get_coro()) for task in asyncio.all_tasks()]


def test_a_slow_reader_is_not_mistaken_for_a_model_that_hangs(tmp_path: Path) -> None:
    config = {"script": {"words": 60_000}, "timeouts": {"next_token": 0.3, "first_token": 0.3}}
    config["limits"] = {"max_answer_chars": 1_000_000}
    with serve(config, tmp_path) as server:
        connection = connect(server, stream=True)
        received = connection.recv(1000)
        time.sleep(1.0)  # the server's buffers fill and it has to wait for us
        while b'"done":true' not in received[-4000:]:
            piece = connection.recv(1_000_000)
            assert piece
            received += piece
        connection.close()
    assert b'"finish_reason":"stop"' in received
    assert b"word59999 " in received
