"""Equal requests at the same time: one of them asks the model, and whatever becomes of it hurts no other."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from typing import Any

import pytest
from orbit_cache import CacheProvider, CacheSettings

import orbit


class Model:
    """Answers with the number of the answer once the test opens the gate; ``fails`` says which answers fail."""

    def __init__(self, fails: tuple[int, ...] = ()) -> None:
        self.gate = asyncio.Event()
        self.asked = 0
        self._fails = fails

    async def answer(self) -> AsyncGenerator[orbit.Chunk]:
        self.asked += 1
        number = self.asked
        yield orbit.Chunk(f"answer {number}")
        await self.gate.wait()
        if number in self._fails:
            raise orbit.ProviderError("it is down.", kind="unavailable")
        yield orbit.Chunk(finish_reason="stop")


class Requests:
    """Requests through a cache, each in a task of its own."""

    def __init__(self, model: Model, **settings: Any) -> None:
        self.model = model
        self.cache = CacheProvider("cache", CacheSettings(**settings), None)  # type: ignore[arg-type]  # it asks no host

    def begin(self, question: str = "When?", key: str = "k") -> asyncio.Task[str]:
        return asyncio.create_task(self._ask(question, key))

    async def _ask(self, question: str, key: str) -> str:
        context = orbit.CallContext("r", key_id=key)
        steps = self.cache.generate(
            [orbit.Message("user", question)], orbit.GenerateOptions(), context, question, (), "m"
        )
        next(steps)
        with pytest.raises(StopIteration) as end:
            steps.send(self.model.answer())
        return "".join([chunk.text async for chunk in end.value.value])


async def settle() -> None:
    """Let every task run until it waits."""
    for _ in range(20):
        await asyncio.sleep(0)


async def test_equal_requests_are_one_for_the_model() -> None:
    requests = Requests(Model())
    asking = [requests.begin() for _ in range(16)] + [requests.begin("Where?"), requests.begin(key="other")]
    await settle()
    assert requests.model.asked == 3
    requests.model.gate.set()
    assert await asyncio.gather(*asking) == [*["answer 1"] * 16, "answer 2", "answer 3"]
    figures = requests.cache.metrics()
    assert (figures["merged_total"], figures["misses_total"], figures["hits_total"]) == (15, 3, 0)
    assert await requests.begin() == "answer 1"
    assert requests.cache.metrics()["hits_total"] == 1


async def test_an_answer_too_large_to_keep_is_shared_nevertheless() -> None:
    requests = Requests(Model(), max_bytes=1)
    asking = [requests.begin() for _ in range(3)]
    await settle()
    requests.model.gate.set()
    assert await asyncio.gather(*asking) == ["answer 1"] * 3
    assert await requests.begin() == "answer 2"


async def test_a_request_that_fails_does_not_fail_the_others() -> None:
    requests = Requests(Model(fails=(1,)))
    first, *others = [requests.begin() for _ in range(4)]
    await settle()
    requests.model.gate.set()
    with pytest.raises(orbit.ProviderError, match="it is down"):
        await first
    assert sorted(await asyncio.gather(*others)) == ["answer 2", "answer 3", "answer 4"]
    assert await requests.begin() in ("answer 2", "answer 3", "answer 4")


async def test_a_client_that_leaves_does_not_take_the_others_along() -> None:
    requests = Requests(Model())
    first, second, third = [requests.begin() for _ in range(3)]
    await settle()
    second.cancel()  # it waits for the first
    first.cancel()
    await asyncio.wait([first, second])
    assert (first.cancelled(), second.cancelled()) == (True, True)
    requests.model.gate.set()
    assert await third == "answer 2"


@pytest.mark.parametrize("seconds", [0.0, 0.001])
async def test_a_request_waits_only_for_a_while(seconds: float) -> None:
    requests = Requests(Model(), wait=seconds)
    asking = [requests.begin() for _ in range(2)]
    async with asyncio.timeout(60):
        while requests.model.asked < 2:  # noqa: ASYNC110  # nothing tells of it
            await asyncio.sleep(0.001)
    requests.model.gate.set()
    assert sorted(await asyncio.gather(*asking)) == ["answer 1", "answer 2"]
