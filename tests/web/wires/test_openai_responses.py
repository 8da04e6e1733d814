"""``/v1/responses`` as the ``openai`` package speaks it, and its events one by one."""

import base64
import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import openai
import pytest
from chat_kit import Library
from openai.lib.responses_tool_runner import RegisteredFunction, ResponsesToolRunner
from openai.types.responses import ResponseStreamEvent
from pydantic import BaseModel, TypeAdapter
from tools_model import CALL, PIXEL, WEATHER, ToolsModel

from orbit import Chunk, File, Image, LikelyToken, Text, Thought, ToolCall, WrittenToken
from orbit.auth.keys import new_key
from orbit.errors import DatabaseUnavailable
from orbit.testing import RunningServer, serve

PNG = f"data:image/png;base64,{base64.b64encode(PIXEL).decode()}"
PDF = base64.b64encode(b"%PDF-1.7 page").decode()
TOOL: Any = {"type": "function", "strict": False, **WEATHER["function"]}
RESULT = {"type": "function_call_output", "call_id": CALL.id, "output": "Rain, 9 degrees."}
PLUGINS = {"tools_model": ToolsModel}
EVENT: TypeAdapter[Any] = TypeAdapter(ResponseStreamEvent)


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    config: dict[str, Any] = {"tools_model": {}, "general": {"default_system_prompt": "Be kind."}}
    with serve(config, tmp_path_factory.mktemp("responses"), PLUGINS) as server:
        yield server


@pytest.fixture
def server(shared: RunningServer) -> RunningServer:
    """A server whose model answers by its own rules."""
    model = shared.provider("tools_model")
    model.chunks, model.seen = [], []
    return shared


@contextmanager
def client(server: RunningServer, key: str = "") -> Iterator[Any]:
    with openai.OpenAI(
        base_url=f"{server.url}/v1", api_key=key or server.key, max_retries=0, _strict_response_validation=True
    ) as api:
        yield api


def ask(server: RunningServer, given: Any = "hello", **options: Any) -> Any:
    with client(server) as api:
        return api.responses.create(model="orbit", input=given, **options)


def says(server: RunningServer, *chunks: Chunk, finish: Any = "stop") -> None:
    server.provider("tools_model").chunks = [*chunks, Chunk(finish_reason=finish)]


def seen(server: RunningServer) -> list[tuple[str, str]]:
    """What the model read last."""
    messages, _ = server.provider("tools_model").seen[-1]
    return [(message.role, message.content) for message in messages]


def events(server: RunningServer, given: Any = "hello", **options: Any) -> list[dict[str, Any]]:
    """The events of a stream, each as it is named and numbered, and of the form that OpenAI's package knows."""
    body = {"model": "orbit", "input": given, "stream": True, **options}
    headers = {"Authorization": f"Bearer {server.key}"}
    text = httpx.post(f"{server.url}/v1/responses", headers=headers, json=body, timeout=30).text
    found = []
    for number, block in enumerate(filter(None, text.split("\n\n"))):
        name, data = block.split("\n")
        event = json.loads(data.removeprefix("data: "))
        assert (name, number) == (f"event: {event['type']}", event["sequence_number"])
        EVENT.validate_python(event)
        found.append(event)
    return found


def test_a_response(server: RunningServer) -> None:
    answer = ask(server, instructions="Be brief.", metadata={"a": "b"}, temperature=0.5, user="someone")
    assert (answer.object, answer.status, answer.error, answer.store) == ("response", "completed", None, True)
    assert answer.output_text == "You said: hello"
    (message,) = answer.output
    assert (message.type, message.role, message.status) == ("message", "assistant", "completed")
    assert (answer.usage.input_tokens, answer.usage.output_tokens, answer.usage.total_tokens) == (20, 10, 30)
    assert (answer.instructions, answer.metadata, answer.temperature) == ("Be brief.", {"a": "b"}, 0.5)
    assert (answer.tool_choice, answer.tools, answer.text.format.type) == ("auto", [], "text")
    assert (answer.model, answer.user, answer.orbit["provider"]) == ("orbit", "someone", "tools_model")
    assert seen(server) == [("system", "Be kind.\n\nBe brief."), ("user", "hello")]


def test_messages_as_items(server: RunningServer) -> None:
    items = [
        {"role": "developer", "content": "Be brief."},
        {"role": "user", "content": [{"type": "input_text", "text": "One"}, {"type": "input_text", "text": "?"}]},
        {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "Two."}]},
        {"type": "reasoning", "summary": [{"type": "summary_text", "text": "Hm."}]},
        {"type": "file_search_call", "id": "fs_1", "queries": [], "results": None, "status": "completed"},
        {"type": "code_interpreter_call", "id": "ci_1", "code": "1", "outputs": None, "status": "completed"},
        {"type": "image_generation_call", "id": "ig_1", "result": "", "status": "completed"},
        {"type": "tool_search_output", "id": "ts_1", "tools": [], "status": "completed"},
        {"type": "message", "role": "user", "content": "Three?"},
    ]
    ask(server, items)
    assert seen(server) == [
        ("system", "Be kind.\n\nBe brief."),
        ("user", "One?"),
        ("assistant", "Two."),
        ("user", "Three?"),
    ]


def test_what_is_asked_for_reaches_the_model(server: RunningServer) -> None:
    schema = {"type": "object", "properties": {"safe": {"type": "boolean"}}}
    form: Any = {"format": {"type": "json_schema", "name": "x", "schema": schema, "strict": True}}
    ask(
        server,
        text=form,
        max_output_tokens=7,
        top_p=0.9,
        reasoning={"effort": "low"},
        tools=[TOOL],
        tool_choice={"type": "function", "name": "weather"},
        parallel_tool_calls=False,
        extra_body={"top_k": 5, "seed": 3, "presence_penalty": 0.5, "stop": ["END"]},
    )
    (_, options) = server.provider("tools_model").seen[-1]
    assert (options.max_tokens, options.top_p, options.top_k, options.seed) == (7, 0.9, 5, 3)
    assert (options.presence_penalty, options.stop, options.reasoning_effort) == (0.5, ("END",), "low")
    assert options.json_schema == schema
    assert options.response_format["json_schema"] == {"name": "x", "schema": schema, "strict": True}
    assert (options.tools[0].name, options.tool_choice.mode, options.tool_choice.name) == (
        "weather",
        "required",
        "weather",
    )
    assert options.parallel_tool_calls is False
    ask(server, text={"format": {"type": "json_object", "schema": schema}})
    assert server.provider("tools_model").seen[-1][1].json_schema == schema
    ask(server, text={"format": {"type": "json_object"}}, tools=[TOOL], tool_choice="none")
    (_, options) = server.provider("tools_model").seen[-1]
    assert (options.json_schema, options.tool_choice.mode) == ({"type": "object"}, "none")


def test_allowed_tools(server: RunningServer) -> None:
    other = {**TOOL, "name": "other"}
    allowed: Any = {"type": "allowed_tools", "mode": "required", "tools": [{"type": "function", "name": "weather"}]}
    ask(server, tools=[TOOL, other], tool_choice=allowed)
    (_, options) = server.provider("tools_model").seen[-1]
    assert [tool.name for tool in options.tools] == ["weather"]
    assert options.tool_choice.mode == "required"


def test_a_structured_answer(server: RunningServer) -> None:
    class Weather(BaseModel):
        rain: bool

    says(server, Chunk('{"rain": true}'))
    with client(server) as api:
        whole = api.responses.parse(model="orbit", input="Rain?", text_format=Weather)
        with api.responses.stream(model="orbit", input="Rain?", text_format=Weather) as stream:
            streamed = stream.until_done().get_final_response()
    assert whole.output_parsed == streamed.output_parsed == Weather(rain=True)


def test_images_and_files(server: RunningServer) -> None:
    content = [
        {"type": "input_text", "text": "What is this?"},
        {"type": "input_image", "image_url": PNG, "detail": "low"},
        {"type": "input_file", "file_data": PDF, "filename": "a.pdf"},
    ]
    first = ask(server, [{"role": "user", "content": content}])
    ask(server, "And its color?", previous_response_id=first.id)
    messages, _ = server.provider("tools_model").seen[-1]
    image, file = Image(PIXEL, "image/png", "low"), File(b"%PDF-1.7 page", "application/pdf", "a.pdf")
    assert messages[1].parts == (Text("What is this?"), image, file)


@pytest.mark.parametrize("stored", [True, False])
def test_a_round_of_tools(server: RunningServer, *, stored: bool) -> None:
    other = ToolCall("call_2", "weather", '{"town": "Ulm"}')
    says(server, Chunk("I look."), Chunk(tool_calls=(CALL, other)), finish="tool_calls")
    first = ask(server, "Where does it rain?", tools=[TOOL], store=stored)
    calls = [item for item in first.output if item.type == "function_call"]
    assert [(call.call_id, call.name, call.arguments) for call in calls] == [
        (CALL.id, CALL.name, CALL.arguments),
        (other.id, other.name, other.arguments),
    ]
    server.provider("tools_model").chunks = []
    results = [{**RESULT, "call_id": other.id, "output": [{"type": "input_text", "text": "Sun."}]}, RESULT]
    if stored:
        second = ask(server, results, previous_response_id=first.id, tools=[TOOL])
    else:
        asked = {"role": "user", "content": "Where does it rain?"}
        second = ask(server, [asked, *(item.to_dict() for item in first.output), *results], tools=[TOOL], store=False)
    assert second.output_text == "You said: Rain, 9 degrees."
    messages, _ = server.provider("tools_model").seen[-1]
    assert [message.role for message in messages] == ["system", "user", "assistant", "tool", "tool"]
    assert (messages[2].content, messages[2].tool_calls) == ("I look.", (CALL, other))
    assert messages[3].tool_call_id == other.id
    if stored:
        ask(server, "And then?", previous_response_id=second.id)
        assert [role for role, _ in seen(server)][-3:] == ["tool", "assistant", "user"]


def test_signed_thoughts_return_with_their_calls(server: RunningServer) -> None:
    thinking = (Chunk(reasoning="Hm. "), Chunk(reasoning="Ah."), Chunk(signature="seal"))
    signed = (Thought("Hm. Ah.", "seal"),)
    says(server, *thinking, Chunk(tool_calls=(CALL,)), finish="tool_calls")
    first = ask(server, tools=[TOOL])
    assert first.output[0].encrypted_content == "seal"
    server.provider("tools_model").chunks = []
    ask(server, [RESULT], previous_response_id=first.id)
    assert server.provider("tools_model").seen[-1][0][2].thoughts == signed
    ask(server, [{"role": "user", "content": "x"}, *(item.to_dict() for item in first.output), RESULT])
    assert server.provider("tools_model").seen[-1][0][2].thoughts == signed


def test_conversations_branch(server: RunningServer) -> None:
    first = ask(server, [{"role": "developer", "content": "Rhyme."}, {"role": "user", "content": "One"}])
    second = ask(server, "Two", previous_response_id=first.id, instructions="Only now.")
    third = ask(server, "Three", previous_response_id=second.id)
    assert third.previous_response_id == second.id
    said = [("user", "One"), ("assistant", "You said: One"), ("user", "Two"), ("assistant", "You said: Two")]
    assert seen(server) == [("system", "Be kind.\n\nRhyme."), *said, ("user", "Three")]
    ask(server, "Another", previous_response_id=first.id)
    assert seen(server) == [("system", "Be kind.\n\nRhyme."), *said[:2], ("user", "Another")]


def test_the_chat_log_groups_a_conversation_by_its_first_response(tmp_path: Path) -> None:
    with serve({"tools_model": {}, "diary": {}}, tmp_path, PLUGINS) as server:
        first = ask(server, "One")
        second = ask(server, "Two", previous_response_id=first.id)
        ask(server, "Three", previous_response_id=second.id)
        ask(server, "Alone", store=False)
    # The server has stopped, so the log has all records.
    assert [record.session_id for record in server.provider("diary").records] == [first.id] * 3 + [None]


def test_a_response_belongs_to_its_key(server: RunningServer) -> None:
    secret, key = new_key("another")
    server.call(server.services.database.create_key(key))
    mine = ask(server)
    with client(server) as api:
        assert api.responses.retrieve(mine.id) == mine
    with client(server, secret) as stranger:
        for action in (stranger.responses.retrieve, stranger.responses.input_items.list, stranger.responses.delete):
            with pytest.raises(openai.NotFoundError) as raised:
                action(mine.id)
            assert raised.value.code == "response_not_found"
        with pytest.raises(openai.NotFoundError) as unknown:
            stranger.responses.create(model="orbit", input="hello", previous_response_id=mine.id)
    assert (unknown.value.code, unknown.value.param) == ("previous_response_not_found", "previous_response_id")


SEARCH: Any = {"type": "file_search", "vector_store_ids": ["orbit"]}
ONLY_RULES: Any = {"type": "eq", "key": "source", "value": "rules.pdf"}


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    plugins: Any = {**PLUGINS, "library": Library}
    config: Any = {"tools_model": {}, "library": {}}
    with serve(config, tmp_path_factory.mktemp("library"), plugins, "docs") as running:
        yield running


@pytest.mark.parametrize("stream", [False, True])
def test_a_loop_that_takes_only_items_of_declared_tools(library: RunningServer, *, stream: bool) -> None:
    runner = ResponsesToolRunner(functions=[RegisteredFunction(TOOL, lambda given: f"Rain in {given['town']}.")])
    with client(library) as api:
        answer = runner.run(api, {"model": "orbit", "input": "hello", "tools": [SEARCH]}, stream=stream)
    assert answer.output_text == "You said: Rain in Bonn."


@pytest.mark.parametrize(
    ("options", "found"),
    [
        ({"tools": [SEARCH], "tool_choice": "required"}, ["hours.md", "rules.pdf"]),
        ({"tools": [{**SEARCH, "vector_store_ids": ["docs"], "filters": ONLY_RULES}]}, ["rules.pdf"]),
        ({"tools": [TOOL, SEARCH], "tool_choice": {"type": "file_search"}}, ["hours.md", "rules.pdf"]),
        (
            {
                "tools": [TOOL, SEARCH],
                "tool_choice": {"type": "allowed_tools", "mode": "auto", "tools": [{"type": "file_search"}]},
            },
            ["hours.md", "rules.pdf"],
        ),
    ],
)
def test_the_search_as_a_tool(library: RunningServer, options: Any, found: list[str]) -> None:
    answer = ask(library, **options)
    assert [result.filename for result in answer.output[0].results] == found
    assert [tool.type for tool in answer.tools] == [tool["type"] for tool in options["tools"]]
    assert answer.tools[-1].to_dict() == options["tools"][-1]


@pytest.mark.parametrize(
    ("options", "param"),
    [
        ({"tools": [{**SEARCH, "vector_store_ids": ["other"]}]}, "tools[0].vector_store_ids"),
        ({"tools": [{**SEARCH, "max_num_results": 3}]}, "tools[0].max_num_results"),
        ({"tools": [SEARCH, SEARCH]}, "tools[1]"),
        ({"tools": [{**SEARCH, "filters": {"type": "eq"}}]}, "tools[0].filters.key"),
        ({"tools": [{**SEARCH, "filters": ONLY_RULES}], "extra_body": {"filter": ONLY_RULES}}, "filter"),
        ({"tools": [TOOL], "tool_choice": {"type": "file_search"}}, "tool_choice"),
    ],
)
def test_a_search_that_cannot_be(library: RunningServer, options: Any, param: str) -> None:
    with pytest.raises(openai.BadRequestError) as raised:
        ask(library, **options)
    assert raised.value.param == param


def test_a_search_elsewhere_names_what_the_key_can_search(library: RunningServer) -> None:
    with pytest.raises(openai.BadRequestError, match="cannot search 'other'; its own collection is 'orbit' or 'docs'"):
        ask(library, tools=[{**SEARCH, "vector_store_ids": ["other"]}])


def test_what_a_response_was_asked(server: RunningServer) -> None:
    picture = {"type": "input_image", "image_url": PNG, "detail": "low"}
    document = {"type": "input_file", "file_data": f"data:application/pdf;base64,{PDF}", "filename": "a.pdf"}
    items: list[Any] = [
        {"role": "developer", "content": "Be brief."},
        {"role": "user", "content": [{"type": "input_text", "text": "One?"}, picture, document]},
        {"role": "assistant", "content": "Two."},
        {"role": "user", "content": "Three?"},
        {"type": "function_call", "call_id": CALL.id, "name": CALL.name, "arguments": CALL.arguments},
        RESULT,
    ]
    made = ask(server, items, tools=[TOOL])
    with client(server) as api:
        found = list(api.responses.input_items.list(made.id, order="asc", limit=2))
        assert [item.type for item in found] == [*["message"] * 4, "function_call", "function_call_output"]
        assert [item.id for item in api.responses.input_items.list(made.id)] == [item.id for item in found][::-1]
        said, asked, before = (item.content for item in found[:3])
        assert (said[0].text, before[0].type, before[0].text) == ("Be brief.", "output_text", "Two.")
        assert [part.type for part in asked] == ["input_text", "input_image", "input_file"]
        assert (asked[1].image_url, asked[1].detail, asked[2].filename) == (PNG, "low", "a.pdf")
        assert (found[4].call_id, found[5].output) == (CALL.id, RESULT["output"])
        again = api.responses.create(model="orbit", input=[item.to_dict() for item in found], tools=[TOOL])
        assert again.output_text == made.output_text
        with pytest.raises(openai.BadRequestError) as raised:
            api.responses.input_items.list(made.id, after="msg_x")
        assert raised.value.param == "after"
        with pytest.raises(openai.BadRequestError, match="background"):
            api.responses.cancel(made.id)
        for ask_for in (api.responses.cancel, api.responses.input_items.list):
            with pytest.raises(openai.NotFoundError):
                ask_for("resp_0")


def test_the_size_of_a_prompt(server: RunningServer, tmp_path: Path) -> None:
    with client(server) as api, pytest.raises(openai.BadRequestError, match="cannot count tokens"):
        api.responses.input_tokens.count(model="orbit", input="hello")
    with serve({"script": {}}, tmp_path) as counting, client(counting) as api:
        made = api.responses.create(model="orbit", input="hello")
        alone, further = (
            api.responses.input_tokens.count(input="And then?", **more)
            for more in ({}, {"previous_response_id": made.id})
        )
    assert 0 < alone.input_tokens < further.input_tokens


def test_a_deleted_response(server: RunningServer) -> None:
    first = ask(server, "One")
    second = ask(server, "Two", previous_response_id=first.id)
    with client(server) as api:
        api.responses.delete(first.id)
        with pytest.raises(openai.NotFoundError):
            api.responses.retrieve(first.id)
        with pytest.raises(openai.NotFoundError):
            api.responses.delete(first.id)
    ask(server, "Three", previous_response_id=second.id)  # the conversation begins after it
    assert seen(server)[1:] == [("user", "Two"), ("assistant", "You said: Two"), ("user", "Three")]


def test_nothing_is_kept_without_store(server: RunningServer) -> None:
    answer = ask(server, store=False)
    assert answer.store is False
    with client(server) as api, pytest.raises(openai.NotFoundError):
        api.responses.retrieve(answer.id)
    last = events(server, store=False)[-1]["response"]
    assert last["store"] is False
    with pytest.raises(openai.NotFoundError):
        ask(server, previous_response_id=last["id"])


def test_a_response_that_is_too_large_is_answered_and_not_kept(
    server: RunningServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("orbit.chat.history.responses._LARGEST", 1000)
    answer = ask(server, "x" * 1000)
    assert (answer.status, answer.store) == ("completed", False)
    with client(server) as api, pytest.raises(openai.NotFoundError):
        api.responses.retrieve(answer.id)


def test_an_answer_survives_a_database_that_fails(server: RunningServer, monkeypatch: pytest.MonkeyPatch) -> None:
    async def fail(*_: Any) -> None:
        raise DatabaseUnavailable("the disk is full.")

    monkeypatch.setattr(server.services.database, "add_turn", fail)
    answer = ask(server)
    assert (answer.output_text, answer.store) == ("You said: hello", False)


def test_a_server_that_keeps_no_conversations(tmp_path: Path) -> None:
    with serve({"tools_model": {}, "sessions": {"enabled": False}}, tmp_path, PLUGINS) as server:
        answer = ask(server, store=True)
        assert (answer.output_text, answer.store) == ("You said: hello", False)
        with pytest.raises(openai.NotFoundError):
            ask(server, previous_response_id=answer.id)


def test_references_to_items(server: RunningServer) -> None:
    says(server, Chunk("I look."), Chunk(tool_calls=(CALL,)), finish="tool_calls")
    first = ask(server, tools=[TOOL])
    server.provider("tools_model").chunks = []
    references = [{"type": "item_reference", "id": item.id} for item in first.output]
    ask(server, [{"role": "user", "content": "hello"}, *references, RESULT])
    assert [role for role, _ in seen(server)] == ["system", "user", "assistant", "tool"]
    for name in (f"msg_{first.id[5:]}_9", "msg_00_0", "other"):
        with pytest.raises(openai.BadRequestError) as raised:
            ask(server, [{"role": "user", "content": "x"}, {"type": "item_reference", "id": name}])
        assert raised.value.param == "input[1].id"


def test_all_events_of_a_stream(server: RunningServer) -> None:
    says(server, Chunk(reasoning="Hm."), Chunk("One "), Chunk("two"), Chunk(tool_calls=(CALL,)), finish="tool_calls")
    found = events(server, tools=[TOOL])
    assert [event["type"].removeprefix("response.") for event in found] == [
        *("created", "in_progress"),
        *("output_item.added", "content_part.added", "reasoning_text.delta", "reasoning_text.done"),
        *("content_part.done", "output_item.done"),
        *("output_item.added", "content_part.added", "output_text.delta", "output_text.delta", "output_text.done"),
        *("content_part.done", "output_item.done"),
        *("output_item.added", "function_call_arguments.delta", "function_call_arguments.done", "output_item.done"),
        "completed",
    ]
    done = [event["item"] for event in found if event["type"] == "response.output_item.done"]
    final = found[-1]["response"]
    assert final["output"] == done
    assert [item["type"] for item in done] == ["reasoning", "message", "function_call"]
    assert [event["output_index"] for event in found if event["type"] == "response.output_item.added"] == [0, 1, 2]
    assert (found[0]["response"]["status"], found[0]["response"]["output"]) == ("in_progress", [])
    with client(server) as api:
        stored = api.responses.retrieve(final["id"])
    assert [item.id for item in stored.output] == [item["id"] for item in done]
    assert stored.output_text == "One two"


def test_the_packages_own_streams(server: RunningServer) -> None:
    says(server, Chunk(reasoning="Hm."), Chunk("One "), Chunk("two"))
    with client(server) as api, api.responses.stream(model="orbit", input="hello") as stream:
        deltas = [event.delta for event in stream if event.type == "response.output_text.delta"]
        final = stream.get_final_response()
    assert (deltas, final.output_text) == (["One ", "two"], "One two")
    assert final.output[0].content[0].text == "Hm."


async def test_the_asynchronous_client(server: RunningServer) -> None:
    async with openai.AsyncOpenAI(base_url=f"{server.url}/v1", api_key=server.key, max_retries=0) as api:
        stream = await api.responses.create(model="orbit", input="hello", stream=True)
        kinds = [event.type async for event in stream]
    assert (kinds[0], kinds[-1]) == ("response.created", "response.completed")


def test_thoughts_as_a_summary(server: RunningServer) -> None:
    says(server, Chunk(reasoning="Hm. "), Chunk(reasoning="Ah."), Chunk("Yes"))
    whole = ask(server, reasoning={"summary": "auto"})
    assert [piece.text for piece in whole.output[0].summary] == ["Hm. Ah."]
    kinds = [event["type"] for event in events(server, reasoning={"summary": "auto"})]
    assert kinds[3:8] == [
        "response.reasoning_summary_part.added",
        "response.reasoning_summary_text.delta",
        "response.reasoning_summary_text.delta",
        "response.reasoning_summary_text.done",
        "response.reasoning_summary_part.done",
    ]


def test_thoughts_between_texts(server: RunningServer) -> None:
    says(server, Chunk("One."), Chunk(reasoning="Hm."), Chunk(" Two."))
    final = events(server)[-1]["response"]
    assert [item["type"] for item in final["output"]] == ["message", "reasoning", "message"]
    assert len({item["id"] for item in final["output"]}) == 3


def test_probabilities(server: RunningServer) -> None:
    token = WrittenToken("Yes", -0.1, (89, 101, 115), (LikelyToken("Yes", -0.1, (89, 101, 115)),))
    says(server, Chunk("Yes", logprobs=(token,)))
    whole = ask(server, top_logprobs=1, include=["message.output_text.logprobs"])
    assert whole.output[0].content[0].logprobs[0].top_logprobs[0].token == "Yes"
    (delta,) = [event for event in events(server, top_logprobs=1) if event["type"] == "response.output_text.delta"]
    assert delta["logprobs"][0]["logprob"] == -0.1


@pytest.mark.parametrize(("finish", "reason"), [("length", "max_output_tokens"), ("content_filter", "content_filter")])
def test_an_answer_that_is_not_whole(server: RunningServer, finish: str, reason: str) -> None:
    says(server, Chunk("Half"), finish=finish)
    whole, last = ask(server), events(server)[-1]
    assert (whole.status, whole.incomplete_details.reason, whole.output_text) == ("incomplete", reason, "Half")
    assert whole.output[0].status == "incomplete"
    assert last["type"] == "response.incomplete"
    assert last["response"]["incomplete_details"] == {"reason": reason}


@pytest.mark.parametrize("stream", [True, False])
def test_sources(tmp_path: Path, *, stream: bool) -> None:
    with serve({"tools_model": {}, "library": {}}, tmp_path, {**PLUGINS, "library": Library}) as server:
        added: list[Any] = []
        if stream:
            found = events(server)
            kinds = [event["type"] for event in found]
            final = found[-1]["response"]
            assert kinds.index("response.file_search_call.completed") < kinds.index("response.output_text.delta")
            added = [event for event in found if event["type"] == "response.output_text.annotation.added"]
        else:
            final = ask(server).to_dict()
        sources = final["orbit"]["sources"]
    search, message = final["output"]
    assert search["queries"] == ["hello"]
    assert [result["text"] for result in search["results"]] == [source["text"] for source in sources]
    assert [result["file_id"] for result in search["results"]] == [source["id"] for source in sources]
    annotations = message["content"][0]["annotations"]
    assert {annotation["type"] for annotation in annotations} <= {"url_citation", "file_citation"}
    assert {annotation.get("url") or annotation["filename"] for annotation in annotations} == {
        source["link"] if source["link"].startswith("http") else source["source"] for source in sources
    }
    if stream:
        assert [event["annotation"] for event in added] == annotations
        assert [event["annotation_index"] for event in added] == list(range(len(annotations)))


def test_a_page_that_counts_sources_finds_the_one_that_is_cited(tmp_path: Path) -> None:
    """Open WebUI shows the n-th ``url_citation`` for the citation [n]."""
    with serve({"tools_model": {}, "library": {}}, tmp_path, {**PLUGINS, "library": Library}) as server:
        answer = ask(server, extra_headers={"X-OpenWebUI-Task": ""}).to_dict()
    (message,) = [item for item in answer["output"] if item["type"] == "message"]
    cited = message["content"][0]["annotations"]
    assert [one["type"] for one in cited] == ["url_citation"] * len(answer["orbit"]["sources"])
    assert [one["title"] for one in cited] == ["Opening hours", "Rules"]
    assert cited[0]["url"].startswith("urn:orbit:")


def test_a_refused_question_leaves_the_conversation_as_it_was(tmp_path: Path) -> None:
    with serve({"tools_model": {}, "guard": {"word": "bomb"}}, tmp_path, PLUGINS) as server:
        first = ask(server, "One")
        refused = ask(server, "a bomb", previous_response_id=first.id)
        assert (refused.status, refused.orbit["blocked"]) == ("incomplete", True)
        assert refused.output_text
        ask(server, "Two", previous_response_id=refused.id)
        assert seen(server)[1:] == [("user", "One"), ("assistant", "You said: One"), ("user", "Two")]


def test_a_stream_that_breaks(tmp_path: Path) -> None:
    with serve({"script": {"fail_after": 1}}, tmp_path) as server:
        *_, error, failed = events(server)
        with pytest.raises(openai.APIStatusError) as raised:
            ask(server)
    assert (error["type"], error["code"]) == ("error", "provider_failed")
    assert error["message"].startswith("The model could not answer.")
    assert failed["type"] == "response.failed"
    assert failed["response"]["status"] == "failed"
    assert failed["response"]["error"] == {"code": "server_error", "message": error["message"]}
    assert raised.value.status_code == 502


@pytest.mark.parametrize(
    ("changes", "param"),
    [
        ({"input": ""}, "input"),
        ({"input": []}, "input"),
        ({"input": [{"role": "user", "content": 5}]}, "input[0].content"),
        ({"input": [{"role": "robot", "content": "x"}]}, "input[0].role"),
        ({"input": [{"type": "computer_call", "id": "x"}]}, "input[0].type"),
        ({"input": [{"role": "user", "content": "x"}, RESULT]}, "input[1].call_id"),
        ({"input": [{"role": "user", "content": [{"type": "input_audio"}]}]}, "input[0].content[0]"),
        (
            {"input": [{"role": "user", "content": [{"type": "input_image", "image_url": "data:;base64,AAAA"}]}]},
            "input[0].content[0].image_url",
        ),
        (
            {"input": [{"role": "user", "content": [{"type": "input_image", "file_id": "file-1"}]}]},
            "input[0].content[0].image_url",
        ),
        (
            {"input": [{"role": "user", "content": [{"type": "input_file", "file_url": "http://127.0.0.1/"}]}]},
            "input[0].content[0].file_data",
        ),
        (
            {"input": [{"role": "assistant", "content": [{"type": "input_image", "image_url": PNG}]}]},
            "input[0].content",
        ),
        (
            {
                "input": [
                    {"role": "user", "content": "x"},
                    {"type": "function_call", "call_id": "1", "name": "f", "arguments": "["},
                ]
            },
            "input[1].arguments",
        ),
        (
            {
                "input": [
                    {"role": "user", "content": "x"},
                    {"type": "function_call", "call_id": "1", "name": "f", "arguments": "{}"},
                    {"role": "user", "content": "y"},
                ]
            },
            "input[2]",
        ),
        ({"tools": [{"type": "web_search"}]}, "tools[0].type"),
        ({"tools": [{"type": "function", "name": "no good"}]}, "tools[0].name"),
        ({"tools": [TOOL], "tool_choice": {"type": "function", "name": "other"}}, "tool_choice"),
        ({"tool_choice": "required"}, "tool_choice"),
        ({"text": {"format": {"type": "json_schema", "name": "x"}}}, "text.format"),
        ({"text": {"verbosity": "low"}}, "text.verbosity"),
        ({"conversation": "conv_1"}, "conversation"),
        ({"background": True}, "background"),
        ({"prompt": {"id": "pmpt_1"}}, "prompt"),
        ({"max_output_tokens": 0}, "max_output_tokens"),
        ({"temperature": 3}, "temperature"),
    ],
)
def test_what_is_wrong_is_refused(server: RunningServer, changes: dict[str, Any], param: str) -> None:
    with pytest.raises(openai.BadRequestError) as raised:
        ask(server, changes.get("input", "hello"), extra_body=changes)
    assert raised.value.param == param
    assert raised.value.type == "invalid_request_error"


@pytest.mark.parametrize(
    ("changes", "param"),
    [
        ({"tools": [TOOL]}, "tools"),
        ({"reasoning": {"effort": "high"}}, "reasoning.effort"),
        ({"top_logprobs": 2}, "top_logprobs"),
        ({"given": [{"role": "user", "content": [{"type": "input_image", "image_url": PNG}]}]}, "input"),
    ],
)
def test_what_the_model_does_not_support(small: RunningServer, changes: dict[str, Any], param: str) -> None:
    with pytest.raises(openai.BadRequestError) as raised:
        ask(small, **changes)
    assert (raised.value.code, raised.value.param) == ("unsupported_by_model", param)


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    config: dict[str, Any] = {"tools_model": {"supports": []}}
    with serve(config, tmp_path_factory.mktemp("small"), PLUGINS) as server:
        yield server


def test_errors_are_the_right_exceptions(server: RunningServer) -> None:
    with client(server, "api_wrong") as api, pytest.raises(openai.AuthenticationError):
        api.responses.create(model="orbit", input="hello")
    with client(server) as api, pytest.raises(openai.NotFoundError) as unknown:
        api.responses.create(model="gpt-9", input="hello")
    assert unknown.value.code == "model_not_found"
    with client(server, "api_wrong") as api, pytest.raises(openai.AuthenticationError):
        api.responses.retrieve("resp_1")


def test_the_limits_of_a_conversation(tmp_path: Path) -> None:
    config = {"tools_model": {}, "sessions": {"max_turns": 2}}
    with serve(config, tmp_path, PLUGINS) as server:
        last = ask(server, "One")
        for word in ("Two", "Three", "Four"):
            last = ask(server, word, previous_response_id=last.id)
        assert [text for role, text in seen(server) if role == "user"] == ["Two", "Three", "Four"]


def test_unknown_fields_are_named(server: RunningServer) -> None:
    assert ask(server, extra_body={"x": 1, "truncation": "auto", "service_tier": "auto"}).orbit["ignored"] == ["x"]
