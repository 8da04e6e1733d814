"""Whole turns with the wrapper between the host and its plugins."""

import time
from pathlib import Path

import httpx
import pytest

from orbit.testing import BaseWrapperContract, serve


class TestTrace(BaseWrapperContract):
    @pytest.fixture
    def plugin_name(self) -> str:
        return "trace"


def test_calls_and_failures_are_counted(tmp_path: Path) -> None:
    with serve({"echo": {}, "shelf": {}, "guard": {}, "backwards": {}, "trace": {}}, tmp_path) as server:
        headers = {"X-API-Key": server.key}
        for question in ("one", "two", "forbidden"):
            httpx.post(f"{server.url}/chat", json={"message": question, "stream": False}, headers=headers)
        figures = server.provider("trace").metrics()
    calls = {hook: figures[f"{hook}_calls_total"] for hook in ("moderate", "retrieve", "rerank", "generate")}
    assert calls == {"moderate": 3, "retrieve": 3, "rerank": 2, "generate": 2}
    assert figures["generate_seconds_total"] > 0
    assert "generate_failed_total" not in figures


def test_a_failure_is_counted_and_passed_on(tmp_path: Path) -> None:
    with serve({"echo": {}, "shelf": {"fail": True}, "trace": {}}, tmp_path) as server:
        body = {"message": "Hello?", "stream": False}
        answer = httpx.post(f"{server.url}/chat", json=body, headers={"X-API-Key": server.key})
        figures = server.provider("trace").metrics()
    assert answer.status_code == 503
    assert figures["retrieve_failed_total"] == figures["retrieve_calls_total"] == 1


def test_a_client_that_leaves_stops_the_model_behind_the_wrapper(tmp_path: Path) -> None:
    with serve({"script": {"words": -1, "delay": 0.01}, "trace": {}}, tmp_path) as server:
        headers, body = {"X-API-Key": server.key}, {"message": "go on"}
        with httpx.stream("POST", f"{server.url}/chat", json=body, headers=headers) as response:
            next(response.iter_lines())
            assert server.provider("script").running == 1
        end = time.monotonic() + 10
        while server.provider("script").running:
            assert time.monotonic() < end, "the model still writes"
            time.sleep(0.01)
        figures = server.provider("trace").metrics()
    assert figures["generate_calls_total"] == 1
