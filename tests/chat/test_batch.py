"""Several prompts at ``/v1/completions``: each is a turn of its own."""

import asyncio
from collections.abc import AsyncIterator, Iterator, Sequence
from typing import Any

import httpx
import openai
import pytest
from serve_kit import eventually

import orbit
from orbit import Chunk, Usage, WrittenToken
from orbit.auth.keys import new_key
from orbit.database.budgets import Budgets
from orbit.testing import RunningServer, serve


class Worker(orbit.Provider):
    """Answers in two pieces, and counts its answers."""

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self.running = self.most = 0

    @orbit.hookimpl
    async def models(self) -> list[orbit.Model]:
        return [orbit.Model("worker", 4096, frozenset({"logprobs"}))]

    @orbit.hookimpl
    async def generate(self, messages: Sequence[orbit.Message], options: orbit.GenerateOptions) -> AsyncIterator[Chunk]:
        asked = messages[-1].content
        self.running += 1
        self.most = max(self.most, self.running)
        try:
            while "endless" in asked:
                yield Chunk("word ")
                await asyncio.sleep(0.01)
            if "fail" in asked:
                raise orbit.ProviderError("it fails.", client="It fails.")
            for text in (f"{asked}:", " yes"):
                await asyncio.sleep(0.01)
                tokens = () if options.logprobs is None else (WrittenToken(text, -0.1),)
                yield Chunk(text, logprobs=tokens)
            yield Chunk(finish_reason="length" if "long" in asked else "stop", usage=Usage(10, 4, 2, 1))
        finally:
            self.running -= 1


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    config: dict[str, Any] = {
        "worker": {},
        "guard": {"word": "forbidden"},
        "diary": {},
        "limits": {"max_concurrent": 3, "max_message_chars": 100},
    }
    with serve(config, tmp_path_factory.mktemp("batch"), {"worker": Worker}) as server:
        yield server


@pytest.fixture
def api(server: RunningServer) -> Iterator[Any]:
    server.settle()
    server.provider("diary").records = []
    with openai.OpenAI(base_url=f"{server.url}/v1", api_key=server.key, max_retries=0) as client:
        yield client


def answered(api: Any, prompts: list[str], *, stream: bool, **options: Any) -> tuple[dict[int, tuple[str, str]], Any]:
    """Return text and finish reason by index, and the usage; each choice must have its own metadata."""
    if not stream:
        whole = api.completions.create(model="orbit", prompt=prompts, **options)
        assert [choice.index for choice in whole.choices] == list(range(len(prompts)))
        assert all(choice.orbit["provider"] for choice in whole.choices if choice.finish_reason != "content_filter")
        return {choice.index: (choice.text, choice.finish_reason) for choice in whole.choices}, whole.usage
    options["stream_options"] = {"include_usage": True}
    *chunks, last = api.completions.create(model="orbit", prompt=prompts, stream=True, **options)
    assert {chunk.id for chunk in chunks} == {last.id}
    texts: dict[int, str] = {}
    reasons: dict[int, str] = {}
    for chunk in chunks:
        (choice,) = chunk.choices
        assert choice.index not in reasons, "nothing follows the finish reason of a choice"
        texts[choice.index] = texts.get(choice.index, "") + choice.text
        if choice.finish_reason:
            reasons[choice.index] = choice.finish_reason
            assert "request_id" in chunk.orbit
    assert last.choices == []
    return {index: (texts[index], reasons[index]) for index in sorted(texts)}, last.usage


@pytest.mark.parametrize("stream", [False, True])
def test_each_prompt_is_answered(server: RunningServer, api: Any, *, stream: bool) -> None:
    prompts = ["one", "long two", "forbidden", *map(str, range(9))]
    found, usage = answered(api, prompts, stream=stream)
    assert found[0] == ("one: yes", "stop")
    assert found[1] == ("long two: yes", "length")
    assert found[2][1] == "content_filter"
    assert [found[index][0] for index in range(3, 12)] == [f"{number}: yes" for number in range(9)]
    counted = (usage.prompt_tokens, usage.completion_tokens, usage.prompt_tokens_details.cached_tokens)
    assert counted == (110, 44, 22), "the sum; no model has read the refused one"
    server.settle()
    assert sorted(record.query for record in server.provider("diary").records) == sorted(prompts)
    assert server.provider("worker").most == 3, "as many as there are places"


def test_probabilities_of_each(api: Any) -> None:
    whole = api.completions.create(model="orbit", prompt=["one", "three"], logprobs=0)
    assert [choice.logprobs.text_offset for choice in whole.choices] == [[0, 4], [0, 6]]
    pieces = list(api.completions.create(model="orbit", prompt=["one", "three"], logprobs=0, stream=True))
    offsets = [(item.choices[0].index, item.choices[0].logprobs.text_offset) for item in pieces if item.choices[0].text]
    assert sorted(offsets) == [(0, [0]), (0, [4]), (1, [0]), (1, [6])]


@pytest.mark.parametrize("stream", [False, True])
def test_a_failure_ends_all(server: RunningServer, api: Any, *, stream: bool) -> None:
    with pytest.raises(openai.APIError, match="It fails"):
        list(api.completions.create(model="orbit", prompt=["endless", "fail"], stream=stream))
    eventually(lambda: server.provider("worker").running == 0)
    server.settle()
    statuses = {record.query: record.status for record in server.provider("diary").records}
    assert statuses == {"endless": "cancelled", "fail": "provider_failed"}


@pytest.mark.parametrize("stream", [False, True])
def test_a_client_that_leaves_ends_all(server: RunningServer, api: Any, *, stream: bool) -> None:
    del api
    body = {"model": "orbit", "prompt": ["endless 1", "endless 2", "endless 3", "four"], "stream": stream}
    headers = {"Authorization": f"Bearer {server.key}"}
    worker, timeout = server.provider("worker"), httpx.Timeout(10, read=0.5)
    if stream:
        with httpx.stream("POST", f"{server.url}/v1/completions", json=body, headers=headers) as response:
            next(response.iter_lines())
            eventually(lambda: worker.running == 3)
    else:
        with pytest.raises(httpx.ReadTimeout):
            httpx.post(f"{server.url}/v1/completions", json=body, headers=headers, timeout=timeout)
    eventually(lambda: worker.running == 0)
    server.settle()
    assert len(server.provider("diary").records) == 3, "the fourth did not begin"


@pytest.mark.parametrize(
    ("prompt", "status", "message"),
    [
        (["one", " "], 400, "must not be empty"),
        ([], 400, "length >= 1"),
        (["one"] * 129, 400, "at most 128"),
        (["one", [1, 2]], 400, "not numbers of tokens"),
        (["one", "two" * 40], 413, "at most 100"),
    ],
)
def test_prompts_that_are_refused(api: Any, prompt: Any, status: int, message: str) -> None:
    with pytest.raises(openai.APIStatusError, match=message) as raised:
        api.completions.create(model="orbit", prompt=prompt)
    assert raised.value.status_code == status


def with_key(server: RunningServer, **options: Any) -> Any:
    secret, record = new_key("client", **options)
    server.call(server.services.database.create_key(record))
    return openai.OpenAI(
        base_url=f"{server.url}/v1", api_key=secret, max_retries=0
    ).completions.with_raw_response.create


def test_each_prompt_counts_as_a_request_of_the_key(server: RunningServer) -> None:
    ask = with_key(server, requests_per_minute=5)
    assert ask(model="orbit", prompt=["a", "b", "c"]).headers["ratelimit-remaining"] == "2"
    with pytest.raises(openai.RateLimitError):
        ask(model="orbit", prompt=["a", "b", "c"])
    with pytest.raises(openai.BadRequestError, match="may make 5 a minute") as raised:
        ask(model="orbit", prompt=["a"] * 6)
    assert raised.value.param == "prompt"
    assert ask(model="orbit", prompt="a").headers["ratelimit-remaining"] == "0", "the 429 counted nothing, the 400 once"


def test_each_prompt_is_charged(server: RunningServer) -> None:
    ask = with_key(server, budgets=Budgets(requests_per_month=4))
    assert ask(model="orbit", prompt=["a", "b", "c"]).parse().usage.total_tokens == 42
    with pytest.raises(openai.RateLimitError, match="budget of 4 requests a month"):
        ask(model="orbit", prompt=["a", "b"])
