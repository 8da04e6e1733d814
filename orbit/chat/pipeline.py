"""One chat turn: moderate beside retrieve, rerank, fit the prompt, generate, log. Knows no HTTP and no YAML."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncGenerator, Sequence
from functools import partial
from types import TracebackType
from typing import Any, Self

import msgspec

from orbit.chat.admission import Admission
from orbit.chat.answer_text import AnswerText
from orbit.chat.model_stream import ChunkReader
from orbit.chat.moderation import ALLOWED, Moderation
from orbit.chat.prompting import Prompt, fit
from orbit.chat.recorder import Recorder
from orbit.chat.retrieval import Retrieval
from orbit.chat.ticker import Ticker
from orbit.chat.turn import Answer, Event, Journal, Turn, TurnTimeout, in_time, sources_of
from orbit.errors import OrbitError, ProviderError
from orbit.host.calls import call, settled, wrong_type
from orbit.host.host import OrbitHost
from orbit.observing.metrics import Metrics
from orbit.types import (
    Chunk,
    Document,
    FinishReason,
    GenerateOptions,
    Message,
    TokenCount,
    Usage,
    Verdict,
)

logger = logging.getLogger("orbit.pipeline")


class Pipeline:
    """Runs chat turns on the providers of a started host."""

    def __init__(self, host: OrbitHost) -> None:
        settings = host.config.host
        registry = host.registry
        self._settings = settings
        self._provider = host.roles.generate
        self._model = registry.model(self._provider, "generate")
        self._generate = registry.caller("generate", self._provider)
        able = registry.implementing("count_tokens")
        self._count = registry.caller("count_tokens", self._provider) if self._provider in able else None
        own_prompt = getattr(registry[self._provider].settings, "default_system_prompt", None)
        self._default_prompt: str = own_prompt or settings.general.default_system_prompt
        self.admission = Admission(settings.limits.max_concurrent, settings.limits.max_queued, settings.timeouts.queue)
        self.metrics = Metrics()
        self.ticker = Ticker()
        self.recorder = Recorder(registry.callers("log"), settings.timeouts.log, self.metrics.failed)
        self._retrieval = Retrieval(registry, settings.retrieval, settings.timeouts, self._failed)
        self._moderation = Moderation(
            registry, settings.timeouts.moderate, settings.messages.refusal_response, self._failed
        )

    async def __aenter__(self) -> Self:
        await self.recorder.__aenter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.recorder.__aexit__(kind, error, traceback)

    def answer(self, turn: Turn) -> AsyncGenerator[Event, None]:
        """Answer one turn: pieces of text, then an Answer.

        Raises OrbitError, before the first text or after some. Closing the generator, or cancelling its task, stops
        whatever is running, in every phase. The turn is logged however it ends. It has the deadline of its context, or
        else ``timeouts.turn`` from now on.
        """
        if turn.context.deadline is None:
            deadline = time.monotonic() + self._settings.timeouts.turn
            turn = msgspec.structs.replace(turn, context=msgspec.structs.replace(turn.context, deadline=deadline))
        journal = Journal(turn)
        events = self._run(turn, journal)
        return self._moderation.guard(events, turn, journal) if self._moderation.judges_answers else events

    async def _run(self, turn: Turn, journal: Journal) -> AsyncGenerator[Event, None]:
        """Run the stages. The inner loop is passed for every piece of every answer, so it does little."""
        text = journal.text
        seconds = self._settings.timeouts.first_token
        finish_reason: FinishReason = "stop"
        try:
            async with self.admission.place(turn.context.key_id):
                prompt = await in_time(turn.context, self._prepare(turn, journal))
                if isinstance(prompt, Answer):
                    yield text[0]
                    yield prompt
                    return
                journal.provider, journal.model = self._provider, self._model
                started = time.perf_counter()
                chunks = self._generate(messages=prompt.messages, options=_options(turn, prompt), context=turn.context)
                answer = AnswerText(len(prompt.documents), self._settings.limits.max_answer_chars)
                reader = self._reader(chunks, turn)
                try:
                    while (chunk := await reader.next(seconds)) is not None:
                        if piece := answer.add(chunk.text):
                            if not text:
                                journal.took("first_token", started)
                                seconds = self._settings.timeouts.next_token
                            text.append(piece)
                            yield piece
                        journal.usage = chunk.usage or journal.usage
                        finish_reason = chunk.finish_reason or finish_reason
                        if answer.ended:
                            journal.usage = Usage(prompt.tokens, len(text))  # about: the provider has not counted
                            break
                finally:
                    await reader.aclose()
                if piece := answer.rest():
                    text.append(piece)
                    yield piece
                journal.took("generate", started)
            journal.status = "ok"
            if not any(map(str.strip, text)) and not turn.options.stop:
                yield self._without_text(finish_reason, journal, thought=reader.thought)
            yield self._end(prompt, "length" if answer.cut else finish_reason, journal)
        except OrbitError as error:
            journal.status, journal.reason = error.code, str(error)
            self._failed("not answered", error)
            raise
        except Exception as error:
            journal.status, journal.reason = OrbitError.code, type(error).__name__
            raise
        finally:
            self._finished(turn, journal)

    def _reader(self, chunks: AsyncGenerator[Chunk, None], turn: Turn) -> ChunkReader:
        thinking = self._settings.timeouts.thinking
        return ChunkReader(self._provider, chunks, self.ticker, thinking=thinking, deadline=turn.context.deadline)

    def _end(self, prompt: Prompt, finish_reason: FinishReason, journal: Journal) -> Answer:
        return Answer(
            finish_reason,
            sources_of(prompt.documents),
            journal.usage,
            self._provider,
            self._model,
            blocked=journal.fixed,
            dropped_documents=prompt.dropped_documents,
            dropped_turns=prompt.dropped_turns,
            without_documents=journal.reason == "retrieval failed",
        )

    def _without_text(self, finish_reason: FinishReason, journal: Journal, *, thought: bool) -> str:
        """Return what a client reads if the model's own filter took all of the answer. Else raises ProviderError.

        An empty answer is a failure: nothing was answered, and remembered it would spoil the conversation.
        """
        if finish_reason != "content_filter":
            raise _no_answer(self._provider, finish_reason, thought=thought)
        journal.fixed = True
        journal.status, journal.reason = "blocked", "the model's own filter left nothing of the answer"
        journal.text[:] = [self._moderation.refusal]
        return self._moderation.refusal

    def _failed(self, consequence: str, error: OrbitError) -> None:
        """Report to operators what a client cannot mend."""
        if isinstance(error, TurnTimeout):
            logger.warning("%s: no end within %g s (timeouts.turn)", consequence, self._settings.timeouts.turn)
            error.logged = True
        if isinstance(error, ProviderError):
            logger.warning("%s: %s", consequence, error)
            error.logged = True
            self.metrics.failed(error)

    def _finished(self, turn: Turn, journal: Journal) -> None:
        record = journal.record()
        self.metrics.turn(record)
        self.recorder.record(record, turn.context)

    async def _prepare(self, turn: Turn, journal: Journal) -> Prompt | Answer:
        """Do all that comes before the model. An Answer means that the model is not asked at all."""
        settings = self._settings
        verdict = ALLOWED
        documents: list[Document] | None = None
        self._retrieval.require(turn)
        if self._retrieval.available or self._moderation.judges_questions:
            verdict, documents = await self._moderate_and_retrieve(turn, journal)
        if not verdict.allowed:
            journal.status, journal.reason, journal.fixed = "blocked", verdict.reason, True
            journal.text.append(verdict.message or self._moderation.refusal)
            return Answer("content_filter", blocked=True)
        if documents:
            documents = await self._retrieval.rerank(turn, documents, journal)
        elif documents is not None and self._retrieval.responds(turn):
            journal.status, journal.reason, journal.fixed = "ok", "nothing found", True
            journal.text.append(settings.messages.no_results_response)
            return Answer()
        system_prompt = self._default_prompt if turn.system_prompt is None else turn.system_prompt
        prompt = await fit(
            "\n\n".join(filter(None, (system_prompt, turn.client_system))),
            turn.history,
            turn.question,
            documents or (),
            instruction=settings.retrieval.instruction,
            reserve=turn.options.max_tokens or settings.limits.max_answer_tokens,
            count=None if self._count is None else partial(self._count_tokens, turn),
        )
        journal.documents = prompt.documents
        asked = self._retrieval.available or bool(turn.context.collection)
        journal.reason = "retrieval failed" if documents is None and asked else ""
        return prompt

    async def _moderate_and_retrieve(self, turn: Turn, journal: Journal) -> tuple[Verdict, list[Document] | None]:
        """Run both at the same time. Documents are None if there was nothing to ask or all that was asked failed."""
        if not self._retrieval.available:
            return await self._moderation.judge("input", (Message("user", turn.question),), turn, journal), None
        if not self._moderation.judges_questions:
            return ALLOWED, await self._retrieval.retrieve(turn, journal)
        asked = (Message("user", turn.question),)
        async with asyncio.TaskGroup() as group:
            retrieving = group.create_task(settled(partial(self._retrieval.retrieve, turn, journal)))
            verdict, failure = await settled(partial(self._moderation.judge, "input", asked, turn, journal))
            if verdict is None or not verdict.allowed:
                retrieving.cancel()
        if verdict is None:
            assert failure is not None
            raise failure
        if not verdict.allowed:
            return verdict, None
        documents, failure = retrieving.result()
        if failure is not None:
            raise failure
        return verdict, documents

    async def _count_tokens(self, turn: Turn, messages: Sequence[Message]) -> TokenCount:
        assert self._count is not None
        caller = self._count
        size: Any = await call(
            self._provider,
            "count_tokens",
            lambda: caller(messages=messages, context=turn.context),
            self._settings.timeouts.first_token,
        )
        if not isinstance(size, TokenCount):
            raise wrong_type(self._provider, "count_tokens", "a TokenCount", size)
        return size


def _no_answer(provider: str, finish_reason: FinishReason, *, thought: bool) -> ProviderError:
    """The error for a model that ended without a word."""
    if finish_reason == "length":
        what = "the model used up its tokens before its answer; allow it more, or turn its thinking off."
    else:
        what = "the model thought, but gave no answer." if thought else "the model gave no answer."
    return ProviderError(what, client="The model gave no answer.", provider=provider, operation="generate")


def _options(turn: Turn, prompt: Prompt) -> GenerateOptions:
    """The options for the model. From passages it always streams: the answer may end before the model does."""
    if prompt.documents and not turn.options.stream:
        return msgspec.structs.replace(turn.options, stream=True)
    return turn.options
