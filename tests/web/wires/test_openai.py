"""``/v1`` as the ``openai`` package speaks it, over a real socket."""

import asyncio
import base64
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import openai
import pytest
from tools_model import ToolsModel

import orbit
from orbit.auth.keys import new_key
from orbit.database.budgets import Budgets
from orbit.testing import serve


def client(server: Any, **options: Any) -> openai.OpenAI:
    return openai.OpenAI(base_url=f"{server.url}/v1", api_key=options.pop("key", server.key), max_retries=0, **options)


def ask(server: Any, messages: Any, key: str = "", **options: Any) -> Any:
    with client(server, key=key or server.key, _strict_response_validation=True) as api:  # of OpenAI's form only
        return api.chat.completions.create(model="script", messages=messages, **options)


HELLO: Any = [{"role": "user", "content": "hello"}]


def test_a_completion(tmp_path: Path) -> None:
    with serve({"script": {}, "shelf": {"texts": ["a passage"]}}, tmp_path) as server:
        answer = ask(server, HELLO)
    assert answer.object == "chat.completion"
    assert answer.id.startswith("chatcmpl-")
    assert answer.model == "script"
    (choice,) = answer.choices
    assert (choice.message.role, choice.message.content) == ("assistant", "word0 word1 word2 ")
    assert choice.finish_reason == "stop"
    assert answer.usage.completion_tokens == 3
    assert answer.usage.total_tokens == answer.usage.prompt_tokens + 3
    assert answer.orbit["sources"][0]["text"] == "a passage"


@pytest.mark.parametrize("include_usage", [True, False])
def test_a_streamed_completion(tmp_path: Path, *, include_usage: bool) -> None:
    options: Any = {"stream_options": {"include_usage": True}} if include_usage else {}
    with serve({"script": {}}, tmp_path) as server, client(server) as api:
        chunks = list(api.chat.completions.create(model="script", messages=HELLO, stream=True, **options))
    pieces = [chunk for chunk in chunks if chunk.choices]
    assert pieces[0].choices[0].delta.role == "assistant"
    assert "".join(chunk.choices[0].delta.content or "" for chunk in pieces) == "word0 word1 word2 "
    assert [chunk.choices[0].finish_reason for chunk in pieces] == [None, None, None, None, "stop"]
    assert len({chunk.id for chunk in chunks}) == 1
    if include_usage:
        assert chunks[-1].choices == []
        assert chunks[-1].usage.completion_tokens == 3
    assert all(chunk.usage is None for chunk in pieces)


async def test_the_asynchronous_client(tmp_path: Path) -> None:
    with serve({"script": {}}, tmp_path) as server:
        async with openai.AsyncOpenAI(base_url=f"{server.url}/v1", api_key=server.key, max_retries=0) as api:
            stream = await api.chat.completions.create(model="script", messages=HELLO, stream=True)
            text = "".join([chunk.choices[0].delta.content or "" async for chunk in stream])
    assert text == "word0 word1 word2 "


def test_what_is_asked_for_reaches_the_model(tmp_path: Path) -> None:
    messages = [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "One?"},
        {"role": "assistant", "content": [{"type": "thinking", "thinking": "Hm."}, {"type": "text", "text": "Two."}]},
        {"role": "user", "content": [{"type": "text", "text": "Three"}, {"type": "text", "text": "?"}]},
    ]
    schema = {"type": "object", "properties": {"safe": {"type": "boolean"}}}
    with serve({"script": {}, "general": {"default_system_prompt": "Be kind."}}, tmp_path) as server:
        ask(
            server,
            messages,
            temperature=0.5,
            top_p=0.9,
            max_completion_tokens=7,
            seed=3,
            stop=["END"],
            user="someone",
            response_format={"type": "json_schema", "json_schema": {"name": "x", "schema": schema}},
        )
        (seen, options, _) = server.provider("script").seen[0]
    assert [(message.role, message.content) for message in seen] == [
        ("system", "Be kind.\n\nBe brief."),
        ("user", "One?"),
        ("assistant", "Two."),
        ("user", "Three?"),
    ]
    assert (options.temperature, options.top_p, options.max_tokens, options.seed) == (0.5, 0.9, 7, 3)
    assert options.stop == ("END",)
    assert options.json_schema == schema


@pytest.mark.parametrize(
    ("changes", "param"),
    [
        ({"n": 2}, "n"),
        ({"tools": [{"type": "function", "function": {"name": "f"}}]}, "tools"),
        ({"logprobs": True}, "logprobs"),
        ({"logit_bias": {"5": 1}}, "logit_bias"),
        ({"extra_body": {"tool_choice": "required"}}, "tool_choice"),
        ({"extra_body": {"functions": [{"name": "f"}]}}, "functions"),
        ({"reasoning_effort": "high"}, "reasoning_effort"),
        ({"top_logprobs": 2}, "top_logprobs"),
        ({"modalities": ["text", "audio"]}, "modalities"),
        ({"prediction": {"type": "content", "content": "x"}}, "prediction"),
        ({"extra_body": {"chat_template_kwargs": {"enable_thinking": False}}}, "chat_template_kwargs"),
        ({"extra_body": {"guided_json": {"type": "object"}}}, "guided_json"),
        ({"extra_body": {"mirostat": 2}}, "mirostat"),
        ({"extra_body": {"think": False}}, "think"),
        ({"extra_body": {"random_seed": 7}}, "random_seed"),
        ({"extra_body": {"safe_prompt": True}}, "safe_prompt"),
        ({"extra_body": {"ignore_eos": True}}, "ignore_eos"),
        ({"extra_body": {"num_ctx": 8192}}, "num_ctx"),
        ({"extra_body": {"num_predict": 5}}, "num_predict"),
        ({"extra_body": {"format": "json"}}, "format"),
        ({"extra_body": {"max_new_tokens": 5}}, "max_new_tokens"),
        ({"extra_body": {"stop_sequences": ["x"]}}, "stop_sequences"),
        ({"stream_options": {"include_usage": True}}, "stream_options"),
        ({"messages": [{"role": "assistant", "content": "x"}]}, "messages"),
        ({"messages": [{"role": "user", "content": "  "}]}, "messages"),
        ({"messages": [{"role": "tool", "content": "x", "tool_call_id": "1"}]}, "messages[0].tool_call_id"),
        (
            {"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "x"}}]}]},
            "messages[0].content[0].image_url",
        ),
        ({"temperature": 3.0}, "temperature"),
        ({"messages": []}, "messages"),
        ({"messages": [{"role": "robot", "content": "x"}]}, "messages[0].role"),
        ({"extra_body": {"tools": [{"type": "function", "function": {}}]}}, "tools[0].function.name"),
    ],
)
def test_what_is_not_supported_is_refused(tmp_path: Path, changes: dict[str, Any], param: str) -> None:
    with serve({"script": {}}, tmp_path) as server, pytest.raises(openai.BadRequestError) as raised:
        ask(server, **{"messages": HELLO, **changes})
    assert raised.value.param == param
    assert raised.value.type == "invalid_request_error"


def test_what_changes_nothing_is_passed_over(tmp_path: Path) -> None:
    with serve({"script": {}}, tmp_path) as server:
        answer = ask(
            server,
            HELLO,
            user="u",
            metadata={"a": "b"},
            store=False,
            n=1,
            tools=[],
            tool_choice="auto",
            logprobs=False,
            logit_bias={},
            service_tier="auto",
            parallel_tool_calls=False,
            modalities=["text"],
            extra_body={"x": 1, "mirostat": 0, "reasoning_effort": None},
        )
        assert answer.orbit["ignored"] == ["x"]
        assert "ignored" not in ask(server, HELLO).orbit


def test_options_of_other_servers_reach_the_model(tmp_path: Path) -> None:
    penalties: dict[str, Any] = {"presence_penalty": 0.5, "frequency_penalty": -0.5}
    with serve({"script": {}}, tmp_path) as server:
        ask(server, HELLO, **penalties, extra_body={"top_k": 5, "min_p": 0.1, "repetition_penalty": 1.2})
        ask(server, HELLO, extra_body={"repeat_penalty": 1.3})
        (first, second) = [options for _, options, _ in server.provider("script").seen]
    assert (first.top_k, first.min_p, first.repeat_penalty) == (5, 0.1, 1.2)
    assert (first.presence_penalty, first.frequency_penalty) == (0.5, -0.5)
    assert second.repeat_penalty == 1.3


def test_options_that_would_break_the_answer_do_not_reach_the_model(tmp_path: Path) -> None:
    with serve({"script": {}}, tmp_path) as server:
        for stop in ("", ["", "END"]):
            ask(server, HELLO, stop=stop)
        with pytest.raises(openai.BadRequestError, match="seed"):
            ask(server, HELLO, seed=2**63)
        assert [options.stop for _, options, _ in server.provider("script").seen] == [(), ("END",)]


OWN_TOKENS = {"onnx": ((101, 7592, 2088, 102), (7592, 2088)), "wordllama": ((1, 15043, 3186), (15043, 3186))}
"""By embedder, "hello world" in its model's vocabulary: with the tokens around a text, and without."""


@pytest.mark.parametrize("embedder", OWN_TOKENS)
def test_embeddings_of_tokens_are_those_of_their_text(tmp_path: Path, embedder: str) -> None:
    around, plain = OWN_TOKENS[embedder]
    with serve({"echo": {}, embedder: {}}, tmp_path) as server, client(server) as api:
        model = server.provider(embedder).model("embed")
        text = api.embeddings.create(model=model, input="Hello world").data[0].embedding
        several = api.embeddings.create(model=model, input=[around, plain])
        one = api.embeddings.create(model=model, input=plain)
        many = api.embeddings.create(model=model, input=[plain] * 70)
        for found in (*several.data, *one.data, *many.data):
            assert found.embedding == pytest.approx(text, abs=1e-6)
        assert [len(found.data) for found in (several, one, many)] == [2, 1, 70]
        assert several.usage.prompt_tokens == len(around) + len(plain)


OF_OPENAI = (4599, 1587, 279, 6875, 1825, 30)
""""When does the library open?" in cl100k_base, which LangChain sends to every model."""


@pytest.mark.parametrize("embedder", ["bag", *OWN_TOKENS])
@pytest.mark.parametrize("tokens", [OF_OPENAI, [OF_OPENAI, (1, 2)], [100_000_000], [-1]])
def test_embeddings_of_other_tokens_are_refused_with_the_mend(tmp_path: Path, embedder: str, tokens: Any) -> None:
    with serve({"echo": {}, embedder: {}}, tmp_path) as server, client(server) as api:
        model = server.provider(embedder).model("embed")
        with pytest.raises(openai.BadRequestError, match="check_embedding_ctx_length=False") as raised:
            api.embeddings.create(model=model, input=tokens)
        assert raised.value.param == "input"


@pytest.mark.parametrize("given", [[[]], ["x", [1]], [1, "x"], [], [""], [1.5], [[1, "x"]], [1] * 3000 + ["x"]])
def test_embeddings_of_odd_inputs_are_refused(tmp_path: Path, given: Any) -> None:
    with serve({"echo": {}, "wordllama": {}}, tmp_path) as server, client(server) as api:
        with pytest.raises(openai.BadRequestError) as raised:
            api.embeddings.create(model=server.provider("wordllama").model("embed"), input=given)
        assert raised.value.param is None or raised.value.param.startswith("input")


CHANGED: list[dict[str, Any]] = [
    *({"input_type": "query"}, {"task_type": "CLUSTERING"}, {"truncate": "END"}, {"output_dtype": "int8"}),
    *({"normalize": False}, {"normalize": 1}, {"output_dimension": 64}),
]


def test_parameters_that_would_change_vectors_are_refused(tmp_path: Path) -> None:
    with serve({"echo": {}, "bag": {}}, tmp_path) as server, client(server) as api:
        model = server.provider("bag").model("embed")
        same = {"input_type": "passage", "truncate": "NONE", "normalize": True, "task": None, "user": "me", "new": 1}
        assert api.embeddings.create(model=model, input="x", extra_body=same).data
        for given in CHANGED:
            with pytest.raises(openai.BadRequestError) as raised:
                api.embeddings.create(model=model, input="x", extra_body=given)
            assert (raised.value.param, raised.value.code) == (*given, "unsupported_value")


@pytest.mark.parametrize("spelling", ["script:latest", "SCRIPT", "Script:latest", "models/script"])
def test_a_model_by_another_spelling_of_its_name(tmp_path: Path, spelling: str) -> None:
    with serve({"script": {}}, tmp_path) as server, client(server) as api:
        assert api.chat.completions.create(model=spelling, messages=HELLO).choices[0].message.content
        assert api.models.retrieve(spelling).id == "script"
        assert {model.id for model in api.models.list()} == {"script", "orbit"}
        with pytest.raises(openai.NotFoundError):
            api.chat.completions.create(model=f"{spelling}x", messages=HELLO)


def test_errors_are_the_right_exceptions(tmp_path: Path) -> None:
    with serve({"script": {}}, tmp_path) as server:
        with client(server, key="api_wrong") as api, pytest.raises(openai.AuthenticationError) as wrong:
            api.chat.completions.create(model="script", messages=HELLO)
        with client(server) as api, pytest.raises(openai.NotFoundError) as unknown:
            api.chat.completions.create(model="gpt-9", messages=HELLO)
    assert wrong.value.code == "invalid_api_key"
    assert unknown.value.code == "model_not_found"
    assert "Models: script, orbit." in unknown.value.message
    with serve({"script": {"window": 20}}, tmp_path) as server, pytest.raises(openai.BadRequestError) as long:
        ask(server, [{"role": "user", "content": "word " * 100}])
    assert long.value.code == "context_length_exceeded"
    config = {"script": {"fail_after": 0, "kind": "rejected"}}
    with serve(config, tmp_path) as server, pytest.raises(openai.BadRequestError) as rejected:
        ask(server, HELLO)
    assert rejected.value.code == "provider_rejected"
    config = {"script": {"fail_after": 0, "kind": "unavailable"}}
    with serve(config, tmp_path) as server, pytest.raises(openai.InternalServerError) as away:
        ask(server, HELLO)
    assert away.value.status_code == 503
    assert away.value.code == "provider_unavailable"


class Waking(orbit.Provider):
    """Is not there the first time it is asked."""

    asked = 0

    @orbit.hookimpl
    async def generate(self) -> AsyncIterator[orbit.Chunk]:
        self.asked += 1
        if self.asked == 1:
            raise orbit.ProviderError("it is waking up.", kind="unavailable")
        yield orbit.Chunk("awake", finish_reason="stop")


@pytest.mark.parametrize("stream", [True, False])
async def test_the_clients_try_again_after_503(tmp_path: Path, *, stream: bool) -> None:
    with serve({"waking": {}}, tmp_path, {"waking": Waking}) as server:
        address: Any = {"base_url": f"{server.url}/v1", "api_key": server.key, "max_retries": 2}
        async with openai.AsyncOpenAI(**address) as api:
            answer: Any = await api.chat.completions.create(model="orbit", messages=HELLO, stream=stream)
            if stream:
                assert "awake" in [chunk.choices[0].delta.content async for chunk in answer]
        server.provider("waking").asked = 0
        with openai.OpenAI(**address) as patient:
            again = patient.chat.completions.create(model="orbit", messages=HELLO)
        assert server.provider("waking").asked == 2
    assert again.choices[0].message.content == "awake"


def test_the_client_tries_again_after_429_when_it_was_told_to(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("orbit.database.quota.RATE_WINDOW", 1)  # a minute would take too long
    with serve({"script": {}}, tmp_path) as server:
        secret, key = new_key("limited", requests_per_minute=1)
        server.call(server.services.database.create_key(key))
        ask(server, HELLO, key=secret)
        with pytest.raises(openai.RateLimitError) as limited:
            ask(server, HELLO, key=secret)
        with openai.OpenAI(base_url=f"{server.url}/v1", api_key=secret, max_retries=3) as patient:
            answer = patient.chat.completions.create(model="script", messages=HELLO)
    assert limited.value.code == "rate_limit_exceeded"
    assert int(limited.value.response.headers["retry-after"]) >= 1
    assert answer.choices[0].finish_reason == "stop"


def test_the_client_does_not_wait_for_a_budget(tmp_path: Path) -> None:
    with serve({"script": {}}, tmp_path) as server:
        secret, key = new_key("client", budgets=Budgets(requests_per_month=1))
        server.call(server.services.database.create_key(key))
        ask(server, HELLO, key=secret)
        with (
            openai.OpenAI(base_url=f"{server.url}/v1", api_key=secret, max_retries=3) as patient,
            pytest.raises(openai.RateLimitError, match="1 requests a month") as refused,
        ):
            patient.chat.completions.create(model="script", messages=HELLO)
    assert (refused.value.code, refused.value.type) == ("insufficient_quota", "insufficient_quota")


def test_a_stream_that_breaks_raises(tmp_path: Path) -> None:
    with serve({"script": {"fail_after": 1}}, tmp_path) as server, client(server) as api:
        stream = api.chat.completions.create(model="script", messages=HELLO, stream=True)
        with pytest.raises(openai.APIError, match=r"^The model could not answer\. Request id: \w+\.$"):
            list(stream)
        raw = httpx.post(
            f"{server.url}/v1/chat/completions",
            headers={"Authorization": f"Bearer {server.key}"},
            json={"model": "script", "messages": HELLO, "stream": True},
        )
    assert "[DONE]" not in raw.text


def test_models(tmp_path: Path) -> None:
    with serve({"script": {}, "wordllama": {}}, tmp_path) as server, client(server) as api:
        names = [model.id for model in api.models.list()]
        assert names[:2] == ["script", "orbit"]
        assert api.models.retrieve("script").owned_by == "script"
        with pytest.raises(openai.NotFoundError):
            api.models.retrieve("nothing")
        with client(server, key="wrong") as stranger, pytest.raises(openai.AuthenticationError):
            stranger.models.list()


class Hangs(orbit.Provider):
    """Has a model, of which its server says nothing."""

    @orbit.hookimpl
    async def models(self) -> list[orbit.Model]:
        await asyncio.Event().wait()
        return []

    @orbit.hookimpl
    async def generate(self) -> AsyncIterator[orbit.Chunk]:
        yield orbit.Chunk("never", finish_reason="stop")


def test_a_model_server_that_hangs_does_not_hold_up_the_list(tmp_path: Path) -> None:
    config: dict[str, Any] = {
        "hangs": {},
        "tools_model": {},
        "models": {"default": "slow", "slow": {"provider": "hangs"}, "able": {"provider": "tools_model"}},
    }
    plugins: Any = {"hangs": Hangs, "tools_model": ToolsModel}
    with serve(config, tmp_path, plugins) as server, client(server) as api:
        models: dict[str, Any] = {model.id: model for model in api.models.list()}
        assert api.models.retrieve("slow").id == "slow"
    assert {name: "tools" in model.supports for name, model in models.items()} == {"slow": False, "able": True}


@pytest.mark.parametrize("models", [(), ("able", "text")])
def test_errors_name_the_models_that_the_list_shows_the_key(tmp_path: Path, models: tuple[str, ...]) -> None:
    names = {"able": "tools_model", "text": "script", "other": "tools_model"}
    config: dict[str, Any] = {"script": {}, "tools_model": {}}
    config["models"] = {"default": "text"} | {name: {"provider": provider} for name, provider in names.items()}
    with serve(config, tmp_path, {"tools_model": ToolsModel}) as server:
        secret, key = new_key("another", models=models)
        server.call(server.services.database.create_key(key))
        with client(server, key=secret) as api:
            listed = [model.id for model in api.models.list()]
            with pytest.raises(openai.NotFoundError) as unknown:
                api.chat.completions.create(model="gpt-9", messages=HELLO)
            with pytest.raises(openai.BadRequestError) as unable:
                api.chat.completions.create(model="text", messages=HELLO, logprobs=True)
    assert f"Models: {', '.join(listed)}." in unknown.value.message
    assert f"Models that do: {', '.join(name for name in listed if name != 'text')}." in unable.value.message


def test_embeddings(tmp_path: Path) -> None:
    with serve({"script": {}, "wordllama": {}}, tmp_path) as server, client(server) as api:
        model = server.provider("wordllama").model("embed")
        assert {item.id for item in api.models.list()} == {"script", "orbit"}  # which answer chats
        decoded = api.embeddings.create(model=model, input=["one", "two"])  # the client asks for base64
        floats = api.embeddings.create(model=model, input="one", encoding_format="float")
        raw = httpx.post(
            f"{server.url}/v1/embeddings",
            headers={"Authorization": f"Bearer {server.key}"},
            json={"model": model, "input": "one", "encoding_format": "base64"},
        )
        with pytest.raises(openai.BadRequestError):
            api.embeddings.create(model=model, input="")
        with pytest.raises(openai.BadRequestError):
            api.embeddings.create(model=model, input="x", dimensions=7)
        with pytest.raises(openai.NotFoundError):
            api.embeddings.create(model="script", input="x")
    one = np.frombuffer(base64.b64decode(json.loads(raw.text)["data"][0]["embedding"]), "<f4")
    assert np.allclose(one, floats.data[0].embedding)
    assert np.allclose(one, decoded.data[0].embedding, atol=1e-6)
    assert decoded.data[1].index == 1


def test_other_paths_have_openai_errors(tmp_path: Path) -> None:
    with serve({"script": {}}, tmp_path) as server:
        response = httpx.get(f"{server.url}/v1/nothing", headers={"Authorization": f"Bearer {server.key}"})
    assert response.status_code == 404
    assert response.json()["error"]["code"] == "not_found"


class Catalogue(orbit.Provider):
    """Finds something about the library only."""

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self.asked: list[str] = []

    @orbit.hookimpl
    async def retrieve(self, query: orbit.Query) -> list[orbit.Document]:
        self.asked.append(query.text)
        return [orbit.Document("d", "x")] if "library" in query.text else []


def test_a_follow_up_is_looked_for_with_the_question_before_it(tmp_path: Path) -> None:
    messages = [
        {"role": "user", "content": "When is the library open?"},
        {"role": "assistant", "content": "From nine to five."},
        {"role": "user", "content": "And on Sunday?"},
    ]
    with serve({"script": {}, "catalogue": {}}, tmp_path, {"catalogue": Catalogue}) as server:
        answer = ask(server, messages)
        catalogue: Any = server.provider("catalogue")
    assert catalogue.asked == ["And on Sunday?", "When is the library open?\nAnd on Sunday?"]
    assert [source["id"] for source in answer.orbit["sources"]] == ["d"]
