"""One chat turn: moderate beside retrieve, rerank, fit the prompt, generate, log. Knows no HTTP and no YAML."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncGenerator, Sequence
from contextlib import suppress
from functools import partial
from types import TracebackType
from typing import Any, Self

import msgspec

from orbit.admission import Admission
from orbit.chunk_reader import ChunkReader
from orbit.citations import CitationFilter
from orbit.errors import OrbitError, ProviderError
from orbit.host import OrbitHost
from orbit.metrics import Metrics
from orbit.moderation import ALLOWED, Moderation
from orbit.plugins.calls import call, wrong_type
from orbit.prompting import Prompt, fit
from orbit.recorder import Recorder
from orbit.retrieval import Retrieval
from orbit.ticker import Ticker
from orbit.turn import Answer, Event, Journal, Turn, sources_of
from orbit.types import (
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
        whatever is running. The turn is logged however it ends.
        """
        journal = Journal(turn)
        events = self._run(turn, journal)
        return self._moderation.guard(events, turn, journal) if self._moderation.judges_answers else events

    async def _run(self, turn: Turn, journal: Journal) -> AsyncGenerator[Event, None]:
        """Run the stages. The inner loop is passed for every piece of every answer, so it does little."""
        text = journal.text
        seconds = self._settings.timeouts.first_token
        finish_reason: FinishReason = "stop"
        try:
            async with self.admission:
                prompt = await self._prepare(turn, journal)
                if isinstance(prompt, Answer):
                    journal.fixed = True
                    yield text[0]
                    yield prompt
                    return
                journal.provider, journal.model = self._provider, self._model
                started = time.perf_counter()
                chunks = self._generate(messages=prompt.messages, options=_options(turn, prompt), context=turn.context)
                citations = CitationFilter(len(prompt.documents)) if prompt.documents else None
                reader = ChunkReader(self._provider, chunks, self.ticker, thinking=self._settings.timeouts.thinking)
                try:
                    while (chunk := await reader.next(seconds)) is not None:
                        piece = citations.add(chunk.text) if citations else chunk.text
                        if piece:
                            if not text:
                                journal.took("first_token", started)
                                seconds = self._settings.timeouts.next_token
                            text.append(piece)
                            yield piece
                        journal.usage = chunk.usage or journal.usage
                        finish_reason = chunk.finish_reason or finish_reason
                        if citations and citations.ended:
                            journal.usage = Usage(prompt.tokens, len(text))  # about: the provider has not counted
                            break
                finally:
                    await reader.aclose()
                if citations and (piece := citations.rest()):
                    text.append(piece)
                    yield piece
                if refusal := self._ended(journal, started, finish_reason, thought=reader.thought):
                    yield refusal
            yield Answer(
                finish_reason,
                sources_of(prompt.documents),
                journal.usage,
                self._provider,
                self._model,
                dropped_documents=prompt.dropped_documents,
                dropped_turns=prompt.dropped_turns,
                blocked=journal.fixed,
                without_documents=journal.reason == "retrieval failed",
            )
        except OrbitError as error:
            journal.status, journal.reason = error.code, str(error)
            self._failed("not answered", error)
            raise
        except Exception as error:
            journal.status, journal.reason = OrbitError.code, type(error).__name__
            raise
        finally:
            self._finished(turn, journal)

    def _ended(self, journal: Journal, started: float, finish_reason: FinishReason, *, thought: bool) -> str:
        """Note how the answer ended; a text to send if the model's own filter took all of it. Raises ProviderError."""
        journal.took("generate", started)
        journal.status = "ok"
        if any(piece.strip() for piece in journal.text):
            return ""
        if finish_reason != "content_filter":
            raise _no_answer(self._provider, finish_reason, thought=thought)
        journal.fixed = True
        journal.status, journal.reason = "blocked", "the model's own filter left nothing of the answer"
        journal.text.append(self._moderation.refusal)
        return self._moderation.refusal

    def _failed(self, consequence: str, error: OrbitError) -> None:
        """Tell operators of a provider's error; other errors are the client's to mend."""
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
        if self._retrieval.available or self._moderation.judges_questions:
            verdict, documents = await self._moderate_and_retrieve(turn, journal)
        if not verdict.allowed:
            journal.status, journal.reason = "blocked", verdict.reason
            journal.text.append(verdict.message or self._moderation.refusal)
            return Answer("content_filter", blocked=True)
        if documents:
            documents = await self._retrieval.rerank(turn, documents, journal)
        elif documents is not None and turn.context.collection and settings.retrieval.on_nothing_found == "respond":
            journal.status, journal.reason = "ok", "nothing found"
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
        journal.reason = "retrieval failed" if documents is None and self._retrieval.available else ""
        return prompt

    async def _moderate_and_retrieve(self, turn: Turn, journal: Journal) -> tuple[Verdict, list[Document] | None]:
        """Run both at the same time. Documents are None if there was nothing to ask or all that was asked failed."""
        if not self._retrieval.available:
            return await self._moderation.judge("input", (Message("user", turn.question),), turn, journal), None
        if not self._moderation.judges_questions:
            return ALLOWED, await self._retrieval.retrieve(turn, journal)
        retrieving = asyncio.create_task(self._retrieval.retrieve(turn, journal))
        try:
            verdict = await self._moderation.judge("input", (Message("user", turn.question),), turn, journal)
            return verdict, await retrieving if verdict.allowed else None
        finally:
            if not retrieving.done():
                retrieving.cancel()
            with suppress(asyncio.CancelledError, OrbitError):
                await retrieving

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
    return ProviderError(what, provider=provider, operation="generate")


def _options(turn: Turn, prompt: Prompt) -> GenerateOptions:
    """The options for the model. From passages it always streams: the answer may end before the model does."""
    if prompt.documents and not turn.options.stream:
        return msgspec.structs.replace(turn.options, stream=True)
    return turn.options
