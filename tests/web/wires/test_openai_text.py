"""``/v1/completions`` and ``/v1/rerank``, as clients of OpenAI, vLLM, Jina and Cohere send them."""

from collections.abc import Iterator
from typing import Any

import httpx
import openai
import pytest
from tools_model import ToolsModel

import orbit
from orbit import Chunk, LikelyToken, WrittenToken
from orbit.testing import RunningServer, serve


class Longest(orbit.Provider):
    """Ranks long documents first; a score is a hundredth of the length."""

    def model(self, hook: str) -> str:
        return f"longest-{hook}"

    @orbit.hookimpl
    async def rerank(self, documents: list[orbit.Document], limit: int) -> list[orbit.Document]:
        found = sorted(documents, key=lambda document: -len(document.text))
        return [orbit.Document(item.id, item.text, score=len(item.text) / 100) for item in found][:limit]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    config: dict[str, Any] = {"tools_model": {}, "backwards": {}, "longest": {}}
    plugins = {"tools_model": ToolsModel, "longest": Longest}
    with serve(config, tmp_path_factory.mktemp("text"), plugins) as server:
        yield server


@pytest.fixture
def api(server: RunningServer) -> Iterator[Any]:
    server.provider("tools_model").chunks = []
    with openai.OpenAI(base_url=f"{server.url}/v1", api_key=server.key, max_retries=0) as client:
        yield client


def test_a_completion(server: RunningServer, api: Any) -> None:
    answer = api.completions.create(model="orbit", prompt="hello", max_tokens=7, temperature=0.5, stop=["END"])
    assert (answer.object, answer.choices[0].text, answer.choices[0].finish_reason) == (
        "text_completion",
        "You said: hello",
        "stop",
    )
    assert answer.id.startswith("cmpl-")
    assert (answer.usage.total_tokens, answer.orbit["provider"]) == (30, "tools_model")
    _, options = server.provider("tools_model").seen[-1]
    assert (options.max_tokens, options.temperature, options.stop) == (7, 0.5, ("END",))
    assert api.completions.create(model="orbit", prompt=["hello"]).choices[0].text == "You said: hello"


@pytest.mark.parametrize("include_usage", [True, False])
def test_a_streamed_completion(server: RunningServer, api: Any, *, include_usage: bool) -> None:
    server.provider("tools_model").chunks = [
        Chunk(reasoning="Hm."),
        Chunk("One "),
        Chunk("two"),
        Chunk(finish_reason="length", usage=orbit.Usage(3, 2)),
    ]
    options: Any = {"stream_options": {"include_usage": True}} if include_usage else {}
    chunks = list(api.completions.create(model="orbit", prompt="hello", stream=True, **options))
    pieces = [chunk for chunk in chunks if chunk.choices]
    assert {chunk.object for chunk in chunks} == {"text_completion"}
    assert [chunk.choices[0].text for chunk in pieces] == ["One ", "two", ""]
    assert [chunk.choices[0].finish_reason for chunk in pieces] == [None, None, "length"]
    if include_usage:
        assert chunks[-1].usage.total_tokens == 5


@pytest.mark.parametrize("stream", [True, False])
def test_probabilities(server: RunningServer, api: Any, *, stream: bool) -> None:
    tokens = [WrittenToken(text, -0.1, None, (LikelyToken(text, -0.1),)) for text in ("One", " two")]
    said = [Chunk(token.token, logprobs=(token,)) for token in tokens]
    server.provider("tools_model").chunks = [*said, Chunk(finish_reason="stop")]
    answer = api.completions.create(model="orbit", prompt="hello", logprobs=1, stream=stream)
    found = [item.choices[0].logprobs for item in (answer if stream else [answer])]
    seen = [
        token for logprobs in found if logprobs for token in zip(logprobs.tokens, logprobs.text_offset, strict=True)
    ]
    assert seen == [("One", 0), (" two", 3)]
    assert found[0].top_logprobs[0] == {"One": -0.1}


@pytest.mark.parametrize(
    ("changes", "param"),
    [
        ({"prompt": [1, 2, 3]}, "prompt"),
        ({"prompt": [[1, 2]]}, "prompt"),
        ({"prompt": " "}, "prompt"),
        ({"n": 2}, "n"),
        ({"best_of": 2}, "best_of"),
        ({"echo": True}, "echo"),
        ({"suffix": "}"}, "suffix"),
        ({"extra_body": {"prompt_embeds": "AAAA"}}, "prompt_embeds"),
        ({"extra_body": {"lora": [{"id": 0, "scale": 1.0}]}}, "lora"),
        ({"extra_body": {"n_cmpl": 2}}, "n_cmpl"),
        ({"extra_body": {"ebnf": "root ::= x"}}, "ebnf"),
        ({"stream_options": {"include_usage": True}}, "stream_options"),
    ],
)
def test_what_is_not_supported_is_refused(api: Any, changes: dict[str, Any], param: str) -> None:
    with pytest.raises(openai.BadRequestError) as raised:
        api.completions.create(**{"model": "orbit", "prompt": "hello", **changes})
    assert raised.value.param == param


@pytest.mark.parametrize(
    ("prompt", "way_out"),
    [([1, 2, 3], "tokenized_requests=False"), ([[1, 2]], "must be text")],
)
def test_the_refusal_of_a_prompt_says_what_to_send(api: Any, prompt: Any, way_out: str) -> None:
    with pytest.raises(openai.BadRequestError, match=way_out):
        api.completions.create(model="orbit", prompt=prompt)


def ranked(server: RunningServer, path: str = "/v1/rerank", **changes: Any) -> Any:
    body = {"query": "which?", "documents": ["a", "ccc", {"text": "bb"}], **changes}
    return httpx.post(f"{server.url}{path}", headers={"Authorization": f"Bearer {server.key}"}, json=body)


@pytest.mark.parametrize("path", ["/v1/rerank", "/rerank", "/v2/rerank"])
def test_a_ranking(server: RunningServer, path: str) -> None:
    answer = ranked(server, path).json()
    assert [(item["index"], item["relevance_score"], item["document"]["text"]) for item in answer["results"]] == [
        (1, 0.03, "ccc"),
        (2, 0.02, "bb"),
        (0, 0.01, "a"),
    ]
    assert answer["model"] == "longest-rerank"
    assert answer["usage"] == {"prompt_tokens": 4, "total_tokens": 4}


def test_the_best_of_a_ranking(server: RunningServer) -> None:
    answer = ranked(server, top_n=1, return_documents=False, model="orbit", instruction="", user="me", new=1).json()
    assert answer["results"] == [{"index": 1, "relevance_score": 0.03}]


@pytest.mark.parametrize("model", ["longest-rerank", "longest"])
def test_a_reranker_by_its_model_or_name(server: RunningServer, model: str) -> None:
    assert ranked(server, model=model).json()["results"][0]["index"] == 1


def test_a_reranker_without_scores(server: RunningServer) -> None:
    results = ranked(server, model="backwards").json()["results"]
    assert [(item["index"], item["relevance_score"]) for item in results] == [(2, 1.0), (1, 0.5), (0, 1 / 3)]


@pytest.mark.parametrize("path", ["/v1/rerank", "/rerank"])
@pytest.mark.parametrize(
    ("changes", "status", "code"),
    [
        ({"model": "nothing"}, 404, "model_not_found"),
        ({"query": " "}, 400, "invalid_value"),
        ({"documents": []}, 400, "invalid_request"),
        ({"documents": ["x"] * 1001}, 400, "invalid_value"),
        ({"top_n": 0}, 400, "invalid_request"),
        ({"instruction": "Prefer short ones."}, 400, "unsupported_value"),
        ({"max_tokens_per_doc": 1}, 400, "unsupported_value"),
    ],
)
def test_what_is_wrong_with_a_ranking(
    server: RunningServer, path: str, changes: dict[str, Any], status: int, code: str
) -> None:
    answer = ranked(server, path, **changes)
    assert (answer.status_code, answer.json()["error"]["code"]) == (status, code)


def test_a_server_without_a_reranker_or_embeddings(tmp_path_factory: pytest.TempPathFactory) -> None:
    with serve({"script": {}}, tmp_path_factory.mktemp("none")) as server:
        answer = ranked(server)
        embedding = {"model": "any", "input": "hello"}
        headers = {"Authorization": f"Bearer {server.key}"}
        embedded = httpx.post(f"{server.url}/v1/embeddings", headers=headers, json=embedding)
    assert (answer.status_code, embedded.status_code) == (404, 404)
    assert answer.json()["error"]["message"] == "This server has no reranking model."
    assert embedded.json()["error"]["message"] == "This server has no embedding model."
