"""ORBIT at /mcp, asked by the SDK's client; and ORBIT as the client of such a server."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import httpx2
import mcp
import pytest
from aiohttp import web
from mcp.client.streamable_http import streamable_http_client

from orbit import CallContext, ToolCall
from orbit.auth.keys import new_key
from orbit.testing import host, serve

CONFIG: dict[str, Any] = {"mcp": {"serve": True, "hosts": ["chat.example.org"]}, "script": {}, "shelf": {}, "diary": {}}
CONTEXT = CallContext("test")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    with serve(CONFIG, tmp_path_factory.mktemp("served"), collection="handbook") as running:
        yield running


@asynccontextmanager
async def client(server: Any, mode: str = "auto", key: str = "") -> AsyncIterator[mcp.Client]:
    headers = {"Authorization": f"Bearer {key or server.key}"}
    async with (
        httpx2.AsyncClient(headers=headers, timeout=60) as http,
        mcp.Client(streamable_http_client(f"{server.url}/mcp", http_client=http), mode=mode) as session,
    ):
        yield session


async def call(session: mcp.Client, tool: str, **arguments: Any) -> tuple[str, bool]:
    result = await session.call_tool(tool, arguments)
    (content,) = result.content
    assert content.type == "text"
    return content.text, result.is_error


@pytest.mark.parametrize("mode", ["legacy", "auto"])
async def test_a_client_searches_and_asks(server: Any, mode: str) -> None:
    async with client(server, mode) as session:
        tools = (await session.list_tools()).tools
        assert [(tool.name, tool.annotations and tool.annotations.read_only_hint) for tool in tools] == [
            ("search", True),
            ("ask", True),
        ]
        found = ("[1] shelf.md\nthe passage", False)
        assert await call(session, "search", question="Where?") == found
        assert await call(session, "search", question="Where?", collection="handbook") == found
        assert await call(session, "ask", question="Where?") == (
            "word0 word1 word2 \n\nSources:\n[1] shelf.md",
            False,
        )


@pytest.mark.parametrize(
    ("tool", "arguments", "sentence"),
    [
        ("search", {"question": "Where?", "collection": "payroll"}, "cannot search the collection 'payroll'"),
        ("search", {"question": " "}, "The question is empty."),
        ("search", {}, "The question is empty. search takes question and collection."),
        ("ask", {"question": ""}, "The question is empty. ask takes question."),
        ("ask", {"question": ["Where?"]}, "ask takes question, each a text; not 'question'."),
        ("ask", {"question": "Where?", "collection": "payroll"}, "not 'collection'."),
        ("search", {"question": "x" * 40_000}, "32768"),
        ("drop", {"question": "Where?"}, "There is no tool 'drop'. Tools: search, ask."),
    ],
)
async def test_what_cannot_be_answered_is_said(server: Any, tool: str, arguments: Any, sentence: str) -> None:
    async with client(server) as session:
        text, failed = await call(session, tool, **arguments)
    assert (failed, sentence in text) == (True, True), text


async def test_the_limit_of_a_key_counts_questions_only(server: Any) -> None:
    secret, record = new_key("slow", "handbook", requests_per_minute=1)
    server.call(server.services.database.create_key(record))
    async with client(server, key=secret) as session:
        for _ in range(5):
            await session.list_tools()
        failed = [(await call(session, "ask", question="Where?"))[1] for _ in range(3)]
    assert (failed[0], any(failed)) == (False, True)  # a new minute may begin between two of them


@pytest.mark.parametrize("headers", [{}, {"X-API-Key": "wrong"}, {"Authorization": "Bearer wrong"}])
@pytest.mark.parametrize("method", ["GET", "POST", "DELETE"])
def test_without_a_key_it_is_refused(server: Any, method: str, headers: dict[str, str]) -> None:
    answer = httpx.request(method, f"{server.url}/mcp", headers=headers, timeout=20)
    assert (answer.status_code, answer.json()["code"]) == (401, "unauthorized")


async def test_the_sdks_client_is_refused_without_a_key(server: Any) -> None:
    with pytest.raises(BaseException) as raised:  # noqa: PT011  # a group, of whatever the SDK makes of it
        async with client(server, key="wrong"):
            pass
    assert "MCPError(-32603, 'Server returned an error response'" in repr(raised.value)


@pytest.mark.parametrize(
    ("header", "value", "status"),
    [
        ("Host", "evil.example", 421),
        ("Host", "chat.example.org", 200),
        ("Host", "chat.example.org:8443", 200),
        ("Origin", "http://evil.example", 403),
        ("Origin", "https://chat.example.org", 200),
    ],
)
def test_other_names_are_refused_as_attacks_by_dns_rebinding(server: Any, header: str, value: str, status: int) -> None:
    params = {"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": {"name": "test", "version": "1"}}
    body = {"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": params}
    headers = {"X-API-Key": server.key, "Accept": "application/json, text/event-stream", header: value}
    assert httpx.post(f"{server.url}/mcp", json=body, headers=headers, timeout=20).status_code == status


@pytest.mark.parametrize(
    ("body", "sentence"),
    [
        (b"", "is not JSON"),
        (b"{oops", "is not JSON"),
        (b"[]", "is not a message"),
        (b'{"id": 1, "method": "tools/list"}', "is not a message"),
        (b'{"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": [1]}', "is not a message"),
    ],
)
def test_a_malformed_message_is_told_in_plain_words(server: Any, body: bytes, sentence: str) -> None:
    headers = {"X-API-Key": server.key, "Accept": "application/json", "Content-Type": "application/json"}
    answer = httpx.post(f"{server.url}/mcp", content=body, headers=headers, timeout=20)
    said = answer.json()["error"]["message"]
    assert (answer.status_code, sentence in said) == (400, True), said
    assert not any(word in answer.text for word in ("pydantic", "JSONRPCRequest", "line 1"))


def test_it_is_off_by_default(tmp_path: Path) -> None:
    with serve({"mcp": {}, "echo": {}}, tmp_path) as server:
        assert httpx.post(f"{server.url}/mcp", headers={"X-API-Key": server.key}, timeout=20).status_code == 404


async def test_orbit_uses_the_tools_of_another_orbit(server: Any, tmp_path: Path) -> None:
    other = {"url": f"{server.url}/mcp", "headers": {"Authorization": f"Bearer {server.key}"}}
    locked = {"url": f"{server.url}/mcp"}
    config = {"mcp": {"servers": {"docs": other, "locked": locked}, "wait": 60}, "echo": {}}
    async with host(config, tmp_path) as running:
        provider: Any = running.registry["mcp"]
        assert {tool.name for tool in await provider.tools()} == {"docs_search", "docs_ask"}
        result = await provider.call_tool(ToolCall("1", "docs_search", '{"question": "Where?"}'), CONTEXT)
        assert (result.text, result.error) == ("[1] shelf.md\nthe passage", False)
        health = await provider.health()
        assert (health.status, "locked: " in health.detail) == ("degraded", True)
        assert "it answered HTTP 401" in health.detail


async def _huge(_: web.Request) -> web.Response:
    return web.json_response({"jsonrpc": "2.0", "id": 1, "result": {"x": "x" * 300_000}})


async def _page(_: web.Request) -> web.Response:
    return web.Response(text="<html>Welcome</html>", content_type="text/html")


async def _broken(_: web.Request) -> web.Response:
    return web.Response(status=500, text="oops")


async def _silent(_: web.Request) -> web.Response:
    await asyncio.Event().wait()
    raise AssertionError


async def _odd(request: web.Request) -> web.Response:
    body = await request.json()
    return web.json_response({"jsonrpc": "2.0", "id": body.get("id"), "result": [json.dumps(body)]})


@pytest.mark.parametrize("answer", [_huge, _page, _broken, _silent, _odd])
async def test_an_address_that_is_no_server_hurts_nobody(tmp_path: Path, answer: Any) -> None:
    app = web.Application()
    app.router.add_route("*", "/mcp", answer)
    runner = web.AppRunner(app, handler_cancellation=True, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    url = f"http://127.0.0.1:{runner.addresses[0][1]}/mcp"
    seconds = 0.3 if answer is _silent else 30.0
    server = {"url": url, "start_timeout": seconds, "max_bytes": 100_000}
    try:
        async with host({"mcp": {"servers": {"odd": server}, "wait": 60}, "echo": {}}, tmp_path) as running:
            provider: Any = running.registry["mcp"]
            assert await provider.tools() == []
            health = await provider.health()
            assert (health.status, "odd: " in health.detail) == ("down", True)
    finally:
        await runner.cleanup()
