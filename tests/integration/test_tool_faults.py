"""What MCP servers, and models that call their tools, can do wrong: each ends within its limit and hurts nobody else.

In each row a second client asks, and gets its answer with a tool's result, between the first call of the faulty turn
and that turn's end.
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import AsyncIterator, Iterator, Sequence
from pathlib import Path
from typing import Any

import httpx
import mcp_http_wire
import pytest
from host_tools import says
from mcp_kit import process
from tool_faults import BY_NAME, CALLS, FAULTS, ROUNDS, TOOLS, Fault

import orbit
from orbit import Chunk, GenerateOptions, Message, ToolCall
from orbit.auth.keys import new_key
from orbit.chat.prompt.fencing import inert
from orbit.testing import serve

CORPUS = Path(__file__).parents[1] / "data" / "injections"
ORDERS = [case["text"] for path in sorted(CORPUS.glob("*.json")) for case in json.loads(path.read_text("utf-8"))]
SMALL = 100_000
SLOW = 0.5
"""Seconds that the servers of rows may take that end by their time."""


def servers(url: str) -> dict[str, Any]:
    """One server for each thing that goes wrong, so that no row depends on another."""
    own = ("dies", "lies", "hangs", "huge", "renames", "odd")
    return {
        "well": process(),
        "exits": process("exit"),
        "sleeps": process("hang", start_timeout=SLOW),
        "noisy": process("noise"),
        "floods": process("huge", max_bytes=SMALL),
        **{mode: process(mode) for mode in ("old", "endless", "twins", "schema", "restless")},
        "missing": {"command": "no-such-program-anywhere"},
        **{name: process(max_bytes=SMALL, **({"timeout": SLOW} if name == "hangs" else {})) for name in own},
        "away": {"url": "http://127.0.0.1:9/mcp"},
        **{
            f"{fault}-url": {"url": f"{url}/{fault}/mcp", "max_bytes": SMALL}
            for fault in ("deny", "break", "page", "old", "close", "flood", "event")
        },
        "trickle-url": {"url": f"{url}/trickle/mcp", "start_timeout": SLOW},
        **{
            f"http-{fault}": {"url": f"{url}/mcp", "max_bytes": SMALL}
            for fault in ("deny", "break", "forget", "page", "garbage", "close", "cut", "flood", "event", "well")
        },
        "http-trickle": {"url": f"{url}/mcp", "timeout": SLOW},
    }


class Player(orbit.Provider):
    """Makes the calls of the fault that the question names, each answer's in turn, and then says that it is done."""

    ORBIT_API = 2
    mcp: Any
    """The provider of the tools."""

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self.read: dict[str, list[str]] = {}
        """What the model read of its calls, by the question."""
        self.begun = asyncio.Event()
        self.others_done = asyncio.Event()

    @orbit.hookimpl
    async def models(self) -> list[orbit.Model]:
        return [orbit.Model("player", 100_000, frozenset({"tools"}))]

    @orbit.hookimpl
    async def generate(self, messages: Sequence[Message], options: GenerateOptions) -> AsyncIterator[Chunk]:
        question = next(message.content for message in reversed(messages) if message.role == "user")
        results = [message.content for message in messages if message.role == "tool"]
        fault = BY_NAME.get(question)
        rounds = fault.rounds if fault else ((("well_echo", json.dumps({"text": question})),),)
        if not fault and question.startswith("while"):
            await self.begun.wait()
        made = sum(message.role == "assistant" and bool(message.tool_calls) for message in messages)
        closed = options.tool_choice is not None and options.tool_choice.mode == "none"
        if made == len(rounds) or closed:
            self.read[question] = results
            if fault:
                await self.others_done.wait()
            for chunk in says("Done."):
                yield chunk
            return
        while fault and made and fault.gone in {tool.name for tool in await self.mcp.tools()}:  # noqa: ASYNC110
            await asyncio.sleep(0.01)  # the turn has been offered it, and its server has taken it back
        yield Chunk(tool_calls=tuple(ToolCall(f"c{place}", *call) for place, call in enumerate(rounds[made])))
        self.begun.set()
        yield Chunk(finish_reason="tool_calls")


class Told(logging.Handler):
    """Keeps what the server log says."""

    def __init__(self) -> None:
        super().__init__()
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(record.getMessage())


@pytest.fixture(scope="module")
def told() -> Iterator[Told]:
    handler = Told()
    log = logging.getLogger("orbit")
    log.addHandler(handler)
    log.setLevel("INFO")  # as operators have it
    yield handler
    log.setLevel("NOTSET")
    log.removeHandler(handler)


@pytest.fixture(scope="module")
def server(told: Told, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    del told  # it hears of the start
    with mcp_http_wire.serving() as url:
        given = servers(url)
        config = {
            "player": {},
            "mcp": {"servers": given, "wait": 100},
            "general": {"inference_provider": "player"},
            "tools": {
                "max_rounds": ROUNDS,
                "max_calls": CALLS,
                "allow": {"*": [name for name in sorted(TOOLS) if name != "well_fail"]},
            },
        }
        with serve(config, tmp_path_factory.mktemp("served"), {"player": Player}) as running:
            running.provider("player").mcp = running.provider("mcp")
            yield running


@pytest.fixture(scope="module")
def neighbour(server: Any) -> str:
    """The key of another client."""
    secret, record = new_key("neighbour")
    server.call(server.services.database.create_key(record))
    return secret


async def ask(server: Any, key: str, question: str) -> list[tuple[str, str]]:
    """Ask, and return the name and the status of each call that the answer took."""
    async with httpx.AsyncClient(timeout=60) as client:
        body = {"message": question, "stream": False}
        answer = await client.post(f"{server.url}/chat", json=body, headers={"X-API-Key": key})
    assert (answer.status_code, answer.json().get("response")) == (200, "Done."), answer.text
    return [(use["name"], use["status"]) for use in answer.json()["metadata"].get("tools", [])]


async def beside(server: Any, key: str, player: Player, question: str) -> None:
    """Ask three times at once, and let the faulty turn end only then."""
    try:
        uses = await asyncio.gather(*(ask(server, key, question) for _ in range(3)))
    finally:
        server.loop.call_soon_threadsafe(player.others_done.set)
    assert uses == [[("well_echo", "ok")]] * 3
    assert player.read[question] == [f"echo: {question}"]


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name.replace(" ", "-"))
async def test_a_fault_ends_within_its_limit_and_hurts_nobody(
    server: Any, neighbour: str, told: Told, fault: Fault
) -> None:
    player: Player = server.provider("player")
    player.begun.clear()
    player.others_done.clear()
    uses, _ = await asyncio.gather(
        ask(server, server.key, fault.name), beside(server, neighbour, player, f"while {fault.name}")
    )
    (name, status), text = uses[-1], player.read[fault.name][-1]
    assert (status, fault.model.format(name) in text) == (fault.status, True), (uses, text)
    assert len(uses) == fault.made
    assert any(fault.operator in line for line in told.lines), [line for line in told.lines if fault.server in line]


async def test_orders_in_results_are_data(server: Any) -> None:
    """The whole corpus, through a server that returns it."""
    player: Player = server.provider("player")

    async def repeat(texts: Sequence[str]) -> None:
        for text in texts:
            question = f"Repeat: {text}"[:1000]
            assert await ask(server, server.key, question) == [("well_echo", "ok")]
            assert player.read[question] == [inert(f"echo: {question}")]

    assert len(ORDERS) > 50  # the corpus has been read
    await asyncio.gather(*(repeat(ORDERS[first::8]) for first in range(8)))
