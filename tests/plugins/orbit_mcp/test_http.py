"""An MCP server over HTTP: a spoiled answer costs its call only, and a lost session is made again."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import httpx2
import mcp_http_wire
import pytest
from orbit_mcp import McpProvider, connection
from orbit_mcp.http import _Limited
from orbit_mcp.reply import Reply

from orbit import CallContext, ProviderError, ToolCall, ToolResult
from orbit.testing import host


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with mcp_http_wire.serving() as url:
        yield url


@pytest.fixture
async def provider(url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[McpProvider]:
    monkeypatch.setattr(connection, "_FIRST_PAUSE", 0.05)
    servers = {"net": {"url": f"{url}/mcp", "max_bytes": 100_000}}
    async with host({"mcp": {"servers": servers, "wait": 60}, "script": {}}, tmp_path) as running:
        made: Any = running.registry["mcp"]
        yield made


async def call(provider: McpProvider, name: str, text: str = "hi") -> ToolResult:
    return await provider.call_tool(ToolCall("1", f"net_{name}", json.dumps({"text": text})), CallContext("test"))


@pytest.mark.parametrize("fault", ["break", "page", "garbage", "close", "cut", "flood", "event"])
async def test_a_spoiled_answer_costs_its_call_only(provider: McpProvider, fault: str) -> None:
    waiting = asyncio.create_task(call(provider, "wait"))
    with pytest.raises(ProviderError, match="MCP server 'net'"):
        await call(provider, fault)
    assert await call(provider, "echo", "go on") == ToolResult("echo: go on")
    assert await waiting == ToolResult("echo: hi")
    assert provider.metrics()["net_connections_total"] == 1


@pytest.mark.parametrize("fault", ["hang", "trickle"])
async def test_an_answer_that_nobody_waits_for_ends(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fault: str
) -> None:
    """The SDK reads on for as long as the connection lasts."""
    monkeypatch.setattr(connection, "_SILENT_CALLS", 100)
    left = threading.Semaphore(0)
    with mcp_http_wire.serving(left) as url:
        servers = {"net": {"url": f"{url}/mcp", "timeout": 0.3}}
        async with host({"mcp": {"servers": servers, "wait": 60}, "script": {}}, tmp_path) as running:
            provider: Any = running.registry["mcp"]
            with pytest.raises(ProviderError, match=r"within 0\.3 s"):
                await call(provider, fault)
            assert await asyncio.to_thread(left.acquire, timeout=60)
            assert provider.metrics()["net_connections_total"] == 1


@pytest.mark.parametrize("fault", ["deny", "forget"])
async def test_after_a_refusal_the_connection_is_made_again(provider: McpProvider, fault: str) -> None:
    """A server that was started anew knows no session of before, and a key may be valid again."""
    with pytest.raises(ProviderError, match=r"it answered HTTP 40[14]"):
        await call(provider, fault)
    async with asyncio.timeout(60):
        while provider.metrics()["net_connections_total"] < 2 or not provider.metrics()["net_up"]:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
    assert await call(provider, "echo") == ToolResult("echo: hi")


@pytest.mark.parametrize(("tool", "text"), [("refuse", "the disk is gone"), ("late", "the disk is slow")])
async def test_errors_with_the_codes_of_the_sdk_are_the_servers_own(
    provider: McpProvider, tool: str, text: str
) -> None:
    for _ in range(4):  # three calls without an answer would end the connection
        assert await call(provider, tool) == ToolResult(f"The call failed: {text}", error=True)
    assert provider.metrics()["net_connections_total"] == 1


class Pieces(httpx2.AsyncByteStream):
    def __init__(self, *pieces: bytes) -> None:
        self.pieces = pieces

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for piece in self.pieces:
            yield piece


@pytest.mark.parametrize("end", [b"\n\n", b"\r\n\r\n", b"\r\r"])
@pytest.mark.parametrize("size", [1, 7, 100])
async def test_each_event_has_the_limit_of_a_message(end: bytes, size: int) -> None:
    """However the bytes arrive."""

    async def read(data: bytes, *, events: bool = True) -> int:
        pieces = [data[place : place + size] for place in range(0, len(data), size)]
        return len(b"".join([piece async for piece in _Limited(Pieces(*pieces), 120, Reply(), events=events)]))

    event = b"data: " + 90 * b"x" + end
    assert await read(9 * event) == 9 * len(event)
    for data, events in ((9 * event, False), (event + 130 * b"x" + end, True)):
        with pytest.raises(httpx2.StreamError, match="larger than max_bytes"):
            await read(data, events=events)


def test_a_request_outside_a_call_has_a_reply_of_its_own() -> None:
    from orbit_mcp.reply import current, replying

    with replying() as reply:
        assert current() is reply
    other: Any = current()
    assert other is not current()
