"""The contract of log, with a small server that stores what it receives, and the behaviour while it is down."""

import json
import threading
from collections.abc import Callable, Iterator, Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx
import pytest

from orbit.testing import BaseLogContract, serve

ABSENT = "http://127.0.0.1:9/log"


class Receiver:
    """A server that stores the records it receives. It answers 503 to the first ``busy`` of them."""

    def __init__(self) -> None:
        self.records: list[dict[str, Any]] = []
        self.busy = 0
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                if receiver.busy:
                    receiver.busy -= 1
                    self.send_response(503)
                else:
                    receiver.records.append(json.loads(body))
                    self.send_response(204)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *arguments: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/log"


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    receiver = Receiver()
    thread = threading.Thread(target=receiver.server.serve_forever)
    thread.start()
    yield receiver
    receiver.server.shutdown()
    receiver.server.server_close()
    thread.join()


class TestLog(BaseLogContract):
    @pytest.fixture
    def plugin_name(self) -> str:
        return "webhook"

    @pytest.fixture
    def settings(self, receiver: Receiver) -> dict[str, Any]:
        return {"url": receiver.url}

    @pytest.fixture
    def down_settings(self) -> dict[str, Any]:
        return {"url": ABSENT, "delay": 0}

    @pytest.fixture
    def config(self) -> dict[str, Any]:
        return {"echo": {}}

    @pytest.fixture
    def stored(self, receiver: Receiver) -> Callable[[], Sequence[str]]:
        return lambda: [record["request_id"] for record in receiver.records]


def ask(webhook: dict[str, Any], folder: Path) -> tuple[str, str]:
    """Ask a server with a webhook. Return its answer, and the webhook's health after the server has stopped."""
    with serve({"echo": {}, "webhook": webhook}, folder) as server:
        body = {"message": "Hello?", "stream": False}
        answer = httpx.post(f"{server.url}/chat", json=body, headers={"X-API-Key": server.key}).json()
        provider = server.provider("webhook")
    return answer["response"], provider._failure


def test_a_busy_receiver_is_tried_again_and_gets_no_texts(receiver: Receiver, tmp_path: Path) -> None:
    receiver.busy = 2
    assert ask({"url": receiver.url, "delay": 0, "texts": False}, tmp_path) == ("Hello?", "")
    (record,) = receiver.records
    assert (record["status"], record.get("query", ""), record.get("response", "")) == ("ok", "", "")


def test_an_absent_receiver_does_not_touch_the_answer(tmp_path: Path) -> None:
    answer, failure = ask({"url": ABSENT, "delay": 0}, tmp_path)
    assert answer == "Hello?"
    assert failure == f"{ABSENT} cannot be reached: ConnectError."
