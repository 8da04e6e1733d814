"""MCP servers that are processes: what they offer, and what they do wrong."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from mcp_kit import process
from orbit_mcp import McpProvider, connection

import orbit
from orbit import CallContext, ProviderError, ToolCall, ToolResult
from orbit.testing import host, make_host

CONTEXT = CallContext("test")
Run = Callable[..., Awaitable[McpProvider]]


@pytest.fixture
async def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Run]:
    """Start a provider with some servers; it stops after the test."""
    monkeypatch.setattr(connection, "_FIRST_PAUSE", 0.05)
    stopping, stopped = asyncio.Event(), []

    async def start(script: dict[str, Any] | None = None, **servers: dict[str, Any]) -> McpProvider:
        ready: asyncio.Future[Any] = asyncio.get_running_loop().create_future()

        async def hold() -> None:
            config = {"mcp": {"servers": servers, "wait": 60}, "script": script or {}}
            async with host(config, tmp_path) as running:
                ready.set_result(running.registry["mcp"])
                await stopping.wait()

        stopped.append(asyncio.create_task(hold()))
        provider: McpProvider = await ready
        return provider

    yield start
    stopping.set()
    await asyncio.gather(*stopped)


async def call(provider: McpProvider, name: str, text: str = "hi") -> ToolResult:
    return await provider.call_tool(ToolCall("1", name, json.dumps({"text": text})), CONTEXT)


async def until(condition: Callable[[], Any]) -> None:
    async with asyncio.timeout(60):
        while not condition():  # noqa: ASYNC110  # nothing tells of it
            await asyncio.sleep(0.01)


async def names(provider: McpProvider) -> set[str]:
    return {tool.name for tool in await provider.tools()}


async def test_tools_of_all_pages_have_the_servers_name(run: Run) -> None:
    provider = await run(odd=process())
    tools = {tool.name: tool for tool in await provider.tools()}
    assert {"odd_echo", "odd_add_two_numbers", "odd_image", "odd_look"} <= set(tools)
    assert tools["odd_echo"].description == "The tool echo."
    assert tools["odd_look"].description == "look"
    assert tools["odd_look"].parameters == {"type": "object", "properties": {}}
    assert await call(provider, "odd_echo") == ToolResult("echo: hi")
    assert await call(provider, "odd_add_two_numbers") == ToolResult("add.two/numbers: hi")
    assert (await provider.health()).status == "ok"
    figures = provider.metrics()
    assert (figures["odd_up"], figures["odd_calls_total"], figures["odd_errors_total"]) == (1.0, 2, 0)


async def test_destructive_tools_need_permission(run: Run) -> None:
    provider = await run(odd=process(), free=process(destructive=["wi*"], tools=["wipe", "delete", "echo"]))
    assert not {"odd_wipe", "odd_delete"} & await names(provider)
    assert {name for name in await names(provider) if name.startswith("free_")} == {"free_wipe", "free_echo"}
    for refused in ("odd_wipe", "free_delete", "free_fail", "none_echo", "odd_"):
        result = await call(provider, refused)
        assert (result.error, "or it may not be called" in result.text) == (True, True)
    assert (await call(provider, "free_wipe")).text == "wipe: hi"


async def test_results_become_text(run: Run) -> None:
    provider = await run(odd=process())
    assert await call(provider, "odd_fail") == ToolResult("the disk is full", error=True)
    assert (await call(provider, "odd_image")).text == "[image/png, 6 bytes, not shown]\na file"


async def test_a_process_gets_no_secrets_of_the_server(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ORBIT_SECRET", "x")
    provider = await run(odd=process(env={"TOKEN": "t"}))
    result = await provider.call_tool(ToolCall("1", "odd_echo", "{}"), CONTEXT)
    assert "TOKEN" in result.text
    assert "ORBIT_SECRET" not in result.text


async def test_sampling_and_elicitation_are_refused_unless_allowed(run: Run) -> None:
    free = process(sampling=True, elicitation={"town": "Bonn"})
    provider = await run(odd=process(), free=free, deaf=process(elicitation={"street": "x"}))
    assert "not supported" in (await call(provider, "odd_sample")).text
    assert "not supported" in (await call(provider, "odd_elicit")).text
    assert json.loads((await call(provider, "deaf_elicit")).text)["action"] == "decline"
    assert json.loads((await call(provider, "free_elicit")).text)["content"] == {"town": "Bonn"}
    assert json.loads((await call(provider, "free_sample")).text)["content"]["text"] == "word0 word1 word2 "


@pytest.mark.parametrize("script", [{"first_delay": 3600}, {"fail_after": 0, "kind": "unavailable"}])
async def test_a_model_that_gives_no_answer_holds_no_server_up(run: Run, script: dict[str, Any]) -> None:
    """Nor does the server learn why: that is in the log."""
    free = process(sampling=True, timeout=2.0 if "first_delay" in script else 60.0)
    provider = await run(script=script, odd=free)
    answer = json.loads((await call(provider, "odd_sample")).text)
    assert answer["message"] == "The model gives no answer at the moment."


async def test_renamed_tools_are_read_again(run: Run) -> None:
    provider = await run(odd=process())
    await call(provider, "odd_rename")
    async with asyncio.timeout(60):
        while "odd_parrot" not in await names(provider):  # noqa: ASYNC110  # the same
            await asyncio.sleep(0.01)
    assert "odd_echo" not in await names(provider)


async def test_tools_of_the_latest_protocol_are_read_again_also_after_a_lost_subscription(run: Run) -> None:
    server = Path(process()["args"][1]).with_name("mcp_subscribing.py")
    provider = await run(odd={"command": sys.executable, "args": [str(server)]})
    assert await names(provider) == {"odd_echo", "odd_rename", "odd_end"}
    for tool in ("odd_echo_again", "odd_echo_again_again"):
        await call(provider, "odd_rename")
        async with asyncio.timeout(60):
            while tool not in await names(provider):  # noqa: ASYNC110  # the same
                await asyncio.sleep(0.01)
        assert await call(provider, tool) == ToolResult(f"{tool.removeprefix('odd_')}: hi")
        assert (await call(provider, "odd_end")).text == "ended"


@pytest.mark.parametrize(
    ("tool", "kind", "reason"),
    [
        ("die", "unavailable", "it ended"),
        ("huge", "unavailable", "larger than max_bytes"),
        ("hang", "timeout", "within 0.2 s"),
    ],
)
async def test_a_server_that_fails_in_a_call_hurts_no_other_and_comes_back(
    run: Run, tool: str, kind: str, reason: str
) -> None:
    seconds = 0.2 if tool == "hang" else 60.0
    provider = await run(odd=process(timeout=seconds, max_bytes=100_000), well=process())
    for _ in range(3 if tool == "hang" else 1):
        with pytest.raises(ProviderError, match=reason) as raised:
            await call(provider, f"odd_{tool}")
        assert raised.value.kind == kind
        assert "odd" in raised.value.message
        assert await call(provider, "well_echo") == ToolResult("echo: hi")
    await until(lambda: provider.metrics()["odd_connections_total"] == 2)
    assert "odd_echo" in await names(provider)
    assert (await provider.health()).status == "ok"


async def test_what_is_no_message_is_ignored(run: Run) -> None:
    provider = await run(odd=process())
    assert (await call(provider, "odd_garbage")).text == "garbage came before"
    with pytest.raises(ProviderError, match="what is no result of a tool") as raised:
        await call(provider, "odd_wrong")
    assert raised.value.client == "The server of this tool gave an answer that cannot be used."
    assert await call(provider, "odd_echo") == ToolResult("echo: hi")
    assert provider.metrics()["odd_connections_total"] == 1


@pytest.mark.parametrize(
    ("settings", "reason"),
    [
        (process("exit"), "no licence found"),
        (process("hang", start_timeout=0.3), "it did not start in time"),
        (process("noise"), "it writes what is no message: starting 0"),
        (process("huge", max_bytes=100_000), "larger than max_bytes"),
        ({"command": "no-such-program-anywhere"}, "there is no program 'no-such-program-anywhere'"),
        ({"url": "http://127.0.0.1:9/mcp"}, ""),
    ],
    ids=["exits", "hangs", "garbage", "huge", "missing", "refused"],
)
async def test_a_server_that_does_not_start_hurts_no_other(run: Run, settings: dict[str, Any], reason: str) -> None:
    provider = await run(odd=settings, well=process())
    assert await call(provider, "well_echo") == ToolResult("echo: hi")
    assert all(name.startswith("well_") for name in await names(provider))
    health = await provider.health()
    assert (health.status, reason in health.detail) == ("degraded", True), health.detail
    with pytest.raises(ProviderError, match="'odd' is not available"):
        await call(provider, "odd_echo")
    assert (provider.metrics()["odd_up"], provider.metrics()["odd_tools"]) == (0.0, 0)


@pytest.mark.parametrize("loop", ["asyncio", "uvloop"])
@pytest.mark.parametrize(
    ("settings", "reason"),
    [
        ({"command": "no-such-program"}, "there is no program 'no-such-program': install it, or give its whole path"),
        (process(cwd="/no/such/folder"), "there is no folder '/no/such/folder' (cwd)"),
        ({"command": __file__}, f"the program {__file__!r} does not start: Permission denied"),
    ],
    ids=["no program", "no folder", "not executable"],
)
def test_a_program_that_does_not_start_is_named_on_every_event_loop(
    tmp_path: Path, settings: dict[str, Any], reason: str, loop: str
) -> None:
    async def detail() -> str:
        async with host({"mcp": {"servers": {"odd": settings}, "wait": 60}, "script": {}}, tmp_path) as running:
            return (await running.registry["mcp"].health()).detail

    factory = pytest.importorskip("uvloop").new_event_loop if loop == "uvloop" else asyncio.new_event_loop
    with asyncio.Runner(loop_factory=factory) as runner:
        assert reason in runner.run(detail())


async def test_a_server_that_starts_late_is_tried_again(run: Run, tmp_path: Path) -> None:
    provider = await run(odd=process("once", str(tmp_path / "flag")))
    await until(lambda: provider.metrics()["odd_up"] == 1.0)
    assert await call(provider, "odd_echo") == ToolResult("echo: hi")


@pytest.mark.parametrize(
    ("server", "sentence"),
    [
        ({}, "servers.x: give either a command or a url."),
        ({"command": "a", "url": "http://b/mcp"}, "servers.x: give either a command or a url."),
        ({"url": "b/mcp"}, "is not of the form https://HOST/mcp"),
        ({"command": "a", "headers": {"A": "b"}}, "servers.x.headers: has no meaning for a server with a command."),
        ({"url": "http://b/mcp", "env": {"A": "b"}}, "servers.x.env: has no meaning for a server with a url."),
        (
            {"url": "http://u:p@b/mcp", "headers": {"authorization": "x"}},
            "servers.x.url contains a user, and",
        ),
        ({"url": "http://b/mcp", "headers": {"A b": "c"}}, "servers.x.headers: 'A b' is not a valid header name"),
    ],
)
def test_mistakes_are_found_before_the_start(tmp_path: Path, server: dict[str, Any], sentence: str) -> None:
    found = make_host({"mcp": {"servers": {"x": server}}, "echo": {}}, tmp_path).problems
    assert any(sentence in str(problem) for problem in found), found


def test_a_host_of_clients_is_a_name(tmp_path: Path) -> None:
    found = make_host(
        {"mcp": {"serve": True, "hosts": ["a.example.org:80", "https://b"]}, "echo": {}}, tmp_path
    ).problems
    assert [str(problem) for problem in found if "hosts" in str(problem)] == [
        "mcp: hosts: 'https://b' is no name such as chat.example.org: a name or an address, without scheme or path."
    ]


@pytest.mark.parametrize(
    ("server", "reason"),
    [
        ({"command": "no-such-program"}, "there is no program 'no-such-program': install it, or give its whole path"),
        ({"command": "./own"}, "there is no program './own'"),
        ({"command": "  "}, "there is no program '  '"),
        (
            {"command": "sh -c true"},
            "there is no program 'sh -c true': command is 'sh' alone, the rest belongs into args",
        ),
        ({"command": "sh", "env": {"PATH": "/no/such/folder"}}, "there is no program 'sh'"),
        (process(cwd="/no/such/folder"), "there is no folder '/no/such/folder' (cwd)"),
        (process(), ""),
        ({"command": "bin/sh", "cwd": "/"}, ""),
        ({"url": "http://127.0.0.1:9/mcp"}, ""),
    ],
)
def test_a_check_names_what_this_machine_lacks(tmp_path: Path, server: dict[str, Any], reason: str) -> None:
    provider = make_host({"mcp": {"servers": {"x": server}}, "echo": {}}, tmp_path).registry["mcp"]
    found = list(provider.remarks())
    assert (len(found), f"servers.x: {reason}" in "".join(found)) == (bool(reason), bool(reason)), found


def test_names_of_servers_leave_room_for_tools(tmp_path: Path) -> None:
    server = {"command": "a"}
    found = make_host({"mcp": {"servers": {"a b": server, "x" * 25: server}}, "echo": {}}, tmp_path).problems
    assert len(found) == 2


def test_long_and_odd_names_stay_apart() -> None:
    from orbit_mcp.naming import exposed

    one, other = exposed("files", "x" * 80 + "1"), exposed("files", "x" * 80 + "2")
    assert len(one) == len(other) == 64
    assert one != other
    assert exposed("files", "read file/ü") == "files_read_file__"


async def test_without_servers_it_offers_no_tools(tmp_path: Path) -> None:
    async with host({"mcp": {}, "echo": {}}, tmp_path) as running:
        assert running.registry.implementing("tools") == ()
        assert await running.registry["mcp"].health() == orbit.Health()
