"""Asks the model of a turn: the least busy of its providers, then the others, then the models that take over."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Coroutine, Sequence
from itertools import compress
from types import TracebackType
from typing import Any, Final, NamedTuple, Self, TypeAlias

import msgspec

from orbit.chat.journal import Journal
from orbit.chat.models.needs import Unsupported, needs_of
from orbit.chat.models.stream import ModelStream
from orbit.chat.prompt.prompting import Prompt, fit, whole
from orbit.chat.search.typed_question import brought_passages, typed
from orbit.chat.ticker import Ticker
from orbit.chat.turn import Turn, TurnTimeout, in_time
from orbit.config.models import ModelOptions
from orbit.errors import OrbitError, PromptTooLong, ProviderError
from orbit.host.host import OrbitHost
from orbit.host.models.catalogue import with_own
from orbit.host.models.upstreams import Upstream, in_order
from orbit.types import Capability, Chunk, Document, GenerateOptions, Message, TokenCount

_NO_OPTIONS: Final = ModelOptions()


class Candidate(NamedTuple):
    """A provider that could answer, and the options of the model that it would answer for; None if it has none."""

    upstream: Upstream
    options: ModelOptions | None


Candidates: TypeAlias = Sequence[Sequence[Candidate]]


class Asked:
    """A model that has begun to answer. Leave it to note what came of it; close its stream."""

    __slots__ = ("_upstream", "first", "model", "prompt", "provider", "stream")

    def __init__(self, upstream: Upstream, prompt: Prompt, stream: ModelStream, first: Chunk | None) -> None:
        self._upstream = upstream
        self.provider = upstream.provider
        self.model = upstream.model
        self.prompt = prompt
        self.stream = stream
        self.first = first

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if isinstance(error, ProviderError) and error.operation == "generate" and error.kind != "rejected":
            self._upstream.failed(error)
        self._upstream.end()


class Routing:
    """Chooses who answers. ``failed`` reports a failure that the client does not notice."""

    def __init__(self, host: OrbitHost, ticker: Ticker, failed: Callable[[str, OrbitError], None]) -> None:
        settings = host.config.host
        registry = host.registry
        self._settings = settings
        self._catalogue = host.catalogue
        self._registry = registry
        self._generate = registry.callers("generate")
        self._counting = frozenset(registry.callers("count_tokens"))
        self._count_tokens = host.count_tokens
        self._models = host.listed_models
        self._ticker = ticker
        self._failed = failed
        self._budget = host.upstreams.budget
        self._groups = {
            route.name: [
                Candidate(
                    host.upstreams.of(target),
                    None if route.options == _NO_OPTIONS else route.options,
                )
                for target in route.targets
                if target.provider in self._generate
            ]
            for route in self._catalogue.routes.values()
        }
        chain = self._catalogue.chain
        self._chains = {name: [self._groups[route.name] for route in chain(name)] for name in self._groups}
        self._prompts = {name: self._own_prompt(name) for name in self._generate}

    async def candidates(self, turn: Turn) -> Candidates:
        """Return who may answer a turn: the model's providers, then those of each fallback.

        Raises Unsupported if the model lacks what the turn needs, and UnknownModel.
        """
        name = self._catalogue.find(turn.model)
        groups: Candidates = self._chains[name]
        needs = needs_of(turn)
        return await self._able(name, groups, needs, turn) if needs else groups

    def begin(
        self, turn: Turn, groups: Candidates, documents: Sequence[Document], journal: Journal
    ) -> Coroutine[Any, Any, Asked]:
        """Ask one candidate after the other until one begins to answer. Raises the first one's error if none does.

        What the client can mend ends the search: a rejected request. A prompt that is too long goes on to the next one.
        """
        if len(groups) == 1 and len(groups[0]) == 1:  # no choice, and no cost of one
            candidate = groups[0][0]
            journal.tries, journal.provider, journal.model = 1, candidate.upstream.provider, candidate.upstream.model
            return self._ask(turn, candidate, documents)
        return self._begin(turn, _ordered(groups), documents, journal)

    async def _begin(
        self, turn: Turn, candidates: Sequence[Candidate], documents: Sequence[Document], journal: Journal
    ) -> Asked:
        self._budget.request()
        first: OrbitError | None = None
        for number, candidate in enumerate(candidates, 1):
            journal.tries = number
            journal.provider, journal.model = candidate.upstream.provider, candidate.upstream.model
            try:
                return await self._ask(turn, candidate, documents)
            except (ProviderError, PromptTooLong) as error:
                if first is None:
                    first = error
                rejected = isinstance(error, ProviderError) and error.kind == "rejected"
                if rejected or number == len(candidates) or not self._budget.take():
                    break
                self._failed(f"{candidates[number].upstream.provider} takes over", error)
        if first is None:
            reason = "no provider of this model has started."
            raise ProviderError(reason, kind="unavailable", operation="generate")
        if isinstance(first, ProviderError) and journal.tries > 1:
            first.retried = True
        raise first

    async def count(self, turn: Turn) -> TokenCount | None:
        """Return the size of a turn's prompt without passages; None if no candidate can count. Raises OrbitError."""
        for candidate in _ordered(await self.candidates(turn)):
            provider = candidate.upstream.provider
            if provider in self._counting:
                messages = self._whole(turn, provider, ()).messages
                options = with_own(turn.options, candidate.options, candidate.upstream.target.model)
                return await self._count_tokens(messages, options, turn.context, provider)
        return None

    async def _ask(self, turn: Turn, candidate: Candidate, documents: Sequence[Document]) -> Asked:
        """Ask one candidate, and return once it has begun to answer."""
        upstream = candidate.upstream
        options, model = turn.options, upstream.target.model
        if model or candidate.options is not None:
            options = with_own(options, candidate.options, model)
        upstream.begin()
        try:
            if options.reasoning_effort == "none" and not await self._thinks(candidate, turn):
                options = msgspec.structs.replace(options, reasoning_effort=None)
            if upstream.provider in self._counting:
                prompt = await self._fitted(turn, upstream.provider, options, documents)
            else:
                prompt = self._whole(turn, upstream.provider, documents)
            stream = self._stream(turn, upstream.provider, options, prompt)
            try:
                chunk = await stream.next()
                while chunk is not None and _is_empty(chunk):
                    chunk = await stream.next()
            except BaseException:
                await stream.aclose()
                raise
        except BaseException as error:
            upstream.end()
            if isinstance(error, TurnTimeout) or (isinstance(error, ProviderError) and error.kind != "rejected"):
                upstream.failed(error)
            raise
        upstream.answered()
        return Asked(upstream, prompt, stream, chunk)

    def _whole(self, turn: Turn, provider: str, documents: Sequence[Document]) -> Prompt:
        """Return the prompt for a provider that counts no tokens."""
        return whole(
            self._system_prompt(turn, provider),
            turn.history,
            turn.question,
            documents,
            self._settings.retrieval.instruction,
            parts=turn.parts,
            later=turn.later,
            first=brought_passages(turn.question) + 1,
        )

    async def _fitted(
        self, turn: Turn, provider: str, options: GenerateOptions, documents: Sequence[Document]
    ) -> Prompt:
        """Fit the prompt into the window of a provider's model."""
        settings = self._settings

        async def count(messages: Sequence[Message]) -> TokenCount:
            size = await self._count_tokens(messages, options, turn.context, provider)
            assert size is not None
            return size

        fitting = fit(
            self._system_prompt(turn, provider),
            turn.history,
            turn.question,
            documents,
            instruction=settings.retrieval.instruction,
            reserve=options.max_tokens or settings.limits.max_answer_tokens,
            count=count,
            parts=turn.parts,
            later=turn.later,
            first=brought_passages(turn.question) + 1,
            tools=len(options.tools),
        )
        return await in_time(turn.context, fitting, self._ticker)

    def _system_prompt(self, turn: Turn, provider: str) -> str:
        """Return the key's instructions, or else the provider's, with the client's after them."""
        own = self._prompts[provider] if turn.system_prompt is None else turn.system_prompt
        return "\n\n".join(filter(None, (own, turn.client_system))) if turn.client_system else own

    def _stream(self, turn: Turn, provider: str, options: GenerateOptions, prompt: Prompt) -> ModelStream:
        chunks: AsyncGenerator[Chunk, None] = self._generate[provider](
            messages=prompt.messages,
            # With passages it always streams, because the answer may end before the model does.
            options=_streaming(options) if prompt.documents and not options.stream else options,
            context=turn.context,
            question=typed(turn.question),
            documents=prompt.documents,
        )
        return ModelStream(provider, chunks, self._ticker, self._settings.timeouts, turn.context.deadline)

    async def _thinks(self, candidate: Candidate, turn: Turn) -> bool:
        """Return whether a candidate's model lets requests choose how much it thinks."""
        target = candidate.upstream.target
        model = target.model or turn.options.model
        return "reasoning" in await self._models.supports(target.provider, model, turn.context)

    async def supporting(self, need: Capability, groups: Candidates, turn: Turn) -> Candidates | None:
        """Return those of a turn's candidates that support ``need`` as well; None if the model itself does not."""
        found, missing, _ = await self._split(groups, frozenset({need}), turn)
        return found if any(found) and (found[0] or not missing) else None

    async def _able(
        self, name: str, groups: Candidates, needs: frozenset[Capability], turn: Turn
    ) -> list[list[Candidate]]:
        """Return the candidates that support what the turn needs. Raises Unsupported if the model's own do not."""
        found, missing, failure = await self._split(groups, needs, turn)
        if missing and not found[0]:
            need = min(missing)
            raise Unsupported(need, name, await self._names_able(need, turn))
        if failure is not None and not any(found):
            raise failure
        return found

    async def _split(
        self, groups: Candidates, needs: frozenset[Capability], turn: Turn
    ) -> tuple[list[list[Candidate]], set[Capability], ProviderError | None]:
        """Return the candidates that support the needs, what the model's own lack, and the first provider's failure."""
        found: list[list[Candidate]] = []
        missing: set[Capability] = set()
        failure: ProviderError | None = None
        for group in groups:
            able: list[Candidate] = []
            for candidate in group:
                target = candidate.upstream.target
                try:
                    model = target.model or turn.options.model
                    lacking = needs - await self._models.supports(target.provider, model, turn.context)
                except ProviderError as error:
                    failure = failure or error
                    self._failed("not asked", error)
                    continue
                if not lacking:
                    able.append(candidate)
                elif group is groups[0]:
                    missing |= lacking
            found.append(able)
        return found, missing, failure

    async def _names_able(self, need: Capability, turn: Turn) -> list[str]:
        """Return the models of the turn's key that support a need. Models whose provider cannot say are left out."""

        async def able(name: str) -> bool:
            targets = [candidate.upstream.target for candidate in self._groups[name]]
            asking = (self._models.find_soon(target.provider, target.model, turn.context) for target in targets)
            return any(model is not None and need in model.supports for model in await asyncio.gather(*asking))

        names = self._catalogue.names(turn.models)
        return list(compress(names, await asyncio.gather(*map(able, names))))

    def _own_prompt(self, provider: str) -> str:
        own = getattr(self._registry[provider].settings, "default_system_prompt", None)
        return own or self._settings.general.default_system_prompt


def _ordered(groups: Candidates) -> Sequence[Candidate]:
    """Return the candidates in the order to ask them, each provider's model once."""
    first = {candidate.upstream: candidate for group in reversed(groups) for candidate in group}
    return [first[upstream] for upstream in in_order([[item.upstream for item in group] for group in groups])]


def _is_empty(chunk: Chunk) -> bool:
    written = chunk.text or chunk.reasoning or chunk.signature or chunk.tool_calls
    return not (written or chunk.finish_reason or chunk.usage)


def _streaming(options: GenerateOptions) -> GenerateOptions:
    return msgspec.structs.replace(options, stream=True)
