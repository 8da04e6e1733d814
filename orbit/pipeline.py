"""One chat turn: moderate beside retrieve, rerank, fit the prompt, generate, log. Knows no HTTP and no YAML."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing, suppress
from functools import partial
from types import TracebackType
from typing import Any, Self, TypeAlias

import msgspec

from orbit.admission import Admission
from orbit.chunk_reader import ChunkReader
from orbit.citations import CitationFilter
from orbit.errors import OrbitError, ProviderError
from orbit.fusion import fuse
from orbit.host import OrbitHost
from orbit.metrics import Metrics
from orbit.plugins.calls import Outcome, call, fan_out, is_list_of, wrong_type
from orbit.prompting import Prompt, fit
from orbit.recorder import Recorder
from orbit.sentences import SentenceBuffer
from orbit.ticker import Ticker
from orbit.turn import Answer, Journal, Turn, questions_of, sources_of
from orbit.types import (
    Document,
    FinishReason,
    GenerateOptions,
    Message,
    ModerationStage,
    Query,
    TokenCount,
    Usage,
    Verdict,
)

logger = logging.getLogger("orbit.pipeline")

Event: TypeAlias = str | Answer
"""New text of the answer, or (last, once) its end."""

_ALLOWED = Verdict(allowed=True)


class Pipeline:
    """Runs chat turns on the providers of a started host."""

    def __init__(self, host: OrbitHost) -> None:
        settings = host.config.host
        registry = host.registry
        self._retrieval = settings.retrieval
        self._messages = settings.messages
        self._timeouts = settings.timeouts
        self._limits = settings.limits
        self._provider = host.roles.generate
        self._model = registry[self._provider].model("generate")
        self._generate = registry.caller("generate", self._provider)
        able = registry.implementing("count_tokens")
        self._count = registry.caller("count_tokens", self._provider) if self._provider in able else None
        self._retrievers = registry.callers("retrieve")
        self._rerankers = registry.callers("rerank")
        stages: tuple[ModerationStage, ...] = ("input", "output")
        self._moderators = {
            stage: {
                name: caller for name, caller in registry.callers("moderate").items() if registry[name].moderates(stage)
            }
            for stage in stages
        }
        own_prompt = getattr(registry[self._provider].settings, "default_system_prompt", None)
        self._default_prompt: str = own_prompt or settings.general.default_system_prompt
        self.admission = Admission(settings.limits.max_concurrent, settings.limits.max_queued, settings.timeouts.queue)
        self.metrics = Metrics()
        self.ticker = Ticker()
        self.recorder = Recorder(registry.callers("log"), settings.timeouts.log, self.metrics.failed)

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
        return self._guard(events, turn, journal) if self._moderators["output"] else events

    async def _run(self, turn: Turn, journal: Journal) -> AsyncGenerator[Event, None]:
        """Run the stages. The inner loop is passed for every piece of every answer, so it does little."""
        text = journal.text
        seconds = self._timeouts.first_token
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
                reader = ChunkReader(self._provider, chunks, self.ticker)
                try:
                    while (chunk := await reader.next(seconds)) is not None:
                        piece = citations.add(chunk.text) if citations else chunk.text
                        if piece:
                            if not text:
                                journal.took("first_token", started)
                                seconds = self._timeouts.next_token
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
                journal.took("generate", started)
            journal.status = "ok"
            yield Answer(
                finish_reason,
                sources_of(prompt.documents),
                journal.usage,
                self._provider,
                self._model,
                dropped_documents=prompt.dropped_documents,
                dropped_turns=prompt.dropped_turns,
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

    def _failed(self, consequence: str, error: OrbitError) -> None:
        """Tell operators of a provider's error; other errors are the client's to mend."""
        if isinstance(error, ProviderError):
            logger.warning("%s: %s", consequence, error)
            self.metrics.failed(error)

    def _finished(self, turn: Turn, journal: Journal) -> None:
        record = journal.record()
        self.metrics.turn(record)
        self.recorder.record(record, turn.context)

    async def _prepare(self, turn: Turn, journal: Journal) -> Prompt | Answer:
        """Do all that comes before the model. An Answer means that the model is not asked at all."""
        verdict = _ALLOWED
        documents: list[Document] | None = None
        if self._retrievers or self._moderators["input"]:
            verdict, documents = await self._moderate_and_retrieve(turn, journal)
        if not verdict.allowed:
            journal.status, journal.reason = "blocked", verdict.reason
            journal.text.append(verdict.message or self._messages.refusal_response)
            return Answer("content_filter", blocked=True)
        if documents:
            documents = await self._rerank(turn, documents, journal)
        elif documents is not None and turn.context.collection and self._retrieval.on_nothing_found == "respond":
            journal.status, journal.reason = "ok", "nothing found"
            journal.text.append(self._messages.no_results_response)
            return Answer()
        system_prompt = self._default_prompt if turn.system_prompt is None else turn.system_prompt
        prompt = await fit(
            "\n\n".join(filter(None, (system_prompt, turn.client_system))),
            turn.history,
            turn.question,
            documents or (),
            instruction=self._retrieval.instruction,
            reserve=turn.options.max_tokens or self._limits.max_answer_tokens,
            count=None if self._count is None else partial(self._count_tokens, turn),
        )
        journal.documents = prompt.documents
        journal.reason = "retrieval failed" if documents is None and self._retrievers else ""
        return prompt

    async def _moderate_and_retrieve(self, turn: Turn, journal: Journal) -> tuple[Verdict, list[Document] | None]:
        """Run both at the same time. Documents are None if there was nothing to ask or all that was asked failed."""
        if not self._retrievers:
            return await self._moderate("input", (Message("user", turn.question),), turn, journal), None
        if not self._moderators["input"]:
            return _ALLOWED, await self._retrieve(turn, journal)
        retrieving = asyncio.create_task(self._retrieve(turn, journal))
        try:
            verdict = await self._moderate("input", (Message("user", turn.question),), turn, journal)
            return verdict, await retrieving if verdict.allowed else None
        finally:
            if not retrieving.done():
                retrieving.cancel()
            with suppress(asyncio.CancelledError, OrbitError):
                await retrieving

    async def _moderate(
        self, stage: ModerationStage, messages: Sequence[Message], turn: Turn, journal: Journal
    ) -> Verdict:
        moderators = self._moderators[stage]
        if not moderators:
            return _ALLOWED
        started = time.perf_counter()
        outcomes: list[Outcome[Any]] = await fan_out(
            "moderate",
            [
                (name, partial(caller, stage=stage, messages=messages, context=turn.context))
                for name, caller in moderators.items()
            ],
            self._timeouts.moderate,
        )
        journal.took("moderate", started)
        for outcome in outcomes:  # a refusal counts even where another moderator failed
            if isinstance(outcome.value, Verdict) and not outcome.value.allowed:
                return outcome.value
        for outcome in outcomes:
            if outcome.error is not None:
                raise outcome.error
            if not isinstance(outcome.value, Verdict):
                raise wrong_type(outcome.provider, "moderate", "a Verdict", outcome.value)
        return _ALLOWED

    async def _retrieve(self, turn: Turn, journal: Journal) -> list[Document] | None:
        started = time.perf_counter()
        queries = [Query(text, turn.context.collection, turn.history) for text in questions_of(turn)]
        outcomes: list[Outcome[Any]] = await fan_out(
            "retrieve",
            [
                (name, partial(caller, query=query, limit=self._retrieval.limit, context=turn.context))
                for query in queries
                for name, caller in self._retrievers.items()
            ],
            self._timeouts.retrieve,
        )
        journal.took("retrieve", started)
        lists: list[Sequence[Document]] = []
        for outcome in outcomes:
            error = outcome.error
            if error is None and not is_list_of(outcome.value, Document):
                error = wrong_type(outcome.provider, "retrieve", "a list of Documents", outcome.value)
            if error is None:
                lists.append(outcome.value or ())
            elif self._retrieval.on_error == "refuse":
                raise error
            else:
                self._failed("answering without its documents", error)
        return fuse(lists) if lists else None

    async def _rerank(self, turn: Turn, documents: list[Document], journal: Journal) -> list[Document]:
        limit = self._retrieval.max_documents
        query = Query(turn.question, turn.context.collection, turn.history)
        started = time.perf_counter()
        for name, caller in self._rerankers.items():
            invoke = partial(caller, query=query, documents=documents, limit=limit, context=turn.context)
            try:
                ranked = await call(name, "rerank", invoke, self._timeouts.rerank)
                if not is_list_of(ranked, Document):
                    raise wrong_type(name, "rerank", "a list of Documents", ranked)
            except ProviderError as error:
                self._failed("keeping the retrieved order", error)
            else:
                documents = list(ranked)
        if self._rerankers:
            journal.took("rerank", started)
        return documents[:limit]

    async def _count_tokens(self, turn: Turn, messages: Sequence[Message]) -> TokenCount:
        assert self._count is not None
        caller = self._count
        size: Any = await call(
            self._provider,
            "count_tokens",
            lambda: caller(messages=messages, context=turn.context),
            self._timeouts.first_token,
        )
        if not isinstance(size, TokenCount):
            raise wrong_type(self._provider, "count_tokens", "a TokenCount", size)
        return size

    async def _guard(
        self, events: AsyncGenerator[Event, None], turn: Turn, journal: Journal
    ) -> AsyncGenerator[Event, None]:
        """Let text out sentence by sentence, each only after the moderators of answers have passed it."""
        buffer = SentenceBuffer()
        passed = ""
        async with aclosing(events):
            async for event in events:
                if journal.fixed:
                    yield event
                    continue
                ready = buffer.add(event) if isinstance(event, str) else buffer.rest()
                if ready:
                    judged = (Message("user", turn.question), Message("assistant", passed + ready))
                    try:
                        verdict = await self._moderate("output", judged, turn, journal)
                    except OrbitError as error:
                        journal.status, journal.reason = error.code, str(error)
                        journal.text[:] = [passed]
                        self._failed("not answered", error)
                        raise
                    if not verdict.allowed:
                        journal.status, journal.reason = "blocked", verdict.reason
                        refusal = verdict.message or self._messages.refusal_response
                        journal.text[:] = [passed, refusal]
                        yield refusal
                        yield Answer("content_filter", usage=journal.usage, provider=self._provider, blocked=True)
                        return
                    passed += ready
                    yield ready
                if isinstance(event, Answer):
                    yield event


def _options(turn: Turn, prompt: Prompt) -> GenerateOptions:
    """The options for the model. From passages it always streams: the answer may end before the model does."""
    if prompt.documents and not turn.options.stream:
        return msgspec.structs.replace(turn.options, stream=True)
    return turn.options
