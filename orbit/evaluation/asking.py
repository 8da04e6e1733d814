"""Asks questions of a running host, one after the other, so that times are those of a single client."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack, aclosing

import msgspec

from orbit.chat.outcome import Ending, NothingFound, Refused
from orbit.chat.pipeline import Pipeline
from orbit.chat.search.retrieval import Retrieval
from orbit.chat.turn import Turn
from orbit.errors import OrbitError
from orbit.evaluation.questions import EvalQuestion
from orbit.host.host import OrbitHost
from orbit.types import CallContext, Document, Source

logger = logging.getLogger("orbit.eval")


class Asked(msgspec.Struct, frozen=True):
    """What came of one question. Times are in seconds."""

    question: EvalQuestion
    found: tuple[Document, ...] = ()
    """The passages, best first."""
    search_seconds: float = 0.0
    answer: str | None = None
    """The answer; None if the model was not asked."""
    sources: tuple[Source, ...] = ()
    """What the answer may cite."""
    refused: bool = False
    """Whether the client got a fixed text instead of an answer or, without answers, no passage was found."""
    answer_seconds: float = 0.0
    tokens: int = 0
    """Tokens read and written for the answer."""
    error: str = ""
    """Why it failed."""


async def ask_all(
    host: OrbitHost,
    questions: Sequence[EvalQuestion],
    collection: str,
    *,
    answers: bool,
    progress: Callable[[int], None] = lambda _: None,
) -> list[Asked]:
    """Search for each question and, with ``answers``, have the model answer it. Nothing is logged.

    ``progress`` is called with the number of questions that are done.
    """
    asked = []
    retrieval = searching(host)
    async with AsyncExitStack() as stack:
        pipeline = await stack.enter_async_context(Pipeline(host, logs=False)) if answers else None
        for number, question in enumerate(questions, start=1):
            context = CallContext(f"orbit-eval-{number}", client_name="orbit eval", collection=collection)
            asked.append(await _ask(retrieval, pipeline, Turn(question.asked, context), question))
            progress(number)
    return asked


def searching(host: OrbitHost) -> Retrieval:
    """Return the retrievers and rerankers of a host, which fuse and refuse as for a client."""
    settings = host.config.host
    return Retrieval(host.registry, settings.retrieval, settings.timeouts, _failed, host.roles.embed)


def _failed(consequence: str, error: OrbitError) -> None:
    logger.warning("%s: %s", consequence, error)


async def _ask(retrieval: Retrieval, pipeline: Pipeline | None, turn: Turn, question: EvalQuestion) -> Asked:
    started = time.perf_counter()
    try:
        found = tuple(await retrieval.search(turn))
    except OrbitError as error:
        return Asked(question, error=str(error), search_seconds=time.perf_counter() - started)
    searched = time.perf_counter() - started
    asked = Asked(question, found, searched, refused=not found)
    if pipeline is None:
        return asked
    started = time.perf_counter()
    text: list[str] = []
    ending = Ending()
    try:
        async with aclosing(pipeline.answer(turn)) as events:
            async for event in events:
                if isinstance(event, str):
                    text.append(event)
                elif isinstance(event, Ending):
                    ending = event
    except OrbitError as error:
        return msgspec.structs.replace(asked, error=str(error), answer_seconds=time.perf_counter() - started)
    return msgspec.structs.replace(
        asked,
        answer="".join(text) + ending.text,
        sources=ending.sources,
        refused=isinstance(ending, NothingFound | Refused),
        answer_seconds=time.perf_counter() - started,
        tokens=ending.usage.prompt_tokens + ending.usage.completion_tokens,
    )
