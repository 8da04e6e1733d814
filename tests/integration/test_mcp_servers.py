"""Four MCP servers from packages, used through ORBIT by a stand-in model and by the model that comes with ORBIT."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Iterator, Sequence
from pathlib import Path
from typing import Any

import httpx
import msgspec
import openai
import pytest
from click.testing import CliRunner
from host_tools import Talker, says
from mcp_packages import Town, is_installed, town

import orbit
from orbit import Chunk, GenerateOptions, Message, ToolCall, ToolChoice
from orbit.cli import orbit as command
from orbit.testing import serve

pytestmark = [
    pytest.mark.processes,
    pytest.mark.skipif(not is_installed(), reason="scripts/setup.sh --dev installs the servers, some if there is npm"),
]

TIMES = {"source_timezone": "Europe/Berlin", "time": "12:00", "target_timezone": "Asia/Tokyo"}
TOOLS = ["db_list_tables", "db_read_query", "files_read_text_file", "time_convert_time", "web_fetch"]


class Address(msgspec.Struct):
    """What ``web_fetch`` insists on."""

    url: str


ADDRESS = {"type": "object", "properties": {"url": {"type": "string", "maxLength": 60}}, "required": ["url"]}


class Insists(orbit.Provider):
    """Lets the model that comes with ORBIT call the tools of ``wanted``, one after the other, before it answers."""

    ORBIT_API = 2
    wanted = ("db_list_tables", "files_list_allowed_directories", "web_fetch")

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self.results: list[str] = []

    @orbit.hookimpl
    async def models(self) -> list[orbit.Model]:
        return [orbit.Model("insists", 4096, frozenset({"tools"}))]

    @orbit.hookimpl
    async def generate(
        self, messages: Sequence[Message], options: GenerateOptions, context: orbit.CallContext
    ) -> AsyncIterator[Chunk]:
        self.results = [message.content for message in messages if message.role == "tool"]
        if len(self.results) == len(self.wanted):  # what so small a model makes of them is up to it
            yield Chunk("Done.", finish_reason="stop")
            return
        name = self.wanted[len(self.results)]
        tools = tuple(  # the others would fill its window, and an address without a limit may never end
            msgspec.structs.replace(tool, parameters=ADDRESS) if name == "web_fetch" else tool
            for tool in options.tools
            if tool.name == name
        )
        asked = msgspec.structs.replace(options, tools=tools, tool_choice=ToolChoice("required", name))
        async for chunk in self.host.generate(messages, asked, context, provider="llama_cpp"):
            yield chunk


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Town]:
    with town(tmp_path_factory.mktemp("town")) as made:
        yield made


@pytest.fixture(scope="module")
def server(place: Town, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    model = {"n_ctx": 4096, "parallel": 1, "temperature": 0.0, "max_tokens": 300, "n_threads": 1}
    config = {
        "llama_cpp": model,
        "talker": {},
        "insists": {},
        "diary": {},
        "mcp": {"servers": place.servers(), "wait": 100},
        "models": {"default": "stand-in", "stand-in": {"provider": "talker"}, "small": {"provider": "insists"}},
    }
    plugins: dict[str, type[orbit.Provider]] = {"talker": Talker, "insists": Insists}
    with serve(config, tmp_path_factory.mktemp("served"), plugins) as running:
        yield running


def ask(server: Any, wire: str, model: str, question: str = "When?") -> str:
    """Ask by one of the protocols, and return the text of the answer."""
    if wire == "chat":
        body = {"message": question, "stream": False, "model": model}
        answer = httpx.post(f"{server.url}/chat", json=body, headers={"X-API-Key": server.key}, timeout=100)
        return str(answer.json()["response"])
    with openai.OpenAI(base_url=f"{server.url}/v1", api_key=server.key, max_retries=0, timeout=100) as client:
        if wire == "responses":
            return client.responses.create(model=model, input=question).output_text
        asked: Any = [{"role": "user", "content": question}]
        (choice,) = client.chat.completions.create(model=model, messages=asked).choices
        return choice.message.content or ""


@pytest.mark.parametrize("wire", ["chat", "completions", "responses"])
def test_a_model_uses_the_servers(server: Any, place: Town, wire: str) -> None:
    arguments = {
        "files_read_text_file": {"path": str(place.file)},
        "db_read_query": {"query": "SELECT opens FROM museums"},
        "web_fetch": {"url": place.page},
        "time_convert_time": TIMES,
    }
    calls = tuple(ToolCall(name, name, json.dumps(given)) for name, given in arguments.items())
    talker: Talker = server.provider("talker")
    talker.seen.clear()
    talker.lines = [[Chunk(tool_calls=calls), Chunk(finish_reason="tool_calls")], says("Done.")]
    assert ask(server, wire, "stand-in") == "Done."
    file, rows, page, converted = [message.content for message in talker.seen[-1][0][-4:]]
    assert file == "The library opens at nine."
    assert "eleven" in rows
    assert "The pool opens at ten." in page
    assert "Asia/Tokyo" in converted


@pytest.mark.parametrize("wire", ["chat", "completions", "responses"])
def test_the_model_that_comes_with_orbit_uses_the_servers(server: Any, place: Town, wire: str) -> None:
    """Its grammar makes each call valid: whoever reads the arguments finds what the schema of the tool demands."""
    insists: Insists = server.provider("insists")
    assert ask(server, wire, "small", f"What does the page {place.page} say?") == "Done."
    tables, folders, page = insists.results
    assert "museums" in tables
    assert str(place.file.parent) in folders
    assert page  # which address it writes is up to so small a model
    uses = server.provider("diary").records[-1].tool_uses
    assert [(use.name, use.status) for use in uses[:2]] == [(name, "ok") for name in insists.wanted[:2]]
    assert msgspec.json.decode(uses[2].arguments, type=Address).url  # the schema demands it


def test_the_tool_that_writes_is_not_offered(server: Any) -> None:
    names = {tool.name for tool in server.call(server.provider("mcp").tools())}
    assert names >= set(TOOLS)
    assert "files_write_file" not in names


def test_operators_list_and_try_tools(place: Town, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config = tmp_path / "config.yaml"
    config.write_text(json.dumps({"echo": {}, "mcp": {"servers": {"files": place.servers()["files"]}}}))
    monkeypatch.setenv("ORBIT_CONFIG", str(config))
    listed = CliRunner().invoke(command, ["mcp", "list"])
    assert listed.exit_code == 0, listed.output
    assert "  write_file: not offered, is destructive; `destructive` allows it" in listed.output
    assert "  create_directory: not offered, is not in `tools`" in listed.output
    arguments = json.dumps({"path": str(place.file)})
    tried = CliRunner().invoke(command, ["mcp", "try", "files_read_text_file", "--arguments", arguments])
    assert (tried.exit_code, tried.output) == (0, "The library opens at nine.\n")
