"""``/v1/messages`` as the ``anthropic`` package speaks it, over a real socket."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from typing import Any

import anthropic
import pytest
from chat_kit import Library
from flaky import Flaky
from tools_model import CALL, PIXEL, ToolsModel

from orbit import Chunk, File, Image, Message, Text, Thought, ToolCall, Usage
from orbit.auth.keys import new_key
from orbit.database.budgets import Budgets
from orbit.testing import RunningServer, serve

HELLO: list[dict[str, Any]] = [{"role": "user", "content": "How is the weather in Bonn?"}]
WEATHER: dict[str, Any] = {
    "name": "weather",
    "description": "The weather of a town.",
    "input_schema": {"type": "object", "properties": {"town": {"type": "string"}}, "required": ["town"]},
}
THINKING = {"type": "adaptive"}
PNG = {"type": "base64", "media_type": "image/png", "data": base64.b64encode(PIXEL).decode()}
CONFIG: dict[str, Any] = {
    "tools_model": {},
    "script": {},
    "small": {"use": "script", "window": 20},
    "away": {"use": "script", "fail_after": 0, "kind": "unavailable"},
    "busy": {"use": "script", "fail_after": 0, "kind": "overloaded"},
    "breaking": {"use": "script", "fail_after": 1},
    "flaky": {},
    "models": {"default": "tools", "tools": {"provider": "tools_model"}}
    | {name: {"provider": name} for name in ("script", "small", "away", "busy", "breaking", "flaky")},
    "general": {"default_system_prompt": "Be kind."},
}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    plugins: Any = {"tools_model": ToolsModel, "flaky": Flaky}
    with serve(CONFIG, tmp_path_factory.mktemp("anthropic"), plugins) as running:
        yield running


@pytest.fixture
def model(server: RunningServer) -> ToolsModel:
    """The model behind ``tools``, which remembers nothing of earlier tests."""
    provider: Any = server.provider("tools_model")
    provider.seen.clear()
    provider.chunks = []
    return provider  # type: ignore[no-any-return]  # known by its name


def client(server: RunningServer, **options: Any) -> anthropic.Anthropic:
    return anthropic.Anthropic(**{"base_url": server.url, "api_key": server.key, "max_retries": 0, **options})


def ask(server: RunningServer, messages: Any = HELLO, *, key: str = "", **options: Any) -> Any:
    with client(server, api_key=key or server.key) as api:
        return api.messages.create(**{"model": "tools", "max_tokens": 100, "messages": messages, **options})


def streamed(server: RunningServer, messages: Any = HELLO, **options: Any) -> Any:
    """The final message, and the types of all events."""
    with (
        client(server) as api,
        api.messages.stream(**{"model": "tools", "max_tokens": 100, "messages": messages, **options}) as stream,
    ):
        kinds = [event.type for event in stream]
        return stream.get_final_message(), kinds


def answer(server: RunningServer, *, stream: bool, **options: Any) -> Any:
    return streamed(server, **options)[0] if stream else ask(server, **options)


@pytest.mark.parametrize("stream", [True, False])
def test_an_answer(server: RunningServer, model: ToolsModel, *, stream: bool) -> None:
    message = answer(server, stream=stream)
    assert message.id.startswith("msg_")
    assert (message.model, message.role, message.type) == ("tools", "assistant", "message")
    (block,) = message.content
    assert (block.type, block.text) == ("text", "You said: How is the weather in Bonn?")
    assert (message.stop_reason, message.stop_sequence) == ("end_turn", None)
    assert (message.usage.input_tokens, message.usage.output_tokens) == (20, 10)


def test_the_events_of_a_stream(server: RunningServer, model: ToolsModel) -> None:
    _, kinds = streamed(server)
    assert kinds == [
        *("message_start", "content_block_start", "content_block_delta", "text", "content_block_stop"),
        *("message_delta", "message_stop"),
    ]


async def test_the_asynchronous_client(server: RunningServer) -> None:
    async with (
        anthropic.AsyncAnthropic(base_url=server.url, auth_token=server.key, api_key=None, max_retries=0) as api,
        api.messages.stream(model="script", max_tokens=100, messages=HELLO) as stream,  # type: ignore[arg-type]  # a plain dict
    ):
        assert "".join([text async for text in stream.text_stream]) == "word0 word1 word2 "
        assert stream.request_id


def test_what_is_asked_for_reaches_the_model(server: RunningServer, model: ToolsModel) -> None:
    messages = [
        {"role": "user", "content": "One?"},
        {"role": "assistant", "content": [{"type": "text", "text": "Two."}]},
        {"role": "user", "content": [{"type": "text", "text": "Three"}]},
        {"role": "user", "content": "four?"},
    ]
    schema = {"type": "object", "properties": {}, "additionalProperties": False}
    system = [{"type": "text", "text": "Be brief.", "cache_control": {"type": "ephemeral"}}]
    sampling = {"temperature": 0.5, "top_p": 0.9, "top_k": 7, "novel": 1}  # this version of the package names none
    config = {"effort": "high", "format": {"type": "json_schema", "schema": schema}}
    options: Any = {"system": system, "metadata": {"user_id": "u"}, "output_config": config, "stop_sequences": ["END"]}
    reply = ask(server, messages, **options, extra_body=sampling)
    ((seen, asked),) = model.seen
    assert [(message.role, message.content) for message in seen] == [
        ("system", "Be kind.\n\nBe brief."),
        ("user", "One?"),
        ("assistant", "Two."),
        ("user", "Three\n\nfour?"),
    ]
    assert (asked.max_tokens, asked.temperature, asked.top_p, asked.top_k) == (100, 0.5, 0.9, 7)
    assert (asked.stop, asked.json_schema, asked.reasoning_effort) == (("END",), schema, "high")
    assert reply.orbit["ignored"] == ["novel"]


@pytest.mark.parametrize("stream", [True, False])
def test_a_round_of_tools(server: RunningServer, model: ToolsModel, *, stream: bool) -> None:
    other = ToolCall("call_2", "weather", '{"town": "Ulm"}')
    model.chunks = [Chunk("I look."), Chunk(tool_calls=(CALL, other)), Chunk(finish_reason="tool_calls")]
    options: dict[str, Any] = {"tools": [WEATHER], "tool_choice": {"type": "any", "disable_parallel_tool_use": False}}
    called = answer(server, stream=stream, **options)
    text, *uses = called.content
    assert (called.stop_reason, text.text) == ("tool_use", "I look.")
    assert [(use.id, use.name, use.input) for use in uses] == [
        ("call_1", "weather", {"town": "Bonn"}),
        ("call_2", "weather", {"town": "Ulm"}),
    ]

    results = [
        {"type": "tool_result", "tool_use_id": "call_2", "content": "no such town", "is_error": True},
        {"type": "tool_result", "tool_use_id": "call_1", "content": [{"type": "text", "text": "Rain."}]},
    ]
    model.chunks = []
    turns = [*HELLO, {"role": "assistant", "content": called.content}, {"role": "user", "content": results}]
    replied = answer(server, stream=stream, messages=turns, tools=[WEATHER])
    assert replied.content[0].text == "You said: Rain."
    (_, asked), (seen, _) = model.seen
    assert asked.tool_choice is not None
    assert (asked.tool_choice.mode, asked.parallel_tool_calls) == ("required", True)
    assert (asked.tools[0].name, asked.tools[0].parameters) == ("weather", WEATHER["input_schema"])
    assert [message.role for message in seen] == ["system", "user", "assistant", "tool", "tool"]
    assert [call.arguments for call in seen[2].tool_calls] == ['{"town":"Bonn"}', '{"town":"Ulm"}']
    assert seen[3:] == (
        Message("tool", "Error: no such town", tool_call_id="call_2"),
        Message("tool", "Rain.", tool_call_id="call_1"),
    )


@pytest.mark.parametrize(
    ("choice", "mode", "name"),
    [
        ({"type": "auto"}, "auto", ""),
        ({"type": "none"}, "none", ""),
        ({"type": "tool", "name": "weather"}, "required", "weather"),
    ],
)
def test_choices_of_tools(server: RunningServer, model: ToolsModel, choice: Any, mode: str, name: str) -> None:
    ask(server, tools=[WEATHER], tool_choice=choice)
    asked = model.seen[0][1].tool_choice
    assert asked is not None
    assert (asked.mode, asked.name) == (mode, name)


@pytest.mark.parametrize("stream", [True, False])
def test_the_packages_own_loop_of_tools(server: RunningServer, model: ToolsModel, *, stream: bool) -> None:
    """It asks for a thread, which the server does not keep, and then sends all messages by itself."""

    @anthropic.beta_tool
    def weather(town: str) -> str:
        """The weather of a town."""
        return f"Rain in {town}."

    options: Any = {"model": "tools", "max_tokens": 50, "messages": HELLO, "tools": [weather]}
    with client(server) as api:
        last: Any = api.beta.messages.tool_runner(**options, stream=stream).until_done()
    assert last.content[0].text == "You said: Rain in Bonn."
    assert [message.role for message in model.seen[-1][0]] == ["system", "user", "assistant", "tool"]


@pytest.mark.parametrize("stream", [True, False])
def test_signatures_survive_a_round(server: RunningServer, model: ToolsModel, *, stream: bool) -> None:
    model.chunks = [
        Chunk(reasoning="Bonn is "),
        Chunk(reasoning="a town."),
        Chunk(signature="signed"),
        Chunk(signature="hidden"),
        Chunk(tool_calls=(CALL,)),
        Chunk(finish_reason="tool_calls", usage=Usage(20, 10, 5, 2)),
    ]
    called = answer(server, stream=stream, tools=[WEATHER], thinking=THINKING)
    first, second, use = called.content
    assert (first.type, first.thinking, first.signature) == ("thinking", "Bonn is a town.", "signed")
    assert (second.thinking, second.signature, use.type) == ("", "hidden", "tool_use")
    assert (called.usage.input_tokens, called.usage.cache_read_input_tokens) == (15, 5)
    assert called.usage.output_tokens_details.thinking_tokens == 2

    result = {"type": "tool_result", "tool_use_id": "call_1", "content": "Rain."}
    model.chunks = []
    turns = [*HELLO, {"role": "assistant", "content": called.content}, {"role": "user", "content": [result]}]
    ask(server, turns, tools=[WEATHER], thinking=THINKING)
    assert model.seen[-1][0][2].thoughts == (Thought("Bonn is a town.", "signed"), Thought("", "hidden"))


@pytest.mark.parametrize("stream", [True, False])
@pytest.mark.parametrize(
    ("thinking", "effort", "content"),
    [
        (None, None, ["text"]),
        ({"type": "disabled"}, "none", ["text"]),
        (THINKING, None, ["thinking", "text"]),
        ({"type": "adaptive", "display": "omitted"}, None, ["text"]),
        ({"type": "enabled", "budget_tokens": 2000}, "low", ["thinking", "text"]),
        ({"type": "enabled", "budget_tokens": 10_000}, "medium", ["thinking", "text"]),
        ({"type": "enabled", "budget_tokens": 32_000}, "high", ["thinking", "text"]),
    ],
)
def test_thoughts_are_shown_if_the_client_wants_them(
    server: RunningServer, model: ToolsModel, thinking: Any, effort: str | None, content: list[str], *, stream: bool
) -> None:
    model.chunks = [Chunk(reasoning="hm"), Chunk("Rain.", finish_reason="stop")]
    message = answer(server, stream=stream, **({"thinking": thinking} if thinking else {}))
    assert [block.type for block in message.content] == content
    assert message.content[-1].text == "Rain."
    assert model.seen[0][1].reasoning_effort == effort


def test_a_model_that_cannot_think_need_not(server: RunningServer) -> None:
    ask(server, model="script", thinking={"type": "disabled"})
    assert server.provider("script").seen[-1][1].reasoning_effort is None


@pytest.mark.parametrize("stream", [True, False])
def test_how_answers_end(server: RunningServer, model: ToolsModel, *, stream: bool) -> None:
    endings: list[tuple[Chunk, tuple[str, str | None]]] = [
        (Chunk("a", "length"), ("max_tokens", None)),
        (Chunk("a", "content_filter"), ("refusal", None)),
        (Chunk("a", "stop", stopped_by="END"), ("stop_sequence", "END")),
    ]
    for chunk, expected in endings:
        model.chunks = [chunk]
        message = answer(server, stream=stream)
        assert (message.stop_reason, message.stop_sequence) == expected


def test_images_and_documents(server: RunningServer, model: ToolsModel) -> None:
    pdf = {"type": "base64", "media_type": "application/pdf", "data": base64.b64encode(b"%PDF-1.7 page").decode()}
    content = [
        {"type": "text", "text": "Look"},
        {"type": "image", "source": PNG},
        {"type": "document", "source": pdf, "title": "a.pdf"},
        {"type": "document", "source": {"type": "text", "media_type": "text/plain", "data": "Rain."}, "title": "Notes"},
        {"type": "search_result", "source": "u", "title": "t", "content": [{"type": "text", "text": "found"}]},
    ]
    ask(server, [{"role": "user", "content": content}])
    question = model.seen[0][0][-1]
    assert question.content == "Look\n\nNotes\n\nRain.\n\nt\nu\n\nfound"
    assert question.parts[:2] == (Text("Look"), Image(PIXEL, "image/png"))
    assert question.parts[2] == File(b"%PDF-1.7 page", "application/pdf", "a.pdf")


@pytest.mark.parametrize("stream", [True, False])
def test_sources_are_citations(tmp_path: Any, *, stream: bool) -> None:
    plugins: Any = {"tools_model": ToolsModel, "library": Library}
    with serve({"tools_model": {}, "library": {}}, tmp_path, plugins) as server:
        options: Any = {"model": "orbit", "stream": stream}
        server.provider("tools_model").chunks = [Chunk("Twice [2]."), Chunk(finish_reason="stop")]
        message = answer(server, **options)
        server.provider("tools_model").chunks = [Chunk("Twice."), Chunk(finish_reason="stop")]
        uncited = answer(server, **options)
        raw = ask(server, model="orbit")
    (citation,) = message.content[0].citations
    assert (citation.type, citation.search_result_index) == ("search_result_location", 1)
    assert (citation.source, citation.title) == ("https://library.example.org/rules", "Rules")
    assert citation.cited_text == "Twice, at most."
    assert [item.source for item in uncited.content[0].citations] == ["hours.md", "https://library.example.org/rules"]
    assert [source["number"] for source in raw.orbit["sources"]] == [1, 2]


def test_models(server: RunningServer) -> None:
    with client(server) as api:
        listed = list(api.models.list())
        assert [model.id for model in listed][:2] == ["tools", "script"]
        assert (listed[0].type, listed[0].display_name, listed[0].created_at.year >= 2026) == ("model", "tools", True)
        assert api.models.retrieve("script").id == "script"
        with pytest.raises(anthropic.NotFoundError) as raised:
            api.models.retrieve("nothing")
        assert raised.value.type == "not_found_error"


def test_the_size_of_a_prompt(server: RunningServer) -> None:
    with client(server) as api:
        options: Any = {"messages": HELLO, "system": "Be brief."}
        assert api.messages.count_tokens(model="script", **options).input_tokens == 10
        with pytest.raises(anthropic.BadRequestError, match="cannot count"):
            api.messages.count_tokens(model="tools", **options)
        with pytest.raises(anthropic.NotFoundError):
            api.messages.count_tokens(model="nothing", **options)
        with client(server, api_key="wrong") as stranger, pytest.raises(anthropic.AuthenticationError):
            stranger.messages.count_tokens(model="script", **options)


@pytest.mark.parametrize("stream", [True, False])
@pytest.mark.parametrize(
    ("options", "error", "kind", "code"),
    [
        ({"key": "wrong"}, anthropic.AuthenticationError, "authentication_error", "unauthorized"),
        ({"model": "claude"}, anthropic.NotFoundError, "not_found_error", "model_not_found"),
        ({"max_tokens": 0}, anthropic.BadRequestError, "invalid_request_error", "invalid_request"),
        ({"container": "c"}, anthropic.BadRequestError, "invalid_request_error", "unsupported_value"),
        ({"model": "away"}, anthropic.ServiceUnavailableError, "api_error", "provider_unavailable"),
        ({"model": "busy"}, anthropic.OverloadedError, "overloaded_error", "provider_overloaded"),
        (
            {"model": "script", "tools": [WEATHER]},
            anthropic.BadRequestError,
            "invalid_request_error",
            "unsupported_by_model",
        ),
    ],
    ids=["key", "model", "max_tokens", "container", "away", "busy", "tools"],
)
def test_errors_are_the_right_exceptions(
    server: RunningServer,
    options: dict[str, Any],
    error: type[anthropic.APIStatusError],
    kind: str,
    code: str,
    *,
    stream: bool,
) -> None:
    with pytest.raises(error) as raised:
        ask(server, stream=stream, **options)
    assert (raised.value.type, raised.value.error_code) == (kind, code)
    assert raised.value.request_id == raised.value.response.headers["x-request-id"]
    assert raised.value.api_message


def test_a_prompt_that_is_too_long(server: RunningServer) -> None:
    with pytest.raises(anthropic.BadRequestError, match="prompt is too long: ") as raised:
        ask(server, [{"role": "user", "content": "word " * 100}], model="small")
    assert raised.value.error_code == "prompt_too_long"


def test_a_stream_that_breaks_raises(server: RunningServer) -> None:
    with pytest.raises(anthropic.APIStatusError, match="The model could not answer") as raised:
        streamed(server, model="breaking")
    assert raised.value.type == "api_error"


@pytest.mark.parametrize("stream", [True, False])
def test_the_client_tries_again_after_503(server: RunningServer, *, stream: bool) -> None:
    server.provider("flaky").failed = 0
    messages: Any = [{"role": "user", "content": "fail once"}]
    with client(server, max_retries=2) as api:
        done: Any = api.messages.create(model="flaky", max_tokens=9, messages=messages, stream=stream)
        if stream:
            done.close()
    assert server.provider("flaky").failed == 1


def test_a_keys_limit_holds(server: RunningServer) -> None:
    secret, key = new_key("limited", requests_per_minute=1)
    server.call(server.services.database.create_key(key))
    ask(server, key=secret)
    with pytest.raises(anthropic.RateLimitError) as raised:
        ask(server, key=secret)
    assert raised.value.type == "rate_limit_error"
    assert int(raised.value.response.headers["retry-after"]) >= 1


def test_the_client_does_not_wait_for_a_budget(server: RunningServer) -> None:
    secret, key = new_key("client", budgets=Budgets(requests_per_month=1))
    server.call(server.services.database.create_key(key))
    ask(server, key=secret)
    with pytest.raises(anthropic.RateLimitError, match="1 requests a month") as raised:
        ask(server, key=secret)
    assert raised.value.type == "rate_limit_error"
    assert raised.value.response.headers["x-should-retry"] == "false"
