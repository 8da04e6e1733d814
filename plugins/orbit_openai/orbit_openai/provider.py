"""The provider: ORBIT's hooks on one or several OpenAI-compatible servers."""

import logging
import sys
from collections.abc import AsyncGenerator, Iterable, Sequence
from contextlib import aclosing
from http import HTTPStatus
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

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
    estimated_tokens,
    listed_name,
    seconds_left,
    shortened_sentence,
    until_answered,
    without_effect,
)
from orbit_openai import wire
from orbit_openai.client import Client
from orbit_openai.errors import NoModelList, quirk
from orbit_openai.reader import ChatReader
from orbit_openai.settings import Dialect, OpenAISettings

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

logger = logging.getLogger("orbit.openai")

_OWN_FIELDS = frozenset({"messages", "input", "stream"})
"""Request fields that the settings must not change, because the provider could not read the response."""
_OF_CHATS = ("temperature", "top_p", "max_tokens", "max_tokens_field", "think", "template_opens_thoughts", "extra_body")
_OF_EMBEDDINGS = (
    "dimensions",
    "query_prefix",
    "document_prefix",
    "embed_batch_size",
    "embed_timeout",
    "extra_embed_body",
)


class OpenAIProvider(UpstreamProvider[Client]):
    """Chat and embeddings with OpenAI-compatible servers."""

    ORBIT_API = 2
    Settings = OpenAISettings
    settings: OpenAISettings

    def __init__(self, name: str, settings: OpenAISettings, host: Host) -> None:
        super().__init__(name, settings, host)
        self._thinking = Thinking(opened=settings.template_opens_thoughts)
        self._window = settings.context_window
        self._quirks: dict[str, frozenset[str]] = {}
        self._listed: dict[str, wire.Model] = {}
        self._dialect: Dialect = "openai" if settings.dialect == "auto" else settings.dialect

    def validate(self) -> Iterable[str]:
        """Yield settings that cannot work."""
        settings = self.settings
        if not (settings.model or settings.embed_model):
            yield "set `model` (to chat), `embed_model` (to embed), or both."
        yield from settings.problems("http://HOST:PORT/v1", bearer="api_key", api_key=settings.api_key)
        for setting, fields in (("extra_body", settings.extra_body), ("extra_embed_body", settings.extra_embed_body)):
            for field in sorted(_OWN_FIELDS.intersection(fields)):
                yield f"{setting}.{field} is set by ORBIT for each request; leave it out."
        if settings.max_tokens and settings.context_window and settings.max_tokens >= settings.context_window:
            yield f"max_tokens ({settings.max_tokens}) leaves no room in context_window ({settings.context_window})."

    def remarks(self) -> Iterable[str]:
        """Yield settings that do nothing."""
        yield from self.settings.remarks(authorization="api_key")
        for address in self.settings.addresses:
            if not urlsplit(address.url).path:
                yield f"base_url: {address} has no path; most servers have this API below {address}/v1"
        if not self.settings.model:
            yield from without_effect(self.settings, _OF_CHATS, "there is no model that chats")
        if not self.settings.embed_model:
            yield from without_effect(self.settings, _OF_EMBEDDINGS, "there is no embed_model")

    def offers(self, hook: str) -> bool:
        """Return whether a model is configured for a hook. Tokens of another server's model have no prefix in text."""
        return bool(self.model(hook)) and (hook != "embed_tokens" or not self.settings.document_prefix)

    def model(self, hook: str) -> str:
        """Return the model behind a hook."""
        return self.settings.embed_model if hook in ("embed", "embed_tokens") else self.settings.model

    def connect(self) -> Client:
        """Return the connections to all servers."""
        return Client(self.settings)

    async def health(self) -> Health:
        """Ask every server for its models. Down if none responds, degraded if one fails."""
        detail = self.settings.model or self.settings.embed_model
        return await self.pool.health(lambda server: self.client.models(server.address), detail)

    @hookimpl
    async def generate(
        self, messages: Sequence[Message], options: GenerateOptions, context: CallContext
    ) -> AsyncGenerator[Chunk]:
        """Answer a conversation, without the model's thoughts."""
        client, model = self.client, options.model or self.settings.model
        quirks = self._quirks.get(model, frozenset())
        attempts = self.pool.attempts(context)
        while True:
            server, begun = attempts.next(), False
            name = server.names.get(model, model)
            body = wire.chat_body(self.settings, self._dialect, messages, options, model=name, quirks=quirks)
            silence = seconds_left(self.settings.silence_timeout, context)
            splitter = self._thinking.splitter(model, whole=not options.stream)
            reader = ChatReader(model, server.url, splitter, whole=not options.stream, tools=bool(options.tools))
            try:
                with server.call():
                    async with aclosing(client.chat(server.address, body, reader, model, silence)) as chunks:
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
                await attempts.retry_after(error, blamed(error, options, messages))
            else:
                return

    @hookimpl
    async def models(self) -> Sequence[Model]:
        """Return the configured model and the others that the server listed at the start."""
        listed = self._listed
        names = dict.fromkeys((self.settings.model, *listed))
        return [
            Model(
                name,
                self._window if name == self.settings.model else listed[name].window,
                wire.supported(self.settings, self._dialect, self._found(name)),
            )
            for name in names
            if name and name != self.settings.embed_model
        ]

    @hookimpl
    async def count_tokens(self, messages: Sequence[Message], options: GenerateOptions) -> TokenCount:
        """Estimate the tokens, rather too high: OpenAI's API cannot count them. An unknown window is infinite."""
        return TokenCount(estimated_tokens(messages, options), self._window or sys.maxsize)

    @hookimpl
    async def embed(self, texts: Sequence[str], kind: str, context: CallContext) -> "NDArray[np.float32]":
        """Embed texts in batches, one at a time per server."""
        prefix = self.settings.query_prefix if kind == "query" else self.settings.document_prefix
        vectors, shortened = await embed_in_batches(
            texts,
            lambda batch: self._embed(batch, prefix, context),
            size=self.settings.embed_batch_size,
            concurrency=len(self.pool.servers),
            dimension=self.settings.dimensions or 0,
            notices=context.notices,
        )
        if shortened:
            logger.warning("%s: %s", self.name, shortened_sentence(self.settings.embed_model, shortened))
        return vectors

    @hookimpl
    async def embed_tokens(self, tokens: Sequence[Sequence[int]], context: CallContext) -> "NDArray[np.float32]":
        """Pass token ids on: only the server knows its model's vocabulary."""
        import numpy as np  # noqa: PLC0415  # importing a plugin stays light

        size, rows = self.settings.embed_batch_size, list[list[float]]()
        try:
            for start in range(0, len(tokens), size):
                rows += await self._embed(tokens[start : start + size], "", context)
        except Refused as error:
            if error.status not in (HTTPStatus.BAD_REQUEST, HTTPStatus.UNPROCESSABLE_ENTITY):
                raise
            sentence = "The embedding model's server refused these token ids. Send text instead."
            raise ProviderError(error.message, kind="rejected", option="tokens", client=sentence) from error
        return np.asarray(rows, dtype=np.float32)

    async def _embed(
        self, texts: Sequence[str | Sequence[int]], prefix: str, context: CallContext
    ) -> list[list[float]]:
        client, model = self.client, self.settings.embed_model

        async def embed(server: Server) -> list[list[float]]:
            body = wire.embed_body(self.settings, texts, prefix, server.names.get(model, model))
            seconds = seconds_left(self.settings.embed_timeout, context)
            return await client.embed(server.address, body, len(texts), model, seconds)

        return await self.pool.ask(context, embed)

    def _found(self, name: str) -> wire.Model | None:
        listed = listed_name(name, self._listed)
        return None if listed is None else self._listed[listed]

    def _learn(self, model: str, quirks: frozenset[str]) -> None:
        """Remember a model's workarounds once it has answered."""
        known = self._quirks.get(model, frozenset())
        if quirks != known:
            self._quirks[model] = quirks
            logger.info(
                "%s: %s works with %s; ORBIT applies it from now on",
                self.name,
                model,
                ", ".join(sorted(quirks - known)),
            )

    async def check(self, server: Server) -> None:
        """Raise ProviderError if a server does not respond in time, ConfigError if it lacks a model."""
        wanted = [model for model in dict.fromkeys((self.settings.model, self.settings.embed_model)) if model]
        there = {model.name: model for model in await self._await_models(server)}
        self._listed |= there
        if not there:
            logger.warning(
                "%s: %s lists no models, so ORBIT cannot check that it has %s", self.name, server.url, wanted
            )
            return
        for model in wanted:
            name = listed_name(model, there)
            if name is None:
                setting = "model" if model == self.settings.model else "embed_model"
                lack = f"{server.url} does not have the model '{model}'; it has: {', '.join(there)}."
                if setting == "embed_model" and await self._embeds(server):  # some lists have only models that chat
                    continue
                raise ConfigError(f"{lack} Set {self.name}.{setting} to one of them.")
            if name != model:
                server.names[model] = name
        listed = next((name for name in there if listed_name(self.settings.model, [name])), "")
        answering = there.get(self.settings.model) or there.get(listed)
        if answering is not None:
            if self.settings.dialect == "auto":
                self._dialect = answering.dialect
            windows = [window for window in (self._window, answering.window) if window is not None]
            self._window = min(windows, default=None)
        logger.info("%s: %s has %s", self.name, server.url, ", ".join(wanted))

    async def _embeds(self, server: Server) -> bool:
        """Return whether a server embeds with the model. Raises ProviderError if it cannot be asked."""
        settings, model = self.settings, self.settings.embed_model
        body = wire.embed_body(settings, ["x"], "", model)
        try:
            await self.client.embed(server.address, body, 1, model, settings.embed_timeout)
        except ProviderError as error:
            if error.retryable:
                raise
            return False
        return True

    async def _await_models(self, server: Server) -> list[wire.Model]:
        """Return the models that a server lists; none if it has no list. Raises ProviderError if it stays silent."""
        client, settings = self.client, self.settings

        async def ask() -> list[wire.Model]:
            try:
                return await client.models(server.address)
            except NoModelList as error:
                path, model = ("/chat/completions", settings.model)
                if not model:
                    path, model = "/embeddings", settings.embed_model
                await client.answers(server.address, path, model)
                logger.info("%s: %s", self.name, error.message)
                return []

        return await until_answered(ask, settings.start_timeout, "Start the server, or set base_url to where it runs.")
