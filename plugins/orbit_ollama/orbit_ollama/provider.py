"""The provider: ORBIT's hooks on one or several Ollama servers."""

import asyncio
import logging
import time
from collections.abc import AsyncGenerator, Iterable, Sequence
from contextlib import aclosing, suppress
from typing import TYPE_CHECKING

from orbit import (
    CallContext,
    Chunk,
    ConfigError,
    GenerateOptions,
    Health,
    Host,
    Message,
    Model,
    ProviderError,
    Thinking,
    TokenCount,
    hookimpl,
)
from orbit.upstreams import (
    Refused,
    Server,
    UpstreamProvider,
    blamed,
    embed_in_batches,
    listed_name,
    refuses_system,
    seconds_left,
    shortened_sentence,
    until_answered,
    without_effect,
)
from orbit_ollama import wire
from orbit_ollama.answer import ChatReader
from orbit_ollama.client import Client, Clients, InstalledModel, ShownModel
from orbit_ollama.prefixes import prefixes
from orbit_ollama.pulling import follow
from orbit_ollama.settings import OllamaSettings
from orbit_ollama.tokens import estimate_prompt

if TYPE_CHECKING:
    import click
    import numpy as np
    from numpy.typing import NDArray

logger = logging.getLogger("orbit.ollama")

_FAST_SECONDS = 5.0
_SHOWN_AT_ONCE = 4
_NO_LIST = (403, 404, 405, 501)
"""Responses of gateways that have no model list, or do not show it to this user."""
_OF_CHATS = (
    *("default_system_prompt", "temperature", "top_p", "top_k", "repeat_penalty", "num_predict", "think"),
    *("template_opens_thoughts", "first_token_timeout", "stall_timeout"),
)
_OF_EMBEDDINGS = ("query_prefix", "document_prefix", "embed_batch_size", "embed_timeout")


class OllamaProvider(UpstreamProvider[Clients]):
    """Chat and embeddings with Ollama."""

    ORBIT_API = 2
    Settings = OllamaSettings
    settings: OllamaSettings

    def __init__(self, name: str, settings: OllamaSettings, host: Host) -> None:
        super().__init__(name, settings, host)
        self._thinking = Thinking(opened=settings.template_opens_thoughts)
        self._window = settings.num_ctx
        self._longest = float("inf")
        self._without_system: set[str] = set()
        """Models whose chat templates accept no system message."""
        self._shown: dict[str, ShownModel] = {}
        """What the server said of other models, by digest."""
        self._showing = asyncio.Semaphore(_SHOWN_AT_ONCE)

    def validate(self) -> Iterable[str]:
        """Yield settings that cannot work."""
        if not (self.settings.model or self.settings.embed_model):
            yield "set `model` (to chat), `embed_model` (to embed), or both."
        yield from self.settings.problems()
        if problem := self.settings.keep_alive_problem():
            yield problem

    def remarks(self) -> Iterable[str]:
        """Yield settings that do nothing."""
        yield from self.settings.remarks()
        if not self.settings.model:
            yield from without_effect(self.settings, _OF_CHATS, "there is no model that chats")
        if not self.settings.embed_model:
            yield from without_effect(self.settings, _OF_EMBEDDINGS, "there is no embed_model")

    def offers(self, hook: str) -> bool:
        """Return whether a model is configured for a hook."""
        return bool(self.settings.embed_model if hook == "embed" else self.settings.model)

    def model(self, hook: str) -> str:
        """Return the model behind a hook."""
        return self.settings.embed_model if hook == "embed" else self.settings.model

    def connect(self) -> Clients:
        """Return the connections to all servers."""
        return Clients(self.settings)

    async def health(self) -> Health:
        """Ask every server for its version. Down if none responds, degraded if one does not."""
        answers = await asyncio.gather(*(self._probe(server) for server in self.pool.servers))
        silent = [error for error in answers if error]
        if not silent:
            return Health(detail=self.settings.model or self.settings.embed_model)
        return Health("down" if len(silent) == len(self.pool.servers) else "degraded", " ".join(silent))

    @hookimpl
    async def generate(
        self, messages: Sequence[Message], options: GenerateOptions, context: CallContext
    ) -> AsyncGenerator[Chunk]:
        """Answer a conversation, without the model's thoughts."""
        model = self._asked(options)
        stream, system = self._streams(options), model not in self._without_system
        attempts = self.pool.attempts(context)
        while True:
            server, begun = attempts.next(), False
            name = server.names.get(model, model)
            body = wire.chat_body(self.settings, messages, options, stream=stream, model=name, system=system)
            whole, started = not options.stream, time.monotonic()
            reader = ChatReader(self._thinking.splitter(model, whole=whole), whole=whole, options=options)
            first = seconds_left(self.settings.first_token_timeout, context)
            try:
                with server.call():
                    async with aclosing(
                        self.client[server.address].chat(body, model, first, self.settings.stall_timeout)
                    ) as answer:
                        async for lines in answer:
                            chunk = reader.read(lines)
                            if chunk is not None:
                                if not (begun or system):
                                    self._without_system.add(model)
                                begun = True
                                yield chunk
            except ProviderError as error:
                if begun:
                    raise
                if system and isinstance(error, Refused) and refuses_system(error.marks) and self._has_system(messages):
                    system = False
                    continue
                await attempts.retry_after(error, blamed(error, options, messages))
            else:
                self._took(time.monotonic() - started)
                return

    @hookimpl
    async def models(self) -> Sequence[Model]:
        """Return the configured model and all others on the server that chat, with what the server says of each."""
        model = self.settings.model
        told = None if self.settings.supports is not None else await self._abilities(model)
        return [Model(model, self._window, wire.supported(self.settings, told)), *await self._others()]

    @hookimpl
    async def count_tokens(self, messages: Sequence[Message], options: GenerateOptions) -> TokenCount:
        """Estimate the tokens, rather too high: Ollama's API cannot count them. The window is ``num_ctx``."""
        complete = wire.with_system_prompt(messages, self.settings.default_system_prompt)
        return TokenCount(estimate_prompt(complete, options), self._window)

    @hookimpl
    async def embed(self, texts: Sequence[str], kind: str, context: CallContext) -> "NDArray[np.float32]":
        """Embed texts in batches, each text with the prefix that the model was trained with."""
        if not self.settings.embed_model:
            raise ProviderError(f"no model is set to embed with; set {self.name}.embed_model.")
        prefix = prefixes(self.settings)[0 if kind == "query" else 1]
        vectors, shortened = await embed_in_batches(
            texts,
            lambda batch: self._embed(batch, prefix, context),
            size=self.settings.embed_batch_size,
            concurrency=len(self.pool.servers),
            notices=context.notices,
        )
        if shortened:
            logger.warning("%s: %s", self.name, shortened_sentence(self.settings.embed_model, shortened))
        return vectors

    @hookimpl
    def register_commands(self, group: "click.Group") -> None:
        """Add ``models`` and ``pull``."""
        from orbit_ollama.commands import add_commands  # noqa: PLC0415  # click only when a command is used

        add_commands(group, self.settings)

    async def _others(self) -> list[Model]:
        """Return the models that chat besides the configured ones, of the first server that lists any.

        Each model is asked about once, because that costs the server more than listing them.
        """
        own = [name for name in (self.settings.model, self.settings.embed_model) if name]
        for server in self.pool.servers:
            client = self.client[server.address]
            try:
                installed = await client.models()
            except ProviderError:
                continue
            others = [one for one in installed if all(listed_name(name, [one.name]) is None for name in own)]
            unknown = {one.digest: one for one in others if one.digest not in self._shown}
            found = await asyncio.gather(*(self._show(client, one) for one in unknown.values()))
            self._shown.update((digest, shown) for digest, shown in zip(unknown, found, strict=True) if shown)
            return [
                self._described(one.name, shown)
                for one in others
                if (shown := self._shown.get(one.digest)) and shown.chats
            ]
        return []

    async def _show(self, client: Client, model: InstalledModel) -> ShownModel | None:
        with suppress(ProviderError):
            async with self._showing:
                return await client.show(model.name)
        return None

    def _described(self, name: str, shown: ShownModel) -> Model:
        window = min(self.settings.num_ctx, shown.context or self.settings.num_ctx)
        return Model(name, window, wire.supported(self.settings, shown.capabilities))

    async def _abilities(self, model: str) -> list[str] | None:
        """Return what the first server that responds says about a model; None if it does not say."""
        problem: ProviderError | None = None
        for server in self.pool.servers:
            try:
                return (await self.client[server.address].show(server.names.get(model, model))).capabilities
            except Refused as error:
                logger.info("%s: %s does not say what %s can do: %s", self.name, server.url, model, error.message)
                return None
            except ProviderError as error:
                problem = error
        raise problem or ProviderError("the provider is not started.", kind="unavailable")

    def _streams(self, options: GenerateOptions) -> bool:
        """Return whether to fetch an answer as a stream.

        For clients that do not stream, a whole answer is cheaper, but then a hanging server looks like a writing one.
        So fetch it whole only if no recent answer took long.
        """
        return self.settings.stream and (options.stream or self._longest > _FAST_SECONDS)

    def _took(self, seconds: float) -> None:
        """Record how long an answer took; the longest earlier one gradually loses weight."""
        self._longest = max(seconds, 0.9 * self._longest if self._longest < float("inf") else 0.0)

    def _asked(self, options: GenerateOptions) -> str:
        model = options.model or self.settings.model
        if not model:
            raise ProviderError(f"no model for chat is configured; set {self.name}.model.")
        return model

    def _has_system(self, messages: Sequence[Message]) -> bool:
        complete = wire.with_system_prompt(messages, self.settings.default_system_prompt)
        return any(message.role == "system" for message in complete)

    async def _embed(self, texts: Sequence[str], prefix: str, context: CallContext) -> list[list[float]]:
        model = self.settings.embed_model

        async def embed(server: Server) -> bytes:
            body = wire.embed_body(self.settings, texts, prefix, server.names.get(model, model))
            seconds = seconds_left(self.settings.embed_timeout, context)
            return await self.client[server.address].call("POST", "/api/embed", body, model, seconds)

        return wire.embeddings_from(await self.pool.ask(context, embed), len(texts))

    async def _probe(self, server: Server) -> str:
        """Return why a server does not respond; empty if it does."""
        try:
            with server.call():
                await self.client[server.address].version()
        except ProviderError as error:
            return error.message
        return ""

    async def check(self, server: Server) -> None:
        """Raise ProviderError if a server does not respond in time, ConfigError if it lacks a model."""
        client = self.client[server.address]
        hint = "Start it with `ollama serve`, or set base_url to where it runs."
        version = await until_answered(client.version, self.settings.start_timeout, hint)
        wanted = [model for model in dict.fromkeys((self.settings.model, self.settings.embed_model)) if model]
        try:
            installed = [model.name for model in await client.models()]
        except Refused as error:
            if error.status not in _NO_LIST:
                raise
            sentence = "%s: %s lists no models, so ORBIT cannot check that it has %s: %s"
            logger.warning(sentence, self.name, server.url, wanted, error.message)
            installed = ["*"]
        names = {model: listed_name(model, installed) for model in wanted}
        server.names = {model: name for model, name in names.items() if name and name != model}
        absent = [model for model, name in names.items() if name is None]
        if absent and not self.settings.pull:
            raise ConfigError(f"{wire.missing(absent, server.url)}, or set {self.name}.pull: true.")
        for model in absent:
            await follow(model, server.url, client.pull(model))
        if self.settings.model:
            await self._read_window(client)
        logger.info("%s: Ollama %s at %s has %s", self.name, version, server.url, ", ".join(wanted))

    async def _read_window(self, client: Client) -> None:
        try:
            trained = (await client.show(self.settings.model)).context
        except ProviderError as error:
            logger.info("%s: the context length of %s is unknown: %s", self.name, self.settings.model, error)
            return
        if trained is not None and trained < self._window:
            message = "%s: %s reads at most %d tokens, so ORBIT reduces num_ctx from %d to that"
            logger.warning(message, self.name, self.settings.model, trained, self._window)
            self._window = trained
