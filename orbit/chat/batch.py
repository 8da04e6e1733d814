"""Several prompts of one request: each is a turn of its own, and some run at the same time."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import aclosing
from typing import Final, TypeAlias

import msgspec

from orbit.chat.answer.parts import AnswerPart, AnswerParts
from orbit.chat.outcome import Ending, Event
from orbit.chat.turn import Turn
from orbit.types import Usage

AT_ONCE: Final = 8
"""Turns of a batch that run at the same time. The others hold no place and wait in no queue."""


class OfBatch(msgspec.Struct, frozen=True):
    """An event of one turn of a batch; ``index`` is the number of its prompt, from 0."""

    index: int
    event: Event


class BatchAnswered(Ending, frozen=True):
    """The last event of a batch: the parts and the ending of each answer, in order, and the sum of their ``usage``."""

    answers: tuple[tuple[tuple[AnswerPart, ...], Ending], ...] = ()


BatchEvent: TypeAlias = OfBatch | BatchAnswered
Answer: TypeAlias = Callable[[Turn], Awaitable[AsyncGenerator[Event, None]]]


async def answer_batch(turns: Sequence[Turn], answer: Answer, at_once: int) -> AsyncGenerator[BatchEvent, None]:
    """Answer each turn by ``answer``, ``at_once`` at the same time, and yield their events as they come.

    The first error of a turn is raised and ends the others, and so does closing the generator.
    """
    parts = [AnswerParts() for _ in turns]
    endings = [Ending() for _ in turns]
    async with aclosing(_merged(turns, answer, at_once)) as events:
        async for found in events:
            parts[found.index].add(found.event)
            if isinstance(found.event, Ending):
                endings[found.index] = found.event
            yield found
    answers = tuple([(each.all(), ending) for each, ending in zip(parts, endings, strict=True)])
    yield BatchAnswered(usage=_sum([ending.usage for ending in endings]), answers=answers)


async def _merged(turns: Sequence[Turn], answer: Answer, at_once: int) -> AsyncGenerator[OfBatch, None]:
    events: asyncio.Queue[OfBatch | Exception | None] = asyncio.Queue(1)  # the models wait for a slow reader
    waiting = iter(enumerate(turns))

    async def work() -> None:
        try:
            for index, turn in waiting:
                async with aclosing(await answer(turn)) as answering:
                    async for event in answering:
                        await events.put(OfBatch(index, event))
        except Exception as error:  # noqa: BLE001 - the reader raises it
            await events.put(error)
        else:
            await events.put(None)

    workers = [asyncio.create_task(work(), name="answer a batch") for _ in range(min(at_once, len(turns)))]
    try:
        running = len(workers)
        while running:
            found = await events.get()
            if isinstance(found, Exception):
                raise found
            if found is None:
                running -= 1
            else:
                yield found
    finally:
        for worker in workers:
            worker.cancel()
        await asyncio.gather(*workers, return_exceptions=True)


def _sum(usages: Sequence[Usage]) -> Usage:
    return Usage(*map(sum, zip(*map(msgspec.structs.astuple, usages), strict=True)))
