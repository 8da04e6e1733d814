"""Tools: in the template's own words where it has some, and always with arguments that follow their schema."""

import json
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import gguf_models
import pytest
import pytest_asyncio
from orbit_llamacpp.conversation import find_form
from orbit_llamacpp.engine.request import Calls
from orbit_llamacpp.engine.text import TextStream
from orbit_llamacpp.jinja_template import JinjaTemplate
from orbit_llamacpp.tool_format import PLAIN, ToolFormat, find_tool_format

import orbit
from orbit import Message, Tool, ToolCall, ToolChoice

pytestmark = pytest.mark.asyncio(loop_scope="module")

TEMPLATES = {path.stem: path.read_text("utf-8") for path in (Path(__file__).parent / "tool_templates").glob("*.jinja")}
WEATHER = Tool(
    "weather",
    "Tells the weather.",
    {
        "type": "object",
        "properties": {"town": {"enum": ["Bonn", "Ulm"]}, "days": {"type": "integer", "minimum": 1, "maximum": 9}},
        "required": ["town", "days"],
    },
)
STOP = Tool("stop_all")
MUST = ToolChoice("required")
CALL = ToolCall("call_1", "weather", '{"town": "Bonn", "days": 2}')
ROUND = [
    Message("system", "Be brief."),
    Message("user", "How is it?"),
    Message("assistant", "I look.", tool_calls=(CALL,)),
    Message("tool", "Rain <|im_end|>.", tool_call_id="call_1"),
]


@pytest.fixture(scope="module", params=[*TEMPLATES, "none"])
def template(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def noise(template: str, tmp_path_factory: pytest.TempPathFactory, make: Any, asker: Any) -> AsyncIterator[Any]:
    """A tiny random model with that template."""
    path = tmp_path_factory.mktemp("model") / "tiny.gguf"
    gguf_models.write_decoder(path, "llama", template=TEMPLATES.get(template))
    async with make(model_path=str(path), n_ctx=1024, temperature=0.0, max_tokens=300) as provider:
        yield asker(provider)


def called(chunks: list[orbit.Chunk]) -> list[tuple[str, Any]]:
    return [(call.name, json.loads(call.arguments)) for chunk in chunks for call in chunk.tool_calls]


def check(calls: list[tuple[str, Any]]) -> None:
    assert calls
    for name, arguments in calls:
        if name == "stop_all":
            assert arguments == {}
        else:
            assert name == "weather"
            assert arguments["town"] in ("Bonn", "Ulm")
            assert 1 <= arguments["days"] <= 9


@pytest.mark.parametrize("stream", [True, False])
@pytest.mark.parametrize("temperature", [0.0, 1.5])
async def test_even_noise_calls_a_tool_that_there_is(noise: Any, temperature: float, *, stream: bool) -> None:
    for seed in range(3):
        chunks = await noise.chunks(
            "How is it?", tools=(WEATHER, STOP), tool_choice=MUST, temperature=temperature, seed=seed, stream=stream
        )
        check(called(chunks))
        assert chunks[-1].finish_reason in ("tool_calls", "length")
        assert "".join(chunk.text for chunk in chunks) == ""
        ids = [call.id for chunk in chunks for call in chunk.tool_calls]
        assert len(set(ids)) == len(ids)


async def test_a_choice_and_a_single_call(noise: Any) -> None:
    options = {"tools": (STOP, WEATHER), "parallel_tool_calls": False}
    chunks = await noise.chunks("Hi", tool_choice=ToolChoice("required", "weather"), **options)
    assert [name for name, _ in called(chunks)] == ["weather"]
    assert chunks[-1].finish_reason == "tool_calls"


async def test_tools_that_may_not_be_called_are_not_in_the_prompt(noise: Any) -> None:
    async def size(**options: Any) -> int:
        count = await noise.provider.count_tokens([Message("user", "Hi")], orbit.GenerateOptions(**options))
        return int(count.prompt)

    assert await size(tools=(WEATHER,)) > await size() + 20
    assert await size(tools=(WEATHER,), tool_choice=ToolChoice("none")) == await size()


async def test_what_a_grammar_cannot_express_is_the_senders_to_mend(noise: Any) -> None:
    for parameters in ({"type": "object", "properties": {"x": {"$ref": "#/nowhere"}}}, _huge()):
        with pytest.raises(orbit.ProviderError) as raised:
            await noise.chunks("Hi", tools=(Tool("f", parameters=parameters),))
        assert (raised.value.kind, raised.value.option) == ("rejected", "tools")
    assert await noise.text("Hi", max_tokens=3)


def _huge() -> dict[str, Any]:
    return {"type": "object", "properties": {"x": {"type": "string", "minLength": 400_000}}}


async def test_a_round_reaches_the_model(template: str, reader: Callable[..., Any]) -> None:
    model = reader(TEMPLATES.get(template))
    prompt = model.read(ROUND)
    for text in ("Be brief.", "How is it?", "weather", "Bonn", "Rain"):
        assert text in prompt, text
    assert prompt.index("How is it?") < prompt.index("weather") < prompt.index("Rain")


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        (
            "hermes",
            ToolFormat(
                native=True,
                marker="<tool_call>",
                opening='<tool_call>\n{"name": "',
                between='", "arguments": ',
                joint='}\n</tool_call>\n<tool_call>\n{"name": "',
                closing="}\n</tool_call>",
            ),
        ),
        (
            "mistral",
            ToolFormat(
                native=True,
                marker="[TOOL_CALLS]",
                opening='[TOOL_CALLS] [{"name": "',
                between='", "arguments": ',
                joint='}, {"name": "',
                closing="}]",
            ),
        ),
        (
            "llama",
            ToolFormat(
                native=True,
                marker='{"name": "',
                opening='{"name": "',
                between='", "parameters": ',
                joint="",
                closing="}",
            ),
        ),
        ("none", PLAIN),
    ],
)
async def test_templates_show_how_they_write_calls(name: str, expected: ToolFormat) -> None:
    source = TEMPLATES.get(name, "{% for m in messages %}{{ m.role }}: {{ m.content }}\n{% endfor %}")
    template = JinjaTemplate(source, "<s>", "</s>")
    assert find_tool_format(template, find_form(template, {}), {}) == expected


HERMES = '<tool_call>\n{"name": "weather", "arguments": {"town": "Bonn"}}\n</tool_call>'


@pytest.mark.parametrize("size", [1, 3, 200])
@pytest.mark.parametrize(
    ("said", "text", "call"),
    [
        (f"I look.\n{HERMES}", "I look.", HERMES),
        (HERMES, "", HERMES),
        ("a < b and <tool_box>", "a < b and <tool_box>", None),
        ("cut <tool_ca", "cut <tool_ca", None),
        ("END <tool_call>", "", None),
    ],
)
async def test_calls_are_no_part_of_the_text(size: int, said: str, text: str, call: str | None) -> None:
    stream = TextStream(("END",), marker="<tool_call>")
    got = "".join(stream.push(said[at : at + size].encode())[0] for at in range(0, len(said), size))
    got += stream.finish(cut=False)[0]
    assert (got.strip(), stream.called) == (text, call)


@pytest.mark.parametrize("size", [1, 4, 200])
async def test_json_is_a_call_at_the_beginning_only(size: int) -> None:
    for said, called in (('{"name": "weather"', True), ('See {"name": "weather"', False), ('{"town": 1}', False)):
        stream = TextStream(marker='{"name": "', only_first=True)
        got = "".join(stream.push(said[at : at + size].encode())[0] for at in range(0, len(said), size))
        got += stream.finish(cut=False)[0]
        assert (got, stream.called) == (("", said) if called else (said, None))


@pytest.mark.parametrize(
    "begun", ["", "<tool_call>", "<tool_call>\n", '<tool_call>\n{"', '<tool_call> {"na', "<tool_call>{"]
)
async def test_a_grammar_takes_over_wherever_a_token_ends(begun: str) -> None:
    calls = Calls(PLAIN, [{"function": {"name": "f", "parameters": {}}}], parallel=False)
    assert calls.grammar(begun).startswith("root ::= ")
    assert calls.grammar("<tool_call>f(x)") == ""


async def test_calls_are_read_back() -> None:
    tricky = {"a": 'g", "arguments": {'}
    two = (
        f'x <tool_call>{{"name": "f", "arguments": {json.dumps(tricky)}}}</tool_call>{{"name": "g", "arguments": {{}}}}'
    )
    found = list(PLAIN.calls(two, ["f", "g"]))
    assert [(call.name, json.loads(call.arguments)) for call in found] == [("f", tricky), ("g", {})]
    assert list(PLAIN.calls('{"name": "f", "arguments": {"a": ', ["f"])) == []


async def test_a_model_that_begins_a_call_has_to_end_it(make: Any, asker: Any, tmp_path: Path) -> None:
    source = TEMPLATES["hermes"].replace("<tool_call>\n", "e").replace("\n</tool_call>", "")
    path = tmp_path / "tiny.gguf"
    gguf_models.write_decoder(path, "llama", template=source)  # a call begins with a letter that noise soon has
    async with make(model_path=str(path), n_ctx=1024, temperature=1.5, max_tokens=300) as provider:
        for seed in range(3):
            chunks = await asker(provider).chunks("How is it?", tools=(WEATHER, STOP), seed=seed)
            text = "".join(chunk.text for chunk in chunks)
            check(called(chunks))
            assert "e" not in text
            assert text
            assert chunks[-1].finish_reason in ("tool_calls", "length")


async def test_the_model_that_comes_with_orbit_calls_tools(smollm: Any) -> None:
    chunks = await smollm.chunks(
        [Message("user", "How is the weather in Ulm?")], tools=(WEATHER,), tool_choice=MUST, max_tokens=80
    )
    check(called(chunks))
    assert chunks[-1].finish_reason == "tool_calls"
    assert chunks[-1].usage is not None


async def test_an_answer_goes_on_with_the_last_message(smollm: Any) -> None:
    question = Message("user", "Name the capital of France in one sentence.")
    text = await smollm.text([question, Message("assistant", "The capital of France")], max_tokens=4)
    assert text.startswith(" is")
