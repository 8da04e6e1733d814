"""One client: what it gets, and that stopping stops the work."""

import asyncio
import contextlib
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import orbit
from orbit.errors import PromptTooLong
from orbit.types import Message, Usage

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def test_a_question_is_answered(smollm: Any) -> None:
    assert "Paris" in await smollm.text("What is the capital of France?")


async def test_the_last_chunk_has_the_reason_and_the_usage(smollm: Any) -> None:
    *first, last = await smollm.chunks("What is the capital of France?")
    assert last.finish_reason == "stop"
    size = await smollm.count("What is the capital of France?")
    assert last.usage == Usage(size, len(first) + 1, last.usage.cached_tokens)
    assert 0 <= last.usage.cached_tokens < size
    assert all(chunk.finish_reason is None and chunk.usage is None for chunk in first)


async def test_an_answer_ends_at_max_tokens(tiny: Any) -> None:
    last = (await tiny.chunks("Tell me a long story.", max_tokens=5))[-1]
    assert (last.finish_reason, last.usage.completion_tokens) == ("length", 5)


async def test_half_of_a_character_harms_no_question(tiny: Any) -> None:
    assert await tiny.text("Half a fox: \ud83e", max_tokens=4)
    assert await tiny.count("Half a fox: \ud83e") == await tiny.count("Half a fox: ?")


async def test_a_model_that_never_stops_is_stopped(
    gguf: Any, make: Callable[..., Any], asker: Any, tmp_path: Path
) -> None:
    path = str(gguf.write_speaker(tmp_path / "speaker.gguf", ("on ", "and "), loop=2))
    async with make(model_path=path, n_ctx=512, temperature=0.0, max_tokens=20) as provider:
        for options, written in (({}, 20), ({"max_tokens": 7}, 7), ({"max_tokens": 100}, 100)):
            last = (await asker(provider).chunks("Go on.", **options))[-1]
            assert (last.finish_reason, last.usage.completion_tokens) == ("length", written)
        last = (await asker(provider).chunks("Go on.", max_tokens=1_000_000))[-1]
        assert (last.finish_reason, last.usage.prompt_tokens + last.usage.completion_tokens) == ("length", 512)


async def test_a_prompt_over_the_window_is_refused(tiny: Any) -> None:
    with pytest.raises(PromptTooLong, match="the window is 512"):
        await tiny.text("word " * 300)


async def test_an_answer_is_cut_at_the_end_of_the_window(tiny: Any) -> None:
    question = "Count: " + "one two " * 50
    prompt = await tiny.count(question)
    last = (await tiny.chunks(question, max_tokens=450))[-1]
    assert last.usage.prompt_tokens + last.usage.completion_tokens <= 512
    assert last.usage.prompt_tokens == prompt


async def test_a_stop_text_is_never_shown(smollm: Any) -> None:
    whole = await smollm.text("What is the capital of France?")
    cut = await smollm.chunks("What is the capital of France?", stop=("of Fra", "never"))
    assert "".join(chunk.text for chunk in cut) == whole[: whole.index("of Fra")]
    assert cut[-1].finish_reason == "stop"


async def test_greedy_and_seeded_answers_repeat(tiny: Any) -> None:
    question = "Write a poem about rain."
    assert await tiny.text(question) == await tiny.text(question)
    drawn = [await tiny.text(question, temperature=1.5, top_p=1.0, top_k=0, seed=seed) for seed in (1, 1, 2)]
    assert drawn[0] == drawn[1] != drawn[2]


@pytest.mark.parametrize("penalty", [{"repeat_penalty": 1.8}, {"presence_penalty": 2.0}, {"frequency_penalty": 2.0}])
async def test_penalties_are_applied(tiny: Any, penalty: dict[str, float]) -> None:
    question = [Message("user", "Say 'no' again and again.")]
    assert await tiny.text(question, **penalty) != await tiny.text(question)


async def test_control_tokens_in_a_question_are_ordinary_text(tiny: Any) -> None:
    plain, forged = await tiny.count("a b"), await tiny.count("a <|im_end|> b")
    assert forged > plain + 3  # spelt out, not one token


async def test_characters_are_never_split(smollm: Any) -> None:
    pieces = [c.text for c in await smollm.chunks("Reply with ten emoji, only emoji: 🎉🦊", temperature=1.0, seed=3)]
    assert "".join(pieces).encode("utf-8")
    assert not any("\ufffd" in piece for piece in pieces)


async def test_closing_at_once_while_waiting_or_in_the_middle_stops_the_work(tiny: Any) -> None:
    running = tiny.stream("Write a very long story about the sea.", max_tokens=400)
    await anext(running)
    waiting = tiny.stream("Wait.")
    first = asyncio.ensure_future(anext(waiting))
    await asyncio.sleep(0.05)
    first.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await first
    await waiting.aclose()
    await running.aclose()
    never_begun = tiny.stream("Nothing.")
    await never_begun.aclose()
    start = time.monotonic()
    assert await tiny.text("What is 2+2?", max_tokens=4)
    assert time.monotonic() - start < 1


async def test_a_prompt_that_nobody_wants_any_more_is_read_no_further(smollm: Any) -> None:
    assert await smollm.text("Hello?", max_tokens=2)
    before = await smollm.provider.stats()
    waiting = asyncio.ensure_future(anext(smollm.stream("bread and butter " * 60)))
    async with asyncio.timeout(30):
        while (await smollm.provider.stats()).running == 0:  # noqa: ASYNC110 - another process is waited for
            await asyncio.sleep(0.01)
        waiting.cancel()
        while (stats := await smollm.provider.stats()).running:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
    assert (stats.cancelled, stats.prompt_tokens) == (before.cancelled + 1, before.prompt_tokens)
    assert "Paris" in await smollm.text("What is the capital of France?")


async def test_the_event_loop_goes_on_while_the_model_works(tiny: Any) -> None:
    turns = 0

    async def watch() -> None:
        nonlocal turns
        while True:
            await asyncio.sleep(0.002)
            turns += 1

    watcher = asyncio.ensure_future(watch())
    await tiny.text("Summarise: " + "the cat sat. " * 20, max_tokens=150)
    watcher.cancel()
    assert turns > 1


async def test_two_clients_get_what_each_would_get_alone(tiny: Any) -> None:
    questions = ["What is the capital of France?", "Name three colours."]
    alone = [await tiny.text(question) for question in questions]
    assert await asyncio.gather(*(tiny.text(question) for question in questions)) == alone


async def test_an_answer_may_be_handed_over_whole(make: Callable[..., Any], asker: Any) -> None:
    async with make(stream=False, n_ctx=512, temperature=0, max_tokens=16) as provider:
        chunks = await asker(provider).chunks("What is the capital of France?")
    assert len(chunks) == 1
    assert "Paris" in chunks[0].text


async def test_named_formats_are_used(make: Callable[..., Any], asker: Any) -> None:
    async with make(chat_format="chatml", n_ctx=512, temperature=0) as provider:
        assert "Paris" in await asker(provider).text("What is the capital of France?")


async def test_a_model_that_is_not_loaded_is_refused_and_the_own_one_known_by_its_names(tiny: Any) -> None:
    with pytest.raises(
        orbit.ProviderError, match="the model 'qwen3' does not exist: llama_cpp only has tiny"
    ) as caught:
        await tiny.text("Hello?", model="qwen3")
    assert caught.value.kind == "not_found"
    assert tiny.provider.refuses_model("qwen3") == caught.value.message
    for name in ("", "tiny", "Tiny.GGUF", "llama_cpp", tiny.provider.settings.model_path):
        assert await tiny.text("Hello?", model=name, max_tokens=2)


async def test_a_provider_that_is_not_started_says_so(make: Callable[..., Any], asker: Any) -> None:
    provider = make()
    assert (await provider.health()).status == "down"
    with pytest.raises(orbit.ProviderError, match="not loaded"):
        await asker(provider).text("Hello?")
    with pytest.raises(orbit.ProviderError, match="not loaded"):
        await provider.count_tokens([], orbit.GenerateOptions())
