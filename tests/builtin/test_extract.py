"""The provider ``extract``, as a plugin in a served configuration."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from tools_model import ROUND, WEATHER, ToolsModel

from orbit import Document, GenerateOptions, Message, Provider, ProviderError, Query, TokenCount, hookimpl
from orbit.testing import BaseGenerateContract, make_host, serve
from orbit.testing.contract.subject import CONTEXT
from orbit.types import MetadataValue

FERRY = (
    "Guide > Ferry\n\nThe ferry to the island runs every hour. It takes forty minutes. Bicycles travel free of charge. "
    "Dogs need a ticket for children, which the crew sells on board, and a lead that is shorter than two metres at all "
    "times. In winter there is no service on Sundays, because the harbour freezes and the crew has to rest at home."
)


class Shelf(Provider):
    """Finds two passages."""

    @hookimpl
    async def retrieve(self, query: Query) -> list[Document]:
        if "nothing" in query.text:
            return []
        other = Document("2", "The museum opens at ten. [7] is a room.", "museum.md", "Museum", score=0.5)
        return [Document("1", FERRY, "guide.md", "Guide", score=0.9, metadata={"heading": "Ferry"}), other]


class TestExtract(BaseGenerateContract):
    @pytest.fixture
    def plugin_name(self) -> str:
        return "extract"


def test_it_quotes_the_sentence_and_says_so(tmp_path: Path) -> None:
    with serve({"extract": {"max_chars": 50}, "shelf": {}}, tmp_path, {"shelf": Shelf}) as server:
        asked, headers = {"message": "How many minutes does it take?"}, {"X-API-Key": server.key}
        reply = httpx.post(f"{server.url}/chat", json={**asked, "stream": False}, headers=headers).json()
        frames = httpx.post(f"{server.url}/chat", json={**asked, "stream": True}, headers=headers).text
    assert reply["response"] == "Quoted from Guide > Ferry:\n\nIt takes forty minutes. [1]"
    assert reply["metadata"]["provider"] == "extract"
    assert [source["number"] for source in reply["sources"]] == [1, 2]
    assert "It takes forty minutes." in frames


class Vectors(Provider):
    """Embeds a text as whether it is about leaving, and counts the texts."""

    asked = 0

    @hookimpl
    async def embed(self, texts: Sequence[str]) -> Any:
        if "broken" in texts:
            raise ProviderError("the model is gone", kind="unavailable")
        self.asked += len(texts)
        return np.array([[1, 0] if "leave" in one or "Vacation" in one else [0, 1] for one in texts], dtype=np.float32)


async def test_headings_that_mean_the_same_lead_to_the_quotation(tmp_path: Path) -> None:
    passages = [Document("1", "Ask the crew.", title="Rules"), Document("2", "Ask the office.", title="Vacation")]
    async with make_host({"extract": {}, "vectors": {}}, tmp_path, {"vectors": Vectors}) as host:
        first = await answer(host, question="When may I leave?", documents=passages)
        again = await answer(host, question="Can I leave?", documents=passages)
        alone = await answer(host, question="broken", documents=passages)
        vectors: Any = host.registry["vectors"]
        assert vectors.asked == 3 + 1, "headings are embedded once"
    assert first[0].startswith("Quoted from Vacation:\n\nAsk the office. [2]")
    assert again[0] == first[0]
    assert alone[0].startswith("Quoted from Rules:"), "it quotes without vectors"


def test_it_counts_on_from_the_passages_of_a_chat_page(tmp_path: Path) -> None:
    own = '<source id="1" name="a.txt">A file.</source>\n<source id="2" name="b.txt">Another.</source>'
    question = f"### Task:\nCite.\n\n<context>\n{own}\n</context>\n\nHow many minutes does it take?"
    with serve({"extract": {"max_chars": 50}, "shelf": {}}, tmp_path, {"shelf": Shelf}) as server:
        headers = {"Authorization": f"Bearer {server.key}"}
        body = {"model": "orbit", "messages": [{"role": "user", "content": question}]}
        reply = httpx.post(f"{server.url}/v1/chat/completions", json=body, headers=headers).json()
    assert reply["choices"][0]["message"]["content"] == "Quoted from Guide > Ferry:\n\nIt takes forty minutes. [3]"
    assert [source["number"] for source in reply["orbit"]["sources"]] == [3, 4]


class Waiting(Vectors):
    """Embeds a question that waits only after another one."""

    def __init__(self, *given: Any) -> None:
        super().__init__(*given)
        self.waits, self.goes_on = asyncio.Event(), asyncio.Event()

    @hookimpl
    async def embed(self, texts: Sequence[str]) -> Any:
        if "Who waits?" in texts:
            self.waits.set()
            await self.goes_on.wait()
        return np.array([[1, 0]] * len(texts), dtype=np.float32)


async def test_questions_at_the_same_time_may_forget_each_others_headings(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("orbit.builtin.extract._KEPT", 2)
    first, second = ([Document(name, "Ask the crew.", title=name) for name in names] for names in ("AB", "CD"))
    async with make_host({"extract": {}, "vectors": {}}, tmp_path, {"vectors": Waiting}) as host:
        vectors: Any = host.registry["vectors"]
        await answer(host, question="Who is asked?", documents=first)
        waiting = asyncio.create_task(answer(host, question="Who waits?", documents=first))
        await vectors.waits.wait()
        await answer(host, question="Who else?", documents=second)
        vectors.goes_on.set()
        assert (await waiting)[0].startswith("Quoted from A:")


async def test_a_heading_that_asks_needs_no_colon_and_is_said_once(tmp_path: Path) -> None:
    heading: dict[str, MetadataValue] = {"heading": "When is the ferry?"}
    documents = [
        Document("1", "The ferry is at noon.", title="Guide", metadata=heading),
        Document("2", "In winter the ferry is at two.", title="Guide", metadata=heading),
    ]
    async with make_host({"extract": {}}, tmp_path) as host:
        text, _ = await answer(host, question="When does the ferry go?", documents=documents)
    quoted = "Quoted from Guide > When is the ferry?\n\nThe ferry is at noon. [1]\n\nIn winter the ferry is at two. [2]"
    assert text == quoted


def test_turns_that_a_quotation_cannot_answer_go_to_the_other_provider(tmp_path: Path) -> None:
    config = {
        "general": {"inference_provider": "extract"},
        "extract": {"otherwise": "model"},
        "model": {},
        "shelf": {},
    }
    with serve(config, tmp_path, {"shelf": Shelf, "model": ToolsModel}) as server:
        headers = {"Authorization": f"Bearer {server.key}"}

        def ask(**more: Any) -> Any:
            body = {"model": "orbit", "messages": [{"role": "user", "content": "How is the ferry?"}], **more}
            reply = httpx.post(f"{server.url}/v1/chat/completions", json=body, headers=headers).json()
            return reply["choices"][0]

        assert ask()["message"]["content"].startswith("Quoted from Guide")
        assert ask(tools=[WEATHER])["message"]["tool_calls"][0]["function"]["name"] == "weather"
        assert not ask(messages=ROUND, tools=[WEATHER])["message"]["content"].startswith("Quoted")
        assert not ask(response_format={"type": "json_object"})["message"]["content"].startswith("Quoted")


PASSAGES = "### Task:\nRespond.\n\n<context>\nA file of the client.\n</context>\n\n"


class Narrow(ToolsModel):
    """A model whose window of 4096 tokens is counted: a character of a message or a tool is a token."""

    @hookimpl
    async def count_tokens(self, messages: Sequence[Message], options: GenerateOptions) -> TokenCount:
        tools = sum(len(str(tool.parameters)) for tool in options.tools)
        return TokenCount(tools + sum(len(message.content) for message in messages), 4096)


def test_tools_that_a_small_model_cannot_read_do_not_keep_it_from_quoting(tmp_path: Path) -> None:
    config = {"general": {"inference_provider": "extract"}, "extract": {"otherwise": "model"}, "model": {}, "shelf": {}}
    tools = [{"type": "function", "function": {**WEATHER["function"], "name": f"weather{n}"}} for n in range(60)]
    with serve(config, tmp_path, {"shelf": Shelf, "model": Narrow}) as server:
        headers = {"Authorization": f"Bearer {server.key}"}

        def ask(question: str = "How is the ferry?", **more: Any) -> httpx.Response:
            body = {"model": "orbit", "messages": [{"role": "user", "content": question}], **more}
            return httpx.post(f"{server.url}/v1/chat/completions", json=body, headers=headers)

        def text(**more: Any) -> str:
            message = ask(**more).json()["choices"][0]["message"]
            assert "tool_calls" not in message
            return str(message["content"])

        assert text(tools=tools).startswith("Quoted from Guide")
        assert text(tools=tools, tool_choice="auto").startswith("Quoted from Guide")
        assert text(tools=tools, question="nothing").startswith("I answer with quotations")
        assert text(tools=tools, question=PASSAGES + "nothing").startswith(f"You said: {PASSAGES}")
        assert text(tools=tools, messages=ROUND).startswith("You said: Rain")
        required = ask(tools=tools, tool_choice="required")
        assert required.status_code == 400
        assert "offer fewer tools" in required.json()["error"]["message"]
        assert ask(tools=tools[:5]).json()["choices"][0]["message"]["tool_calls"]


async def answer(host: Any, **arguments: Any) -> tuple[str, str | None]:
    call = host.registry.caller("generate", "extract")
    given = {"messages": [Message("user", "hello")], "options": GenerateOptions(), "documents": (), "question": "hello"}
    chunks = [chunk async for chunk in call(**given | arguments, context=CONTEXT)]
    return "".join(chunk.text for chunk in chunks), chunks[-1].finish_reason


async def test_without_passages_another_provider_answers_or_a_fixed_text(tmp_path: Path) -> None:
    async with make_host({"extract": {}}, tmp_path) as host:
        assert "none for this question" in (await answer(host))[0]
    settings = {
        "extract": {"otherwise": "echo"},
        "echo": {},
        "general": {"inference_provider": "extract"},
    }
    async with make_host(settings, tmp_path) as host:
        assert await answer(host) == ("hello", "stop")
        assert "[1]" in (await answer(host, question="ferry", documents=[Document("1", FERRY)]))[0]


class Notes(Provider):
    """Finds a passage with notes of its own."""

    @hookimpl
    async def retrieve(self) -> list[Document]:
        text = "Paris is the capital.[2] It lies on the Seine [3], as `rivers[0]` says. [4] is a note."
        return [Document("1", text, "a.md"), Document("2", "Lyon is a city.", "b.md")]


def test_notes_of_a_quotation_are_no_citations(tmp_path: Path) -> None:
    with serve({"extract": {}, "notes": {}}, tmp_path, {"notes": Notes}) as server:
        asked = {"message": "What is the capital on the Seine?", "stream": False}
        reply = httpx.post(f"{server.url}/chat", json=asked, headers={"X-API-Key": server.key}).json()["response"]
    assert "the capital.(2) It lies on the Seine (3), as `rivers[0]` says. (4) is a note. [1]" in reply


async def test_tables_are_quoted_by_whole_lines(tmp_path: Path) -> None:
    rows = "".join(f"| P-{number} | {number} EUR |\n" for number in range(100, 160))
    table = Document("1", f"| part | price |\n|---|---|\n{rows}", "prices.csv", "Prices")
    async with make_host({"extract": {"max_chars": 50}}, tmp_path) as host:
        text, _ = await answer(host, question="What does P-142 cost?", documents=[table])
    assert text.startswith("Quoted from Prices:\n\n| part | price |\n|---|---|\n")
    assert "\n| P-142 | 142 EUR |\n" in text
    assert text.endswith(" |\n\n[1]")


@pytest.mark.parametrize(("words", "text"), [(2, "one\ntwo"), (4, "one\ntwo  three\nfour")])
async def test_a_limit_counts_words_whatever_is_between_them(words: int, text: str, tmp_path: Path) -> None:
    documents = [Document("1", "one\ntwo  three\nfour five")]
    async with make_host({"extract": {"introduction": ""}}, tmp_path) as host:
        assert await answer(host, documents=documents, options=GenerateOptions(max_tokens=words)) == (text, "length")


async def test_options_end_it(tmp_path: Path) -> None:
    documents = [Document("1", FERRY, title="Guide")]
    async with make_host({"extract": {}}, tmp_path) as host:
        cut = await answer(host, documents=documents, options=GenerateOptions(max_tokens=5))
        stopped = await answer(host, documents=documents, options=GenerateOptions(stop=("ferry",)))
    assert cut[1] == "length"
    assert len(cut[0].split()) <= 5
    assert stopped[1] == "stop"
    assert "ferry" not in stopped[0]
