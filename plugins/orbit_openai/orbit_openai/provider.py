"""The provider: ORBIT's hooks on one or several OpenAI-compatible servers."""

import asyncio
import logging
import sys
from collections.abc import AsyncGenerator, Iterable, Sequence
from contextlib import aclosing
from types import TracebackType
from typing import TYPE_CHECKING, Self

from orbit import (
    CallContext,
    Chunk,
    ConfigError,
    GenerateOptions,
    Health,
    HealthStatus,
    Host,
    Message,
    OrbitError,
    Provider,
    ProviderError,
    Thinking,
    TokenCount,
    hookimpl,
)
from orbit.upstreams import (
    Address,
    address_problem,
    blamed,
    credential_problem,
    embed_in_parts,
    header_problems,
    is_too_much,
    listed_name,
    shortened_sentence,
    tls_problems,
)
from orbit_openai import wire
from orbit_openai.client import Client
from orbit_openai.errors import NoModelList, quirk
from orbit_openai.reader import ChatReader
from orbit_openai.settings import ROUTES, Dialect, OpenAISettings
from orbit_openai.upstreams import Upstream, Upstreams

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

logger = logging.getLogger("orbit.openai")

_BYTES_A_TOKEN = 3
"""Of UTF-8, on the safe side: four and more in English prose, three in code, figures and most other scripts."""
_TOKENS_A_MESSAGE = 8
"""What a chat template puts around one message, at most."""

_OWN_FIELDS = frozenset({"messages", "input", "stream"})
"""Fields of a request without which, or with other values of which, no answer could be read."""


class OpenAIProvider(Provider):
    """Chat and embeddings by OpenAI-compatible servers."""

    Settings = OpenAISettings
    settings: OpenAISettings

    def __init__(self, name: str, settings: OpenAISettings, host: Host) -> None:
        super().__init__(name, settings, host)
        self._upstreams = Upstreams(settings.addresses, settings.max_retries, settings.retry_delay)
        self._thinking = Thinking(opened=settings.template_opens_thoughts)
        self._client: Client | None = None
        self._window = settings.context_window
        self._quirks: dict[str, frozenset[str]] = {}
        self._dialect: Dialect = "openai" if settings.dialect == "auto" else settings.dialect

    def validate(self) -> Iterable[str]:
        """Sentences about settings that cannot work."""
        if not (self.settings.model or self.settings.embed_model):
            yield "set `model` (to chat), `embed_model` (to embed), or both."
        settings = self.settings
        if not settings.given:
            yield "base_url names no server."
        for url in settings.given:
            if problem := address_problem(url, "http://HOST:PORT/v1"):
                yield f"base_url {problem}"
        if settings.proxy and (problem := address_problem(settings.proxy)):
            yield f"proxy {problem}"
        others = {
            "api_key": settings.api_key,
            "headers.Authorization": any(name.lower() == "authorization" for name in settings.headers),
        }
        if problem := credential_problem(settings.addresses, others):
            yield problem
        yield from tls_problems(settings.ca_certs, verify_certs=settings.verify_certs)
        yield from header_problems(settings.headers, api_key=settings.api_key)
        for setting, fields in (("extra_body", settings.extra_body), ("extra_embed_body", settings.extra_embed_body)):
            for field in sorted(_OWN_FIELDS.intersection(fields)):
                yield f"{setting}.{field} belongs to the request itself; leave it out."
        if settings.max_tokens and settings.context_window and settings.max_tokens >= settings.context_window:
            yield f"max_tokens ({settings.max_tokens}) leaves no room in context_window ({settings.context_window})."

    def offers(self, hook: str) -> bool:
        """What a model is set for."""
        return bool(self.model(hook))

    def model(self, hook: str) -> str:
        """The model that answers a hook."""
        return self.settings.embed_model if hook == "embed" else self.settings.model

    async def __aenter__(self) -> Self:
        self._client = Client(self.settings)
        try:
            await self._check_servers()
        except BaseException:
            await self._close()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self._close()

    async def health(self) -> Health:
        """Ask every server for its models. Down if none answers, degraded if one does not or refuses to."""
        errors = await asyncio.gather(*(self._failure(upstream.address) for upstream in self._upstreams.all))
        failures = [error for error in errors if error is not None]
        if not failures:
            return Health(detail=self.settings.model or self.settings.embed_model)
        away = [error for error in failures if error.kind in ("unavailable", "timeout", "overloaded")]
        status: HealthStatus = "down" if len(away) == len(errors) else "degraded"
        return Health(status, " ".join(error.message for error in failures))

    @hookimpl
    async def generate(
        self, messages: Sequence[Message], options: GenerateOptions, context: CallContext
    ) -> AsyncGenerator[Chunk]:
        """Answer a conversation. What the model thinks is left out."""
        client, model = self._started(), options.model or self.settings.model
        quirks = self._quirks.get(model, frozenset())
        attempts = self._upstreams.attempts(context)
        while True:
            upstream, begun = attempts.next(), False
            name = upstream.names.get(model, model)
            body = wire.chat_body(self.settings, self._dialect, messages, options, model=name, quirks=quirks)
            silence = _at_most(self.settings.silence_timeout, context)
            splitter = self._thinking.splitter(model, whole=not options.stream)
            reader = ChatReader(model, str(upstream.address), splitter, whole=not options.stream)
            try:
                with upstream.asked():
                    async with aclosing(client.chat(upstream.address, body, reader, model, silence)) as chunks:
                        async for chunk in chunks:
                            if not begun:
                                begun = True
                                self._learn(model, quirks)
                            yield chunk
            except ProviderError as error:
                if begun:
                    raise
                otherwise = quirk(error, messages)
                if otherwise and otherwise not in quirks:
                    quirks |= {otherwise}
                    continue
                problem = blamed(error, options)
                if problem is not error:
                    raise problem from error
                await attempts.again(error)
            else:
                return

    @hookimpl
    async def count_tokens(self, messages: Sequence[Message]) -> TokenCount:
        """Estimate, on the high side: there is no counting in OpenAI's API. An unknown window has no end."""
        size = sum(len(message.content.encode()) // _BYTES_A_TOKEN + _TOKENS_A_MESSAGE for message in messages)
        return TokenCount(size, self._window or sys.maxsize)

    @hookimpl
    async def embed(self, texts: Sequence[str], kind: str, context: CallContext) -> "NDArray[np.float32]":
        """Embed texts in batches, as many at the same time as there are servers."""
        import numpy as np  # noqa: PLC0415  # only those who embed pay for it

        size = self.settings.embed_batch_size
        batches = [texts[start : start + size] for start in range(0, len(texts), size)]
        if not batches:
            return np.zeros((0, self.settings.dimensions or 0), dtype=np.float32)
        prefix = self.settings.query_prefix if kind == "query" else self.settings.document_prefix
        shortened: list[tuple[int, int]] = []
        places = asyncio.Semaphore(len(self._upstreams.all))

        async def one(batch: Sequence[str]) -> "NDArray[np.float32]":
            async with places:
                rows, cut = await self._embed_batch(batch, prefix, context)
                shortened.extend(cut)
                return np.asarray(rows, dtype=np.float32)

        if len(batches) == 1:
            vectors = await one(texts)
        else:
            try:
                async with asyncio.TaskGroup() as group:
                    tasks = [group.create_task(one(batch)) for batch in batches]
            except ExceptionGroup as failed:
                raise failed.exceptions[0] from failed
            vectors = np.concatenate([task.result() for task in tasks])
        if shortened:
            logger.warning("%s: %s", self.name, shortened_sentence(self.settings.embed_model, shortened))
        return vectors

    async def _embed_batch(
        self, batch: Sequence[str], prefix: str, context: CallContext
    ) -> tuple[list[list[float]], list[tuple[int, int]]]:
        """Return the vectors of a batch, and what had to be shortened."""
        refusal: OrbitError | None = None

        async def embed(texts: Sequence[str]) -> list[list[float]] | None:
            nonlocal refusal
            try:
                return await self._embed(texts, prefix, context)
            except OrbitError as error:
                if not is_too_much(error):
                    raise
                refusal = error
                return None

        rows, shortened = await embed_in_parts(batch, embed)
        if not rows and refusal is not None:
            raise ProviderError(str(refusal)) from refusal
        return rows, shortened

    async def _embed(self, texts: Sequence[str], prefix: str, context: CallContext) -> list[list[float]]:
        client, model = self._started(), self.settings.embed_model
        attempts = self._upstreams.attempts(context)
        while True:
            upstream = attempts.next()
            body = wire.embed_body(self.settings, texts, prefix, upstream.names.get(model, model))
            seconds = _at_most(self.settings.embed_timeout, context)
            try:
                with upstream.asked():
                    return await client.embed(upstream.address, body, len(texts), model, seconds)
            except ProviderError as error:
                if is_too_much(error):
                    raise
                await attempts.again(error)

    def _learn(self, model: str, quirks: frozenset[str]) -> None:
        """Remember how a model wants to be asked, once it has answered."""
        known = self._quirks.get(model, frozenset())
        if quirks != known:
            self._quirks[model] = quirks
            logger.info("%s: %s is asked with %s from now on", self.name, model, ", ".join(sorted(quirks - known)))

    def _started(self) -> Client:
        if self._client is None:
            raise ProviderError("the provider is not started.", kind="unavailable")
        return self._client

    async def _close(self) -> None:
        client, self._client = self._client, None
        if client is not None:
            await client.close()

    async def _failure(self, address: Address) -> ProviderError | None:
        """Return why a server does not tell its models."""
        try:
            await self._started().models(address)
        except ProviderError as error:
            return error
        return None

    async def _check_servers(self) -> None:
        """Make sure that a server answers and has the models; say of the others what they lack."""
        self._notice_routes()
        upstreams = self._upstreams.all
        results = await asyncio.gather(*(self._check(upstream) for upstream in upstreams), return_exceptions=True)
        problems = [result for result in results if isinstance(result, BaseException)]
        for problem in problems:
            if not isinstance(problem, ProviderError | ConfigError):
                raise problem
        if len(problems) == len(upstreams) and self.settings.require_server:
            raise problems[0]
        for problem in problems:
            logger.warning("%s: %s", self.name, problem)

    def _notice_routes(self) -> None:
        """Tell of a base_url that names a route of the API: it is asked without it."""
        for url in self.settings.given:
            written, used = Address.parse(url).url, Address.parse(url, strip=ROUTES).url
            if written != used:
                sentence = "%s: base_url names a route (%s); routes are added to it, so %s is used"
                logger.warning(sentence, self.name, written, used)

    async def _check(self, upstream: Upstream) -> None:
        """Raise ProviderError if a server does not answer in time, ConfigError if it lacks a model."""
        wanted = [model for model in dict.fromkeys((self.settings.model, self.settings.embed_model)) if model]
        there = {model.name: model for model in await self._await_models(upstream)}
        if not there:
            logger.warning("%s: %s lists no models, so nobody knows whether it has %s", self.name, upstream.url, wanted)
            return
        for model in wanted:
            name = listed_name(model, there)
            if name is None:
                setting = "model" if model == self.settings.model else "embed_model"
                lack = f"{upstream.url} does not have the model '{model}'; it has: {', '.join(there)}."
                raise ConfigError(f"{lack} Set {self.name}.{setting} to one of them.")
            if name != model:
                upstream.names[model] = name
        listed = next((name for name in there if listed_name(self.settings.model, [name])), "")
        answering = there.get(self.settings.model) or there.get(listed)
        if answering is not None:
            if self.settings.dialect == "auto":
                self._dialect = answering.dialect
            windows = [window for window in (self._window, answering.window) if window is not None]
            self._window = min(windows, default=None)
        logger.info("%s: %s has %s", self.name, upstream.url, ", ".join(wanted))

    async def _await_models(self, upstream: Upstream) -> list[wire.Model]:
        """Return what a server lists, nothing if it has no list. Raises ProviderError if it does not answer in time."""
        client, loop = self._started(), asyncio.get_running_loop()
        deadline = loop.time() + self.settings.start_timeout
        while True:
            try:
                return await client.models(upstream.address)
            except NoModelList as error:
                path, model = ("/chat/completions", self.settings.model)
                if not model:
                    path, model = "/embeddings", self.settings.embed_model
                await client.answers(upstream.address, path, model)
                logger.warning("%s: %s", self.name, error.message)
                return []
            except ProviderError as error:
                if not error.retryable or loop.time() >= deadline:
                    hint = " Start the server, or set base_url to where it runs." if error.retryable else ""
                    raise ProviderError(error.message + hint, kind=error.kind, retryable=error.retryable) from error
            await asyncio.sleep(min(0.25, self.settings.start_timeout))


def _at_most(seconds: float, context: CallContext) -> float:
    """Return the seconds to wait: those of the settings, or what is left until the deadline if that is less."""
    remaining = context.remaining()
    return seconds if remaining is None else min(seconds, remaining)
