"""One chat turn: moderate beside retrieve, rerank, fit the prompt, generate, log. It knows no HTTP and no YAML."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncGenerator, Awaitable, Sequence
from functools import partial
from types import TracebackType
from typing import Self

import msgspec

from orbit.chat.admission import Admission, room
from orbit.chat.answer.guard import AnswerGuard
from orbit.chat.answer.links import Links
from orbit.chat.answer.text import AnswerText
from orbit.chat.answer.verification import Verification
from orbit.chat.charging import charge
from orbit.chat.journal import Journal
from orbit.chat.models.routing import Routing
from orbit.chat.moderation import ALLOWED, Moderation
from orbit.chat.outcome import (
    CANCELLED,
    Answered,
    EndsEarly,
    Event,
    Failed,
    Found,
    NothingFound,
    Outcome,
    Refused,
    ScoredText,
)
from orbit.chat.prompt.prompting import Prompt, sources_of
from orbit.chat.recorder import Recorder
from orbit.chat.search.permitted import permitted
from orbit.chat.search.retrieval import Retrieval
from orbit.chat.search.rewriting import Rewriter
from orbit.chat.ticker import Ticker
from orbit.chat.tools.calls import allowed, ended
from orbit.chat.tools.loop import ToolLoop, tool_loop
from orbit.chat.tools.rounds import Rounds
from orbit.chat.tools.toolbox import Toolbox
from orbit.chat.turn import Turn, TurnTimeout, in_time
from orbit.errors import OrbitError, ProviderError
from orbit.host.calls.calls import settled
from orbit.host.host import OrbitHost
from orbit.observing.metrics import Metrics
from orbit.types import (
    Document,
    FinishReason,
    Source,
    Thought,
    TokenCount,
    Verdict,
    WrittenToken,
)

logger = logging.getLogger("orbit.pipeline")


class Pipeline:
    """Runs chat turns on the providers of a started host."""

    def __init__(
        self, host: OrbitHost, *, logs: bool = True, links: Links | None = None, former: Pipeline | None = None
    ) -> None:
        """Without ``logs``, turns leave no record. ``links`` leads from sources to files.

        A reload passes the ``former`` pipeline: they count together, and their turns share the places.
        """
        settings = host.config.host
        registry = host.registry
        self._settings = settings
        self._links = links
        self._rounds: Rounds = former._rounds if former is not None else Rounds()  # noqa: SLF001  # its own kind
        self.admission: Admission = former.admission if former is not None else Admission(*room(settings))
        self.metrics: Metrics = former.metrics if former is not None else Metrics()
        self.ticker = Ticker()
        self._routing = Routing(host, self.ticker, self._failed)
        self.recorder = Recorder(registry.callers("log") if logs else {}, settings.timeouts.log, self.metrics.failed)
        model = settings.retrieval.rewriter
        rewriter = Rewriter(host.generate, model, settings.timeouts.rewrite, self._failed) if model else None
        self._retrieval = Retrieval(
            registry, settings.retrieval, settings.timeouts, self._failed, host.roles.embed, rewriter
        )
        self._moderation = Moderation(registry, settings.timeouts.moderate, settings.messages.refusal_response)
        self._verification = Verification(settings.answers)
        self._guards = self._moderation.judges_answers or self._verification.withholds
        toolbox = Toolbox(registry, settings.tools, settings.timeouts, self._failed)
        self._toolbox = toolbox if toolbox.available else None
        self._waits = self._retrieval.available or self._moderation.judges_questions
        """Whether anything before the model can take long; a deadline for nothing would cost a turn 3 µs."""

    async def __aenter__(self) -> Self:
        await self.recorder.__aenter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.recorder.__aexit__(kind, error, traceback)

    def answer(self, turn: Turn) -> AsyncGenerator[Event, None]:
        """Answer one turn: pieces of text, then its ending.

        Raises OrbitError, before the first text or after some. Closing the generator, or cancelling its task, stops
        whatever runs, in every phase. However the turn ends, the log sinks get its record. Its deadline is that of its
        context, or else ``timeouts.turn`` from now on.
        """
        turn = self._timed(turn)
        return self._run(turn, Journal(turn))

    async def search(self, turn: Turn) -> tuple[Source, ...]:
        """Return the passages that the model of a turn would read, best first. Raises ProviderError and TurnTimeout."""
        turn = self._timed(turn)
        if not self._retrieval.available:
            self._retrieval.require(turn)
            return ()
        return sources_of(await in_time(turn.context, self._retrieval.search(turn), self.ticker))

    async def count_tokens(self, turn: Turn) -> TokenCount | None:
        """Return the size of a turn's prompt without passages; None if its model cannot count. Raises OrbitError."""
        return await self._routing.count(turn)

    def refused(self, turn: Turn, error: OrbitError) -> None:
        """Record a turn that was refused before it began."""
        self._finished(turn, Journal(turn), Failed(error))

    def _timed(self, turn: Turn) -> Turn:
        """Return a turn with a deadline: its own, or ``timeouts.turn`` from now on."""
        if turn.context.deadline is not None:
            return turn
        deadline = time.monotonic() + self._settings.timeouts.turn
        return msgspec.structs.replace(turn, context=msgspec.structs.replace(turn.context, deadline=deadline))

    async def _run(  # noqa: C901, PLR0912, PLR0915  # a call for each piece would cost more than a branch
        self, turn: Turn, journal: Journal
    ) -> AsyncGenerator[Event, None]:
        """Run the stages. Each piece of each answer passes the inner loop, so it does little."""
        text = journal.text
        outcome: Outcome = CANCELLED
        try:
            try:
                if not self.admission.take(turn.context.key_id):
                    await self.admission.enter(turn.context.key_id)
                try:
                    candidates = await self._routing.candidates(turn)
                    documents: Sequence[Document] = ()
                    if self._waits or turn.later or turn.context.collection:
                        documents = await self._prepared(turn, journal)
                    loop: ToolLoop | None = None
                    if self._toolbox is not None and not turn.task:
                        turn = self._rounds.restored(turn)
                        loop = await tool_loop(
                            self._toolbox, self._routing, self._moderation, self.ticker, turn, candidates
                        )
                    started = time.perf_counter()
                    thoughts: list[Thought] = []
                    scored: list[WrittenToken] = []
                    room = self._settings.limits.max_answer_chars
                    while True:
                        if loop is None:
                            asked = await self._routing.begin(turn, candidates, documents, journal)
                        else:
                            asked = await loop.begin(documents, journal)
                            turn = loop.turn
                        prompt, stream = asked.prompt, asked.stream
                        with asked:
                            journal.documents = prompt.documents
                            answer = AnswerText(prompt.last, room)
                            chunk = asked.first
                            try:
                                if self._links is not None and prompt.documents:
                                    prompt = await self._linked(turn, prompt, self._links)
                                if turn.found and prompt.documents and not journal.tool_uses:
                                    yield Found(sources_of(prompt.documents, prompt.links, prompt.first))
                                guard = self._guard(turn, prompt, journal) if self._guards else None
                                while chunk is not None:
                                    if chunk.reasoning or chunk.signature:
                                        answer.thought_chars += len(chunk.reasoning)
                                        if loop is not None:
                                            loop.thoughts.append(Thought(chunk.reasoning, chunk.signature))
                                        if turn.thoughts and guard is None:  # no moderator has read them
                                            thoughts.append(Thought(chunk.reasoning, chunk.signature))
                                            yield thoughts[-1]
                                    if piece := answer.add(chunk):
                                        if answer.pieces == 1 and "first_token" not in journal.durations:
                                            journal.took("first_token", started)
                                        if guard is not None:
                                            piece = await guard.add(piece)  # what remains of it
                                        if piece:
                                            text.append(piece)
                                            if chunk.logprobs:
                                                piece = ScoredText(piece, chunk.logprobs)
                                                scored += chunk.logprobs
                                            yield piece
                                    if answer.ended:
                                        break
                                    chunk = await stream.next()
                            finally:
                                used = answer.usage(prompt.tokens)
                                journal.usage = used if loop is None else loop.used(used)
                                if turn.charge is not None:
                                    charge(turn.charge, answer, prompt, turn.options, complete=chunk is None)
                                await stream.aclose()
                        if piece := answer.rest() if guard is None else await guard.rest(answer.rest()):
                            text.append(piece)
                            yield piece
                        calls = answer.tool_calls if loop is None else loop.take(answer)
                        if calls:
                            calls = allowed(calls, turn.options, asked.provider)
                        if guard is not None and (calls or (loop is not None and loop.pending)):
                            await guard.calls(calls if loop is None else (*loop.pending, *calls))
                        if loop is None or not loop.pending:
                            break
                        for step in loop.begun():
                            yield step
                        for step in await loop.run(journal, alone=not calls):
                            yield step
                        if calls:
                            break
                        await loop.route()
                        room = self._settings.limits.max_answer_chars - sum(map(len, text))
                        if text and not text[-1].endswith("\n"):
                            text.append("\n\n")
                            yield "\n\n"
                    if calls:
                        hidden = () if loop is None else loop.hidden
                        journal.tool_calls = self._rounds.kept(turn, calls, prompt.documents, hidden)
                    journal.took("generate", started)
                finally:
                    self.admission.leave(turn.context.key_id)
                self._require_text(turn, prompt, answer, journal, thought=stream.thought)
                outcome = Answered(
                    self._verification.mark(prompt, turn, journal) if prompt.documents else "",
                    ended(answer.finish_reason, calls),
                    sources_of(prompt.documents, prompt.links, prompt.first),
                    journal.usage,
                    journal.provider,
                    journal.model,
                    prompt.dropped_documents,
                    prompt.dropped_turns,
                    journal.without_documents,
                    tool_calls=calls,
                    thoughts=tuple(thoughts),
                    logprobs=tuple(scored),
                    tries=journal.tries,
                    stopped_by=answer.stopped_by,
                    tool_uses=tuple(journal.tool_uses),
                )
                yield outcome
            except EndsEarly as early:
                text.append(early.ending.text)
                outcome = msgspec.structs.replace(
                    early.ending,
                    usage=journal.usage,
                    provider=journal.provider,
                    tool_uses=tuple(journal.tool_uses),
                )
                yield outcome
        except Exception as error:
            outcome = Failed(error)
            raise
        finally:
            self._finished(turn, journal, outcome)

    async def _linked(self, turn: Turn, prompt: Prompt, links: Links) -> Prompt:
        """Return a prompt with the links of its passages."""
        found = await in_time(turn.context, links.of(turn, prompt.documents), self.ticker)
        return msgspec.structs.replace(prompt, links=found)

    def _guard(self, turn: Turn, prompt: Prompt, journal: Journal) -> AnswerGuard | None:
        check = self._verification.check(prompt, turn)
        if not self._moderation.judges_answers and check is None:
            return None
        return AnswerGuard(self._moderation, turn, journal, self.ticker, check)

    def _require_text(self, turn: Turn, prompt: Prompt, answer: AnswerText, journal: Journal, *, thought: bool) -> None:
        """Raise ProviderError for an answer without text, or EndsEarly if the model's own filter took all of it.

        A conversation that remembered an empty answer would be spoilt. A client's ``stop`` may leave one.
        """
        if any(map(str.strip, journal.text)) or journal.tool_calls or turn.options.stop:
            return
        if answer.finish_reason != "content_filter":
            if answer.finish_reason == "length" and turn.options.max_tokens and not journal.tool_uses:
                raise _too_few_tokens(journal.provider)
            raise _no_answer(journal.provider, answer.finish_reason, thought=thought, called=bool(journal.tool_uses))
        raise EndsEarly(
            Refused(
                self._moderation.refusal,
                reason="the model's own filter left nothing of the answer",
                sources=sources_of(prompt.documents, prompt.links, prompt.first),
                usage=journal.usage,
                provider=journal.provider,
                model=journal.model,
                tries=journal.tries,
                dropped_documents=prompt.dropped_documents,
                dropped_turns=prompt.dropped_turns,
                without_documents=journal.without_documents,
            )
        )

    def _failed(self, consequence: str, error: OrbitError) -> None:
        """Report to operators what a client cannot mend."""
        if isinstance(error, TurnTimeout):
            logger.warning("%s: no end within %g s (timeouts.turn)", consequence, self._settings.timeouts.turn)
            error.logged = True
        if isinstance(error, ProviderError):
            logger.warning("%s: %s", consequence, error)
            error.logged = True
            self.metrics.failed(error)

    def _finished(self, turn: Turn, journal: Journal, outcome: Outcome) -> None:
        if isinstance(outcome, Failed) and isinstance(outcome.error, OrbitError) and not outcome.error.logged:
            self._failed("not answered", outcome.error)
        record = journal.record(outcome)
        self.metrics.turn(record)
        self.recorder.record(record, turn.context)

    def _prepared(self, turn: Turn, journal: Journal) -> Awaitable[list[Document]]:
        preparing = self._prepare(turn, journal)
        return in_time(turn.context, preparing, self.ticker) if self._waits else preparing

    async def _prepare(self, turn: Turn, journal: Journal) -> list[Document]:
        """Do all that comes before the model, and return the passages. Raises EndsEarly if no model is needed."""
        settings = self._settings
        verdict = ALLOWED
        documents: list[Document] | None = None
        self._retrieval.require(turn)
        if self._waits:
            verdict, documents = await self._moderate_and_retrieve(turn, journal)
        if not verdict.allowed:
            raise EndsEarly(self._moderation.refusal_of(verdict))
        if documents:
            documents = await self._retrieval.rerank(turn, documents, journal)
        elif documents is not None and self._retrieval.responds(turn):
            raise EndsEarly(NothingFound(settings.messages.no_results_response))
        elif turn.has_results:
            documents = list(permitted(turn, self._rounds.documents(turn) or ())) or None
        searched = (self._retrieval.available or bool(turn.context.collection)) and turn.searches
        journal.without_documents = documents is None and searched
        return documents or []

    async def _moderate_and_retrieve(self, turn: Turn, journal: Journal) -> tuple[Verdict, list[Document] | None]:
        """Run both at the same time. Documents are None if there is no retriever, or if every one failed."""
        if not self._retrieval.available or not turn.searches:
            return await self._moderation.judge_question(turn, journal), None
        if not self._moderation.judges_questions:
            return ALLOWED, await self._retrieval.retrieve(turn, journal)
        async with asyncio.TaskGroup() as group:
            retrieving = group.create_task(settled(partial(self._retrieval.retrieve, turn, journal)))
            verdict, failure = await settled(partial(self._moderation.judge_question, turn, journal))
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


def _too_few_tokens(provider: str) -> ProviderError:
    """Return the error for a client that allows an answer too few tokens: it can mend that."""
    what = "the model used up the tokens that the client allows before its answer."
    client = "The model used up the tokens of the request before its answer. Allow it more."
    return ProviderError(
        what, kind="rejected", client=client, provider=provider, operation="generate", option="max_tokens"
    )


def _no_answer(provider: str, finish_reason: FinishReason, *, thought: bool, called: bool) -> ProviderError:
    """Return the error for a model that ended without an answer."""
    if called:
        what, client = "the model called tools and then gave no answer.", "The model called tools, but gave no answer."
        return ProviderError(what, client=client, provider=provider, operation="generate")
    if finish_reason == "length":
        what = "the model used up its tokens before its answer; allow it more, or turn its thinking off."
    else:
        what = "the model thought, but gave no answer." if thought else "the model gave no answer."
    return ProviderError(what, client="The model gave no answer.", provider=provider, operation="generate")
