"""Models that think before they answer: thoughts stay out of the answer, and can be switched off."""

import json
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from orbit.host.host import OrbitHost
from orbit.testing import serve
from orbit.types import Chunk, Message

THOUGHT, ANSWER = "I add the numbers.", "The answer is 11."
SPOKEN = ("The ans", "wer is ", "11.")
HARMONY = ("<|start|>", "<|channel|>", "<|message|>", "<|end|>", "<|return|>", "<|call|>")
Speaker = Callable[..., AbstractAsyncContextManager[Any]]


@pytest.fixture
def speaker(gguf: Any, templates: dict[str, str], make: Any, asker: Any, tmp_path: Path) -> Speaker:
    """Starts a model that always says the same."""

    @asynccontextmanager
    async def started(
        says: Sequence[str], template: str = "chatml", controls: Sequence[str] = ()
    ) -> AsyncIterator[Any]:
        path = gguf.write_speaker(tmp_path / "speaker.gguf", says, templates[template], controls)
        async with make(model_path=str(path), n_ctx=512, temperature=0.0) as provider:
            yield asker(provider)

    return started


def whole(chunks: Sequence[Chunk]) -> tuple[str, str]:
    return "".join(chunk.text for chunk in chunks), "".join(chunk.reasoning for chunk in chunks).strip()


@pytest.mark.parametrize("stream", [True, False])
@pytest.mark.parametrize(
    ("says", "template", "controls"),
    [
        (("<think>", THOUGHT, "</think>", "\n\n", *SPOKEN), "chatml", ()),
        (("<th", "ink>\n", THOUGHT, "\n</thi", "nk>", *SPOKEN), "qwen3", ()),
        ((THOUGHT, "\n</think>\n\n", *SPOKEN), "qwen3.5", ()),  # the template opens the thoughts
        ((THOUGHT, "\n</think>\n\n", *SPOKEN), "deepseek-r1", ()),
        (("[THINK]", THOUGHT, "[/THINK]", *SPOKEN), "mistral-v7", ("[THINK]", "[/THINK]")),
        (("<seed:think>", THOUGHT, "</seed:think>", *SPOKEN), "chatml", ("<seed:think>", "</seed:think>")),
        (("<thought>", THOUGHT, "</thought>", *SPOKEN), "chatml", ()),
    ],
)
async def test_thoughts_are_no_part_of_the_answer(
    speaker: Speaker, says: Sequence[str], template: str, controls: Sequence[str], stream: bool
) -> None:
    async with speaker(says, template, controls) as model:
        assert whole(await model.chunks("What is 5 + 6?", stream=stream)) == (ANSWER, THOUGHT)


async def test_the_channels_of_harmony(speaker: Speaker) -> None:
    says = ("<|channel|>", "analysis", "<|message|>", THOUGHT, "<|end|>")
    async with speaker(says, "gpt-oss", HARMONY) as model:
        assert whole(await model.chunks("What is 5 + 6?")) == ("", THOUGHT)
    spoken = ("<|channel|>", "final", "<|message|>", *SPOKEN)
    async with speaker(spoken, "gpt-oss", HARMONY) as model:
        assert whole(await model.chunks("What is 5 + 6?")) == (ANSWER, "")


async def test_a_tag_in_the_middle_of_an_answer_stays(speaker: Speaker) -> None:
    async with speaker(("Write ", "<think>", " to think.")) as model:
        assert whole(await model.chunks("How?")) == ("Write <think> to think.", "")


async def test_a_closing_tag_alone_is_found_in_an_answer_that_is_not_streamed(speaker: Speaker) -> None:
    async with speaker((THOUGHT, "\n</think>\n\n", *SPOKEN)) as model:
        assert whole(await model.chunks("What is 5 + 6?", stream=False)) == (ANSWER, THOUGHT)


async def test_stop_texts_end_answers_and_not_thoughts(speaker: Speaker) -> None:
    async with speaker(("<think>", "I add the numbers:", "</think>", *SPOKEN, "END", "Bye.")) as model:
        chunks = await model.chunks("What is 5 + 6?", stop=("numbers", "END"))
    assert whole(chunks) == (ANSWER, "I add the numbers:")
    assert chunks[-1].finish_reason == "stop"
    assert chunks[-1].usage.completion_tokens == 7


@pytest.mark.parametrize("stream", [True, False])
@pytest.mark.parametrize("template", ["chatml", "qwen3.5"])
async def test_thoughts_that_use_up_the_tokens_leave_no_answer(speaker: Speaker, template: str, stream: bool) -> None:
    opening = () if template == "qwen3.5" else ("<think>",)
    async with speaker((*opening, "a ", "b ", "c ", "d ", "</think>", *SPOKEN), template) as model:
        chunks = await model.chunks("What is 5 + 6?", max_tokens=3, stream=stream)
    text, thoughts = whole(chunks)
    assert text == ""
    assert thoughts.startswith("a b")
    assert (chunks[-1].finish_reason, chunks[-1].usage.completion_tokens) == ("length", 3)


@pytest.mark.parametrize("temperature", [0.0, 1.0])
@pytest.mark.parametrize(
    ("says", "template", "controls"),
    [
        (("a ", "b "), "qwen3.5", ()),
        (("<|channel|>", "analysis", "<|message|>", "a ", "b "), "gpt-oss", HARMONY),
    ],
)
async def test_thoughts_without_an_end_leave_a_quarter_of_the_tokens_to_the_answer(
    gguf: Any,
    templates: dict[str, str],
    make: Any,
    asker: Any,
    tmp_path: Path,
    says: Sequence[str],
    template: str,
    controls: Sequence[str],
    temperature: float,
) -> None:
    path = gguf.write_speaker(tmp_path / "speaker.gguf", says, templates[template], controls, loop=2)
    async with make(model_path=str(path), n_ctx=512, temperature=temperature) as provider:
        chunks = await asker(provider).chunks("What is 5 + 6?", max_tokens=200)
        text, thoughts = whole(chunks)
        assert thoughts.startswith("a b a b")
        assert len(thoughts) < 2 * 150
        assert text.strip()
        assert (chunks[-1].finish_reason, chunks[-1].usage.completion_tokens) == ("length", 200)
        assert whole(await asker(provider).chunks("What is 5 + 6?", max_tokens=20))[0] == ""  # too few for an answer


@pytest.mark.parametrize("template", ["qwen3", "qwen3.5", "deepseek-r1", "smollm3", "gpt-oss"])
async def test_an_answer_held_to_a_schema_begins_at_once(
    gguf: Any, templates: dict[str, str], make: Any, asker: Any, tmp_path: Path, template: str
) -> None:
    path = gguf.write_decoder(tmp_path / "noise.gguf", "llama", template=templates[template], controls=HARMONY)
    schema = {"enum": ["yes", "no"]}
    async with make(model_path=str(path), n_ctx=512, temperature=0.0) as provider:
        chunks = await asker(provider).chunks("Is it safe?", json_schema=schema)
    text, thoughts = whole(chunks)
    assert json.loads(text) in schema["enum"]
    assert thoughts == ""


def test_a_served_answer_has_no_thoughts(gguf: Any, tmp_path: Path) -> None:
    path = gguf.write_speaker(tmp_path / "speaker.gguf", ("<think>", THOUGHT, "</think>", "\n\n", *SPOKEN))
    engine = {"model_path": str(path), "n_ctx": 512, "n_threads": 1, "temperature": 0.0}
    with serve({"llama_cpp": engine}, tmp_path / "data") as server:
        headers = {"X-API-Key": server.key}
        body = {"message": "What is 5 + 6?", "stream": False}
        said = httpx.post(f"{server.url}/chat", json=body, headers=headers, timeout=60).json()
        assert said["response"] == ANSWER
        completion = {"model": "orbit", "messages": [{"role": "user", "content": "What is 5 + 6?"}], "stream": True}
        bearer = {"Authorization": f"Bearer {server.key}"}
        streamed = httpx.post(f"{server.url}/v1/chat/completions", json=completion, headers=bearer, timeout=60).text
    data = [json.loads(line[6:]) for line in streamed.splitlines() if line.startswith("data: {")]
    assert "".join(choice["delta"].get("content") or "" for item in data for choice in item["choices"]) == ANSWER


@pytest.mark.parametrize(
    ("template", "think", "end"),
    [
        ("qwen3", None, "assistant\n"),
        ("qwen3", True, "assistant\n"),
        ("qwen3", False, "<think>\n\n</think>\n\n"),
        ("qwen3.5", None, "<think>\n"),
        ("qwen3.5", False, "<think>\n\n</think>\n\n"),
        ("smollm3", False, "<think>\n\n</think>\n"),
        ("deepseek-v3.1", True, "<think>"),
        ("deepseek-v3.1", False, "</think>"),
    ],
)
def test_thoughts_are_switched_by_the_variable_of_the_template(
    reader: Callable[..., Any], template: str, think: bool | None, end: str
) -> None:
    assert reader(template, think=think).read([Message("user", "Hello?")]).endswith(end)


def test_how_much_a_model_thinks_is_passed_on(reader: Callable[..., Any]) -> None:
    for think, effort in ((None, "medium"), (True, "medium"), ("low", "low"), ("high", "high")):
        assert f"Reasoning: {effort}<" in reader("gpt-oss", think=think).read([Message("user", "Hello?")])


@pytest.mark.parametrize(
    ("template", "think", "said"),
    [
        ("chatml", False, "has no variable for it, so false would have no effect; remove the setting"),
        ("chatml", "high", "has no variable for it, so high would have no effect"),
        ("qwen3", "low", "can only switch thoughts on and off; set true or false, not low"),
        ("gpt-oss", False, "cannot switch thoughts off; set low, medium or high, not false"),
        ("qwen3", False, ""),
        ("granite", True, ""),
    ],
)
def test_a_switch_that_a_template_does_not_have_is_told(
    gguf: Any, templates: dict[str, str], make: Any, tmp_path: Path, template: str, think: Any, said: str
) -> None:
    path = gguf.write_decoder(tmp_path / "model.gguf", "llama", template=templates[template])
    problems = list(make(model_path=str(path), n_ctx=256, think=think).validate())
    assert [said in problem for problem in problems] == ([True] if said else [])


def test_on_and_off_are_words_for_it(gguf: Any, templates: dict[str, str], tmp_path: Path) -> None:
    path = gguf.write_decoder(tmp_path / "model.gguf", "llama", template=templates["qwen3"])
    config = tmp_path / "config.yaml"
    for word, value in (("off", False), ("on", True), ("false", False)):
        config.write_text(f"llama_cpp: {{model_path: {path}, n_ctx: 256, think: {word}}}")
        host = OrbitHost.from_file(str(config))
        assert host.problems == ()
        assert host.registry["llama_cpp"].settings.think is value
