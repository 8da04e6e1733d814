"""Requests through a server with an answer cache: which get an earlier answer, and which do not."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Sequence
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest

import orbit
from orbit.auth.keys import new_key
from orbit.config.load import parse_config
from orbit.host.host import OrbitHost
from orbit.testing import RunningServer, serve

SYSTEM = {"role": "system", "content": "Be brief."}


class Counts(orbit.Provider):
    """Answers with the number of the answer, or as the question says."""

    class Settings(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
        """Its model."""

        model: str = "one"

    settings: Settings
    answers = 0

    @orbit.hookimpl
    async def models(self, context: orbit.CallContext) -> Sequence[orbit.Model]:
        return [orbit.Model(name, supports=frozenset({"tools"})) for name in ("one", "two")]

    @orbit.hookimpl
    async def generate(
        self, messages: Sequence[orbit.Message], options: orbit.GenerateOptions
    ) -> AsyncIterator[orbit.Chunk]:
        self.answers += 1
        asked = messages[-1].content
        if "empty" in asked:
            yield orbit.Chunk(" ")
        yield orbit.Chunk(f"answer {self.answers} ")
        yield orbit.Chunk("of ")
        yield orbit.Chunk(self.name)
        if "fail" in asked:
            raise orbit.ProviderError("it fails")
        reason: Any = "content_filter" if "filter" in asked else "length" if "long" in asked else "stop"
        yield orbit.Chunk(finish_reason=reason, usage=orbit.Usage(7, 3))


class Shelf(orbit.Provider):
    """Finds one passage, whose text can be changed."""

    text = "The library opens at nine."

    @orbit.hookimpl
    async def retrieve(self, query: orbit.Query) -> list[orbit.Document]:
        return [orbit.Document("1", self.text, "hours.md", score=0.9)]


CONFIG: dict[str, Any] = {
    "counts": {},
    "second": {"use": "counts"},
    "cache": {},
    "general": {"inference_provider": "counts"},
    "models": {
        "default": "plain",
        "plain": {"provider": "counts"},
        "two": {"provider": "counts", "model": "two"},
        "second": {"provider": "second"},
        "warm": {"provider": "counts", "options": {"temperature": 0.7}},
    },
}
PLUGINS: dict[str, type[orbit.Provider]] = {"counts": Counts, "shelf": Shelf}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    with serve(CONFIG, tmp_path_factory.mktemp("orbit"), PLUGINS) as running:
        yield running


@pytest.fixture
def ask(server: RunningServer, request: pytest.FixtureRequest) -> Any:
    """Ask a question of this test's own; return the answer's text."""

    def asked(question: str = "", key: str = "", **body: Any) -> str:
        messages = [SYSTEM, {"role": "user", "content": f"{request.node.name} {question}"}]
        answer = post(server, key or server.key, messages=messages, **body)
        return str(answer["choices"][0]["message"]["content"])

    return asked


def post(server: RunningServer, key: str, **body: Any) -> dict[str, Any]:
    headers = {"Authorization": f"Bearer {key}"}
    url = f"{server.url}/v1/chat/completions"
    response = httpx.post(url, json={"model": "orbit", **body}, headers=headers, timeout=30)
    assert response.status_code == 200, response.text
    answer: dict[str, Any] = response.json()
    return answer


def figure(server: RunningServer, name: str) -> float:
    return float(server.provider("cache").metrics()[name])


@pytest.mark.parametrize(
    "options", [{}, {"temperature": 0}, {"seed": 3, "temperature": 1}, {"max_tokens": 9}, {"stop": ["x"]}], ids=str
)
def test_an_equal_request_gets_the_same_answer(server: RunningServer, ask: Any, options: dict[str, Any]) -> None:
    hits = figure(server, "hits_total")
    assert ask(**options) == ask(**options) == ask(**options)
    assert figure(server, "hits_total") == hits + 2


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({}, {"question": "another"}),
        ({}, {"temperature": 0}),
        ({"seed": 1}, {"seed": 2}),
        ({"max_tokens": 9}, {"max_tokens": 10}),
        ({}, {"stop": ["x"]}),
        ({}, {"response_format": {"type": "json_object"}}),
        ({"model": "plain"}, {"model": "two"}),
        ({"model": "plain"}, {"model": "second"}),
    ],
    ids=str,
)
def test_another_request_gets_an_answer_of_its_own(ask: Any, one: dict[str, Any], other: dict[str, Any]) -> None:
    assert ask(**one) != ask(**other)
    assert ask(**one) == ask(**one)
    assert ask(**other) == ask(**other)


def test_each_key_has_answers_of_its_own(server: RunningServer, ask: Any) -> None:
    secret, key = new_key("Ana")
    server.call(server.services.database.create_key(key))
    assert ask() != ask(key=secret)
    assert ask() == ask()


TOOL = {"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}


@pytest.mark.parametrize(
    "body",
    [
        {"temperature": 0.1},
        {"model": "warm"},
        {"tools": [TOOL]},
        {"tools": [TOOL], "tool_choice": "none", "temperature": 0},
        {"question": "filter"},
    ],
    ids=str,
)
def test_what_is_not_kept(ask: Any, body: dict[str, Any]) -> None:
    assert ask(**body) != ask(**body)


def test_results_of_tools_are_not_kept(server: RunningServer) -> None:
    call = {"id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}}
    messages = [
        {"role": "user", "content": "tools"},
        {"role": "assistant", "content": None, "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "c", "content": "4"},
    ]
    one, other = (post(server, server.key, messages=messages, tools=[TOOL])["choices"][0] for _ in range(2))
    assert one["message"]["content"] != other["message"]["content"]


def test_an_answer_that_failed_is_not_kept(server: RunningServer) -> None:
    body = {"message": "fail", "stream": False}
    hits = figure(server, "hits_total")
    for _ in range(2):
        answer = httpx.post(f"{server.url}/chat", json=body, headers={"X-API-Key": server.key}, timeout=30)
        assert answer.status_code == 502
    assert figure(server, "hits_total") == hits


def test_streams_and_whole_answers_share_what_is_kept(server: RunningServer) -> None:
    question = {"message": "shared"}
    headers = {"X-API-Key": server.key}
    whole = httpx.post(f"{server.url}/chat", json={**question, "stream": False}, headers=headers, timeout=30).json()
    frames = httpx.post(f"{server.url}/chat", json=question, headers=headers, timeout=30).text
    pieces = [msgspec.json.decode(line[6:]) for line in frames.splitlines() if line.startswith("data: {")]
    assert "".join(piece["text"] for piece in pieces if not piece["done"]) == whole["response"]
    assert (pieces[-1]["finish_reason"], pieces[-1]["metadata"]["provider"]) == ("stop", "counts")
    assert whole["usage"] == {"prompt_tokens": 7, "completion_tokens": 3}
    assert pieces[-1]["usage"] == {"prompt_tokens": 7, "completion_tokens": 3, "cached_tokens": 7}


def test_changed_passages_get_a_new_answer(server: RunningServer) -> None:
    with_shelf = {**CONFIG, "shelf": {}, "cache": {"sampled": True}}
    folder = server.services.config.data_dir.parent / "with-shelf"
    with serve(with_shelf, folder, PLUGINS) as shelved:
        messages = [{"role": "user", "content": "When?"}]

        def answer(**body: Any) -> Any:
            return post(shelved, shelved.key, messages=messages, **body)["choices"][0]["message"]["content"]

        before = answer()
        assert answer() == before
        shelved.provider("shelf").text = "The library opens at ten."
        assert answer() != before
        shelved.provider("shelf").text = Shelf.text
        assert answer() == before
        assert answer(temperature=1) == answer(temperature=1)  # sampled


async def test_old_answers_and_too_many_go() -> None:
    from orbit_cache import CacheProvider, CacheSettings

    provider = CacheProvider("cache", CacheSettings(max_bytes=2600), None)  # type: ignore[arg-type]  # it asks no host

    async def answer() -> AsyncIterator[orbit.Chunk]:
        yield orbit.Chunk("x" * 20)
        yield orbit.Chunk(finish_reason="stop")

    async def asked(question: str) -> float:
        before = provider.metrics()["hits_total"]
        messages, context = [orbit.Message("user", question)], orbit.CallContext("r")
        steps = provider.generate(messages, orbit.GenerateOptions(), context, question, (), "model")
        next(steps)
        with pytest.raises(StopIteration) as end:
            steps.send(answer())
        assert [chunk.text async for chunk in end.value.value] == ["x" * 20, ""]
        return provider.metrics()["hits_total"] - before

    assert [await asked(name) for name in "aabb"] == [0, 1, 0, 1]
    assert await asked("c") == 0  # there is room for two: a goes
    assert [await asked(name) for name in "bca"] == [1, 1, 0]
    assert provider.metrics()["bytes"] <= 2600


def test_a_reload_that_changes_a_model_begins_with_an_empty_cache(tmp_path: Path) -> None:
    def made(former: OrbitHost | None = None, **sections: Any) -> OrbitHost:
        data = {"general": {"data_dir": str(tmp_path), "inference_provider": "echo"}, "cache": {}, **sections}
        config, problems = parse_config(data, "test", {})
        assert not problems
        return OrbitHost(config, former=former)

    first = made(echo={}, extract={})
    same = made(first, echo={}, extract={})
    changed = made(first, echo={}, extract={"max_chars": 100})
    assert same.registry["cache"] is first.registry["cache"]
    assert changed.registry["cache"] is not first.registry["cache"]
