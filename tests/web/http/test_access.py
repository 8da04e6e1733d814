"""Every request has an id, is counted once, and has one line in the access log, whatever serves it."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

import pytest

from orbit.observing.metrics import Metrics
from orbit.observing.server_log import request_id
from orbit.web.http.access import QUOTA, SERVER_SEND, Access


class Quota:
    """What is left of a key's limit."""

    def headers(self) -> list[tuple[bytes, bytes]]:
        return [(b"ratelimit-remaining", b"3")]


async def answers(scope: Any, receive: Any, send: Any, status: int = 200) -> None:
    scope["path_template"] = "/chat"
    scope["path"] = "/changed"
    scope["state"] |= {"key_id": "k1", QUOTA: Quota()}
    headers = [(b"content-type", b"text/plain"), (b"x-frame-options", b"DENY")]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": b"hello"})


async def fails(scope: Any, receive: Any, send: Any) -> None:
    scope["state"]["status"] = 499
    raise ConnectionResetError


async def serve(
    app: Callable[..., Any], metrics: Metrics | None, *, log: bool = False, method: str = "POST", path: str = "/chat"
) -> tuple[list[Any], dict[str, Any]]:
    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    async def receive() -> Any:
        return {"type": "http.disconnect"}

    scope: dict[str, Any] = {
        "type": "http",
        "method": method,
        "path": path,
        "headers": [(b"x-request-id", b"r-1")],
        "state": {},
        "client": ("192.0.2.1", 5),
    }
    wrapped: Any = Access(app, metrics, ((b"x-frame-options", b"DENY"), (b"vary", b"Origin")), log=log)
    await wrapped(scope, receive, send)
    assert scope["state"][SERVER_SEND] is send
    return sent, scope


async def test_a_response_carries_the_id_the_limit_and_the_servers_headers_once() -> None:
    (start, body), _ = await serve(answers, None)
    assert start["headers"] == [
        (b"content-type", b"text/plain"),
        (b"x-frame-options", b"DENY"),
        (b"x-request-id", b"r-1"),
        (b"ratelimit-remaining", b"3"),
        (b"vary", b"Origin"),
    ]
    assert body["body"] == b"hello"
    assert request_id.get() == "r-1"


@pytest.mark.parametrize(
    ("method", "counted"), [("POST", "POST"), ("HEAD", "HEAD"), ("BREW", "other"), ("x" * 99, "other")]
)
async def test_a_request_counts_under_its_route_and_a_known_method(method: str, counted: str) -> None:
    metrics = Metrics()
    await serve(answers, metrics, method=method)
    assert dict(metrics.requests) == {("/chat", counted, "200"): 1}


async def test_a_request_that_nothing_serves_counts_as_other() -> None:
    async def nothing(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 404})

    metrics = Metrics()
    for number in range(3):
        await serve(nothing, metrics, path=f"/guess/{number}")
    assert dict(metrics.requests) == {("other", "POST", "404"): 3}


async def test_a_request_that_fails_is_counted_and_logged_too(caplog: pytest.LogCaptureFixture) -> None:
    metrics = Metrics()
    caplog.set_level(logging.INFO, "orbit.access")
    with pytest.raises(ConnectionResetError):
        await serve(fails, metrics, log=True)
    assert dict(metrics.requests) == {("other", "POST", "499"): 1}
    assert "POST /chat 499" in caplog.text


async def test_the_access_log_says_who_asked_for_what_without_keys(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "orbit.access")
    await serve(answers, None, log=True, path="/admin/api-keys/secret-id")
    (record,) = caplog.records
    assert record.getMessage().startswith("POST /admin/api-keys/*** 200 ")
    assert record.getMessage().endswith(" ms key k1")
    told = record.__dict__
    assert (told["method"], told["path"], told["status"], told["client_ip"], told["key_id"]) == (
        "POST",
        "/admin/api-keys/***",
        200,
        "192.0.2.1",
        "k1",
    )
    assert told["duration_ms"] >= 0


@pytest.mark.parametrize(("log", "level"), [(False, logging.INFO), (True, logging.WARNING)])
async def test_no_line_is_written_that_nobody_wants(caplog: pytest.LogCaptureFixture, *, log: bool, level: int) -> None:
    caplog.set_level(level, "orbit.access")
    await serve(answers, None, log=log)
    assert caplog.records == []
