"""A model's stream: a deadline for each piece, for thoughts, and for the turn; errors with the provider's name."""

import asyncio
import time
from collections.abc import AsyncGenerator, Callable
from typing import Any

import pytest

from orbit import Chunk
from orbit.chat.models.stream import ModelStream
from orbit.chat.ticker import Ticker
from orbit.chat.turn import TurnTimeout
from orbit.config.model import Timeouts
from orbit.errors import PromptTooLong, ProviderError

LONG = 60.0


def stream_of(
    act: Callable[[], AsyncGenerator[Any, None]],
    *,
    first: float = LONG,
    following: float = LONG,
    thinking: float = LONG,
    deadline: float | None = None,
) -> ModelStream:
    timeouts = Timeouts(first_token=first, next_token=following, thinking=thinking)
    end = None if deadline is None else time.monotonic() + deadline
    return ModelStream("p", act(), Ticker(), timeouts, end)


def says(*chunks: Any, then: float = 0, again: tuple[Any, ...] = ()) -> Callable[[], AsyncGenerator[Any, None]]:
    async def act() -> AsyncGenerator[Any, None]:
        for chunk in chunks:
            yield chunk
        if then:
            await asyncio.sleep(then)
        for chunk in again:
            yield chunk

    return act


def cancellations() -> int:
    task = asyncio.current_task()
    assert task is not None
    return task.cancelling()


async def read(stream: ModelStream) -> list[str]:
    texts = []
    try:
        while (chunk := await stream.next()) is not None:
            texts.append(chunk.text)
    finally:
        await stream.aclose()
    return texts


async def test_chunks_come_as_they_are_until_the_end() -> None:
    assert await read(stream_of(says(Chunk("a"), Chunk("b")))) == ["a", "b"]


async def test_the_first_piece_may_take_longer_than_the_next() -> None:
    stream = stream_of(says(Chunk("a"), then=LONG, again=(Chunk("b"),)), following=0.02)
    assert await stream.next() == Chunk("a")
    with pytest.raises(ProviderError) as raised:
        await stream.next()
    error = raised.value
    assert (error.provider, error.operation, error.kind) == ("p", "generate", "timeout")
    assert "within 0.02 s" in error.message
    assert cancellations() == 0
    await stream.aclose()


async def test_a_first_piece_that_takes_too_long_is_the_providers_failure() -> None:
    with pytest.raises(ProviderError, match=r"p could not generate: no answer within 0\.02 s"):
        await read(stream_of(says(then=LONG), first=0.02))
    assert cancellations() == 0


async def test_thoughts_are_no_text_and_keep_the_first_pieces_time() -> None:
    stream = stream_of(says(Chunk(reasoning="hm"), then=0.15, again=(Chunk("a"),)), following=0.02)
    assert [await stream.next(), stream.thought] == [Chunk(reasoning="hm"), True]
    assert await stream.next() == Chunk("a")
    await stream.aclose()


async def test_who_thinks_too_long_is_ended() -> None:
    async def muse() -> AsyncGenerator[Chunk, None]:
        while True:
            yield Chunk(reasoning="hm")
            await asyncio.sleep(0.001)

    with pytest.raises(ProviderError, match=r"still thinking after 0\.03 s \(timeouts\.thinking\)") as raised:
        await read(stream_of(muse, thinking=0.03))
    error = raised.value
    assert (error.provider, error.kind, error.retried, error.operation) == ("p", "timeout", True, "generate")


async def test_a_silent_thinker_is_ended_too() -> None:
    with pytest.raises(ProviderError, match="still thinking after"):
        await read(stream_of(says(Chunk(reasoning="hm"), then=LONG), thinking=0.03))


async def test_text_ends_the_time_for_thoughts() -> None:
    stream = stream_of(says(Chunk(reasoning="hm"), Chunk("a"), then=0.15, again=(Chunk("b"),)), thinking=0.05)
    assert [chunk.text for chunk in [await stream.next() for _ in range(3)] if chunk] == ["", "a", "b"]
    await stream.aclose()


async def test_without_thoughts_none_are_known() -> None:
    stream = stream_of(says(Chunk("a"), Chunk("")))
    assert await read(stream) == ["a", ""]
    assert not stream.thought


async def test_the_turns_deadline_ends_a_wait() -> None:
    with pytest.raises(TurnTimeout):
        await read(stream_of(says(Chunk("a"), then=LONG), deadline=0.03))
    assert cancellations() == 0


async def test_the_turns_deadline_ends_also_who_never_waits() -> None:
    async def talk() -> AsyncGenerator[Chunk, None]:
        while True:
            yield Chunk("a")

    with pytest.raises(TurnTimeout):
        await read(stream_of(talk, deadline=0.03))


async def test_a_distant_deadline_ends_nothing() -> None:
    chunks = [Chunk(str(number)) for number in range(100)]
    stream = stream_of(says(*chunks, then=0.15, again=(Chunk("end"),)), deadline=LONG)
    assert await read(stream) == [*map(str, range(100)), "end"]


async def test_a_stream_that_nobody_waits_for_ends_nobody() -> None:
    stream = stream_of(says(Chunk("a")), first=0.0)
    stream.look(time.monotonic() + LONG)
    await asyncio.sleep(0)
    assert cancellations() == 0
    await stream.aclose()


async def test_a_consumer_may_take_its_time() -> None:
    stream = stream_of(says(Chunk("a"), Chunk("b")), first=0.02, following=0.02)
    await stream.next()
    await asyncio.sleep(0.15)
    assert await stream.next() == Chunk("b")
    await stream.aclose()


async def test_a_timeout_around_is_its_own() -> None:
    stream = stream_of(says(then=LONG))
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.02):
            await stream.next()
    assert cancellations() == 0
    await stream.aclose()


@pytest.mark.parametrize(
    ("error", "kind", "code"),
    [
        (RuntimeError("secret"), ProviderError, "provider_failed"),
        (SystemExit(3), ProviderError, "provider_failed"),
        (asyncio.CancelledError(), ProviderError, "provider_failed"),
        (PromptTooLong("too long."), PromptTooLong, "prompt_too_long"),
        (ExceptionGroup("", [ProviderError("no.", kind="rejected")]), ProviderError, "provider_rejected"),
    ],
)
async def test_whatever_a_model_raises_is_its_failure(error: BaseException, kind: type[Exception], code: str) -> None:
    async def fail() -> AsyncGenerator[Chunk, None]:
        yield Chunk("a")
        raise error

    stream = stream_of(fail)
    await stream.next()
    with pytest.raises(kind) as raised:
        await stream.next()
    assert getattr(raised.value, "code", "") == code
    assert getattr(raised.value, "provider", "p") == "p"
    assert getattr(raised.value, "operation", "generate") == "generate"
    assert raised.value is error or raised.value.__cause__ is not None
    assert cancellations() == 0
    assert not stream._waiting
    await stream.aclose()


@pytest.mark.parametrize(("wrong", "told"), [("text", "str"), (None, "None"), (1, "int"), (("a",), "tuple of str")])
async def test_what_is_no_chunk_is_the_plugins_mistake(wrong: Any, told: str) -> None:
    with pytest.raises(ProviderError, match=f"{told} instead of Chunks; this is a mistake in the plugin") as raised:
        await read(stream_of(says(wrong)))
    assert (raised.value.provider, raised.value.operation) == ("p", "generate")


async def test_closing_ends_the_models_work_and_the_watch() -> None:
    closed = []

    async def act() -> AsyncGenerator[Chunk, None]:
        try:
            yield Chunk("a")
            await asyncio.sleep(LONG)
        finally:
            closed.append(True)

    ticker = Ticker()
    stream = ModelStream("p", act(), ticker, Timeouts())
    assert ticker._watched == {stream}
    await stream.next()
    await stream.aclose()
    assert (closed, ticker._watched) == ([True], set())
