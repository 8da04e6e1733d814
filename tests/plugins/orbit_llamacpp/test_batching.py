"""Many clients at once: each gets what it would get alone, in its turn, and nothing is left behind."""

import asyncio
import contextlib
import random
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

import orbit
from orbit.types import Message

SYSTEM = Message("system", "You answer questions about a small museum by the sea, briefly and politely. " * 3)
QUESTIONS = [
    "Who built it?",
    "When does it open on a Sunday in winter, and what does it cost?",
    "Why?",
    "a",
    "Boats " * 30,
]


def talk(question: str, *turns: str) -> list[Message]:
    earlier = [Message("user" if i % 2 == 0 else "assistant", text) for i, text in enumerate(turns)]
    return [SYSTEM, *earlier, Message("user", question)]


@pytest.fixture(params=["llama", "qwen2", "gemma3", "mamba"])
def model(request: pytest.FixtureRequest, gguf: Any, tmp_path: Path) -> str:
    return str(gguf.write_decoder(tmp_path / f"{request.param}.gguf", request.param))


@pytest_asyncio.fixture
async def start(model: str, make: Callable[..., Any], asker: Any) -> AsyncIterator[Callable[..., Any]]:
    async with contextlib.AsyncExitStack() as stack:

        async def start(**settings: Any) -> Any:
            provider = make(model_path=model, n_ctx=1024, temperature=0.0, max_tokens=24, **settings)
            return asker(await stack.enter_async_context(provider))

        yield start


async def test_answers_are_the_same_alone_in_a_batch_and_with_reuse(start: Callable[..., Any]) -> None:
    alone = await start(parallel=1, prefix_cache_mb=0)
    expected = {question: await alone.text(talk(question)) for question in QUESTIONS}

    together = await start(parallel=4)
    for _ in range(3):  # the second and third time from memory
        order = random.sample(QUESTIONS * 3, len(QUESTIONS) * 3)
        answers = await asyncio.gather(*(together.text(talk(question)) for question in order))
        assert answers == [expected[question] for question in order]
    stats = await together.provider.stats()
    assert stats.decoded_tokens > stats.decode_steps  # they did share batches
    assert (stats.running, stats.queued) == (0, 0)


async def test_a_conversation_goes_on_the_same_with_and_without_reuse(start: Callable[..., Any]) -> None:
    alone, reusing = await start(parallel=1, prefix_cache_mb=0), await start(parallel=2)
    turns: list[str] = []
    for question in ("Who built it?", "And why?", "Since when?"):
        expected = await alone.text(talk(question, *turns))
        assert await reusing.text(talk(question, *turns)) == expected
        turns += [question, expected]
        await reusing.text(talk("Somebody else asks in between."))


async def test_prompts_evicted_and_taken_back_stay_right(start: Callable[..., Any]) -> None:
    alone, small = await start(parallel=1, prefix_cache_mb=0), await start(parallel=1, prefix_cache_mb=1)
    openings = ["".join(random.Random(i).choices("abcdefgh ", k=700)) for i in range(5)]
    expected = {opening: await alone.text(opening) for opening in openings}
    for _ in range(12):
        opening = random.choice(openings)
        assert await small.text(opening) == expected[opening]
    stats = await small.provider.stats()
    assert stats.snapshot_bytes <= 1024 * 1024


async def test_cancelling_at_random_harms_nobody_and_leaks_nothing(start: Callable[..., Any]) -> None:
    alone, shared = await start(parallel=1, prefix_cache_mb=0), await start(parallel=3)
    expected = {question: await alone.text(talk(question)) for question in QUESTIONS}

    async def give_up(seed: int) -> None:
        stream = shared.stream(talk(random.Random(seed).choice([*QUESTIONS, "Boats " * 90])), max_tokens=800)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(random.Random(seed).random() * 0.05):
                async for _ in stream:
                    pass
        await stream.aclose()

    async def stay(question: str) -> None:
        assert await shared.text(talk(question)) == expected[question]

    for round_number in range(3):
        quitters = [give_up(round_number * 20 + i) for i in range(20)]
        await asyncio.gather(*quitters, *(stay(question) for question in QUESTIONS))
    async with asyncio.timeout(30):  # the last cancellations may still be on their way
        while (stats := await shared.provider.stats()).running or stats.queued:
            pass
    assert stats.failed == 0
    assert shared.provider._engine._waiting == {}


@pytest.fixture
def llama(gguf: Any, tmp_path: Path) -> str:
    return str(gguf.write_decoder(tmp_path / "llama.gguf", "llama"))


async def test_what_prompts_share_is_read_once(llama: str, make: Callable[..., Any], asker: Any) -> None:
    async with make(model_path=llama, n_ctx=1024, parallel=4, temperature=0.0, max_tokens=8) as provider:
        asks = asker(provider)
        prompt = (await provider.count_tokens(talk("Why?"), orbit.GenerateOptions())).prompt
        await asyncio.gather(*(asks.text(talk(f"{i} why?")) for i in range(8)))
        stats = await provider.stats()
    assert stats.prompt_tokens < 2.5 * prompt  # eight prompts for little more than the price of one
    assert stats.cached_tokens > 5 * prompt
    assert stats.prefix_hits == 7


async def test_a_conversation_is_not_forgotten_for_another_with_the_same_instructions(
    llama: str, make: Callable[..., Any], asker: Any
) -> None:
    async with make(model_path=llama, n_ctx=1024, parallel=1, temperature=0.0, max_tokens=4) as provider:
        asks, long = asker(provider), talk("Boats " * 60)
        expected = await asks.text(long)
        await asks.text(talk("Why?"))
        before = await provider.stats()
        assert await asks.text(long) == expected
        after = await provider.stats()
        prompt = (await provider.count_tokens(long, orbit.GenerateOptions())).prompt
    assert after.cached_tokens - before.cached_tokens == prompt - 1  # the last one is always read


async def test_even_a_short_beginning_is_not_read_again(llama: str, make: Callable[..., Any], asker: Any) -> None:
    async with make(model_path=llama, n_ctx=1024, parallel=1, temperature=0.0, max_tokens=4) as provider:
        asks = asker(provider)
        expected = await asks.text([Message("user", "Hello?")])
        await asks.text([Message("system", "Be brief."), Message("user", "Hello?")])
        assert (await provider.stats()).cached_tokens == 1  # <|im_start|>
        assert await asks.text([Message("user", "Hello?")]) == expected


async def test_one_key_with_many_questions_does_not_hold_up_another(
    llama: str, make: Callable[..., Any], asker: Any
) -> None:
    async with make(model_path=llama, n_ctx=512, parallel=1, temperature=0.0, max_tokens=60) as provider:
        asks = asker(provider)
        finished: list[str] = []

        async def ask(key: str, number: int) -> None:
            async for _ in asks.stream(f"{number}?", key=key):
                pass
            finished.append(key)

        greedy = [asyncio.ensure_future(ask("greedy", i)) for i in range(12)]
        await asyncio.sleep(0.01)
        before = len(finished)  # a fast machine has answered some, and goes on until the question has arrived
        await ask("modest", 0)
        assert finished.index("modest") - before <= 6
        await asyncio.gather(*greedy)


async def test_more_than_the_queue_holds_is_refused_at_once(llama: str, make: Callable[..., Any], asker: Any) -> None:
    async with make(model_path=llama, n_ctx=512, parallel=1, queue_size=2, temperature=0.0) as provider:
        asks = asker(provider)
        results = await asyncio.gather(*(asks.text("Hello?", max_tokens=30) for _ in range(5)), return_exceptions=True)
        refused = [result for result in results if isinstance(result, orbit.ProviderError)]
        assert len(refused) == 2
        assert {(error.kind, error.retryable) for error in refused} == {("overloaded", True)}
        assert await asks.text("Hello?", max_tokens=2)


async def test_a_real_model_says_the_same_alone_in_a_batch_and_with_reuse(make: Callable[..., Any], asker: Any) -> None:
    questions = ["What is the capital of France?", "Name three colours.", "What is 2+2?"]
    async with make(n_ctx=512, parallel=1, prefix_cache_mb=0, temperature=0.0, max_tokens=12) as provider:
        alone = [await asker(provider).text(question) for question in questions]
    async with make(n_ctx=512, parallel=3, temperature=0.0, max_tokens=12) as provider:
        for _ in range(2):
            assert await asyncio.gather(*(asker(provider).text(question) for question in questions)) == alone
