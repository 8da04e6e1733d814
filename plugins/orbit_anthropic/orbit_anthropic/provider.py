"""The provider: ORBIT's hooks on one or several servers of the Messages API."""

import logging
import re
from collections.abc import AsyncGenerator, Iterable, Sequence
from contextlib import aclosing
from http import HTTPStatus
from typing import Final

import msgspec

from orbit import (
    CallContext,
    Chunk,
    ConfigError,
    GenerateOptions,
    Health,
    Host,
    Message,
    Model,
    OrbitError,
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
    estimated_tokens,
    listed_name,
    seconds_left,
    until_answered,
    without_effect,
)
from orbit_anthropic import thinking, wire
from orbit_anthropic.client import Client
from orbit_anthropic.errors import refused_form, refused_thoughts
from orbit_anthropic.models import Model as ListedModel
from orbit_anthropic.models import supported
from orbit_anthropic.reader import MessageReader
from orbit_anthropic.settings import AnthropicSettings
from orbit_anthropic.thoughts import KeptThoughts

logger = logging.getLogger("orbit.anthropic")

_USUAL_WINDOW: Final = 200_000
_OWN_FIELDS: Final = frozenset({"messages", "stream"})
"""Request fields that the settings must not change, because the provider could not read the response."""
_CLIENTS: Final = (
    ("reasoning_effort", re.compile(r"thinking|effort|budget"), "The model does not accept this thinking or effort."),
    ("max_tokens", re.compile(r"\bmax_tokens\b"), "The model does not accept this value of max_tokens."),
    ("stop", re.compile(r"\bstop_sequences\b"), "The model does not accept these stop sequences."),
)
"""Options that a client may choose wrongly, the server's words for them, and a sentence for the client."""


class AnthropicProvider(UpstreamProvider[Client]):
    """Chat with servers of Anthropic's Messages API."""

    ORBIT_API = 2
    Settings = AnthropicSettings
    settings: AnthropicSettings

    def __init__(self, name: str, settings: AnthropicSettings, host: Host) -> None:
        super().__init__(name, settings, host)
        self._listed: dict[str, ListedModel] = {}
        self._forms: dict[str, bool] = {}
        """Whether a model takes adaptive thinking, as it turned out."""
        self._kept = KeptThoughts()
        self._thinking = Thinking(opened=settings.template_opens_thoughts)
        self._counts = True
        """Whether the servers count tokens, as far as is known."""

    def validate(self) -> Iterable[str]:
        """Yield settings that cannot work."""
        settings = self.settings
        if not settings.model:
            yield "set `model`, such as claude-sonnet-5."
        yield from settings.problems("https://HOST", api_key=settings.api_key, version=settings.version)
        for field in sorted(_OWN_FIELDS.intersection(settings.extra_body)):
            yield f"extra_body.{field} is set by ORBIT for each request; leave it out."
        if settings.context_window and settings.max_tokens >= settings.context_window:
            yield f"max_tokens ({settings.max_tokens}) leaves no room in context_window ({settings.context_window})."

    def remarks(self) -> Iterable[str]:
        """Yield settings that do nothing."""
        yield from self.settings.remarks(x_api_key="api_key", anthropic_version="version")
        if self.settings.think:
            yield from without_effect(self.settings, ("temperature", "top_p", "top_k"), "the model thinks")
        elif self.settings.think is False:
            yield from without_effect(self.settings, ("thinking",), "think is false")

    def model(self, hook: str) -> str:
        """Return the model behind a hook."""
        del hook
        return self.settings.model

    def connect(self) -> Client:
        """Return the connections to all servers."""
        return Client(self.settings)

    async def health(self) -> Health:
        """Ask every server for its models. Down if none responds, degraded if one fails."""
        return await self.pool.health(lambda server: self.client.models(server.address), self.settings.model)

    @hookimpl
    async def generate(
        self, messages: Sequence[Message], options: GenerateOptions, context: CallContext
    ) -> AsyncGenerator[Chunk]:
        """Answer a conversation. Thoughts come apart from the answer, with their signatures."""
        client, model = self.client, options.model or self.settings.model
        messages = [self._with_thoughts(message, context.key_id) for message in messages]
        plan, tried = self._plan(model), set[wire.Plan]()
        attempts = self.pool.attempts(context)
        while True:
            tried.add(plan)
            server, begun = attempts.next(), False
            named = msgspec.structs.replace(plan, model=server.names.get(model, model))
            body = wire.message_body(self.settings, messages, options, named)
            silence = seconds_left(self.settings.silence_timeout, context)
            whole = not options.stream
            splitter = self._thinking.splitter(model, whole=whole)
            reader = MessageReader(model, server.url, splitter, whole=whole, tools=bool(options.tools))
            try:
                with server.call():
                    async with aclosing(client.message(server.address, body, reader, model, silence)) as chunks:
                        async for chunk in chunks:
                            if not begun:
                                begun = True
                                self._learn(model, plan)
                            if chunk.finish_reason is not None:
                                self._kept.keep(context.key_id, reader.calls, tuple(reader.thoughts))
                            yield chunk
            except ProviderError as error:
                if begun:
                    raise
                otherwise = self._otherwise(error, plan, options)
                if otherwise not in tried:
                    plan = otherwise
                    continue
                await attempts.retry_after(error, _clients(blamed(error, options, messages), options))
            else:
                return

    @hookimpl
    async def models(self) -> Sequence[Model]:
        """Return the configured model and the others that the server listed at the start."""
        names = dict.fromkeys((self.settings.model, *self._listed))
        return [Model(name, self._window(name), supported(self.settings, self._found(name))) for name in names]

    @hookimpl
    async def count_tokens(
        self, messages: Sequence[Message], options: GenerateOptions, context: CallContext
    ) -> TokenCount:
        """Estimate the tokens, rather too high; ask the server if they may come near the window."""
        model = options.model or self.settings.model
        window = self._window(model)
        size = estimated_tokens(messages, options)
        if size * 2 > window and self._counts:
            size = await self._counted(messages, options, context, model) or size
        return TokenCount(size, window)

    async def _counted(
        self, messages: Sequence[Message], options: GenerateOptions, context: CallContext, model: str
    ) -> int | None:
        """Return the tokens that a server counts; None if it does not."""
        server = self.pool.attempts(context).next()
        plan = msgspec.structs.replace(self._plan(model), model=server.names.get(model, model), thoughts=False)
        body = wire.count_body(self.settings, messages, options, plan)
        seconds = seconds_left(self.settings.silence_timeout, context)
        try:
            return await self.client.count(server.address, body, model, seconds)
        except OrbitError as error:
            if isinstance(error, Refused) and error.status in (HTTPStatus.NOT_FOUND, HTTPStatus.METHOD_NOT_ALLOWED):
                self._counts = False
            logger.debug("%s: %s", self.name, error)
            return None

    def _with_thoughts(self, message: Message, key_id: str) -> Message:
        """Return a message that calls tools with the thoughts before the calls, if they are known."""
        if not message.tool_calls or message.thoughts:
            return message
        thoughts = self._kept.of(key_id, message.tool_calls)
        return msgspec.structs.replace(message, thoughts=thoughts) if thoughts else message

    def _plan(self, model: str) -> wire.Plan:
        listed, form = self._found(model), self.settings.thinking
        adaptive = form == "adaptive"
        if form == "auto":
            adaptive = listed is None or listed.adaptive is not False or listed.budget is False
        return wire.Plan(model, listed, self._forms.get(model, adaptive))

    def _otherwise(self, error: OrbitError, plan: wire.Plan, options: GenerateOptions) -> wire.Plan:
        """Return how else to ask if a server refuses the form of a request; the same plan if it does not."""
        wish = thinking.wish(self.settings, options)
        if plan.thoughts and refused_thoughts(error):
            return msgspec.structs.replace(plan, thoughts=False)
        if wish is not None and not wish.off and refused_form(error, adaptive=plan.adaptive):
            return msgspec.structs.replace(plan, adaptive=not plan.adaptive)
        return plan

    def _learn(self, model: str, plan: wire.Plan) -> None:
        """Remember in which form a model takes thinking, once it has answered."""
        usual = self._plan(model)
        if plan.adaptive != usual.adaptive and plan.thoughts:
            self._forms[model] = plan.adaptive
            form = "adaptive" if plan.adaptive else "budget"
            logger.info("%s: %s works with thinking: %s; ORBIT applies it from now on", self.name, model, form)

    def _window(self, model: str) -> int:
        listed = self._found(model)
        own = self.settings.context_window if model == self.settings.model else None
        return own or (listed.window if listed is not None else None) or _USUAL_WINDOW

    def _found(self, name: str) -> ListedModel | None:
        listed = listed_name(name, self._listed)
        return None if listed is None else self._listed[listed]

    async def check(self, server: Server) -> None:
        """Raise ProviderError if a server does not respond in time, ConfigError if it lacks the model."""
        model = self.settings.model
        there = {item.name: item for item in await self._await_models(server)}
        self._listed |= there
        if not there:
            logger.warning("%s: %s lists no models, so ORBIT cannot check that it has %s", self.name, server.url, model)
            return
        name = listed_name(model, there)
        if name is None and not await self._knows(server, model):
            lack = f"{server.url} does not have the model '{model}'; it has: {', '.join(there)}."
            raise ConfigError(f"{lack} Set {self.name}.model to one of them.")
        if name is not None and name != model:
            server.names[model] = name
        logger.info("%s: %s has %s", self.name, server.url, model)

    async def _knows(self, server: Server, model: str) -> bool:
        """Return whether a server knows a model that it does not list, as it does aliases of others."""
        body = msgspec.json.encode({"model": model, "messages": [{"role": "user", "content": "x"}]})
        try:
            await self.client.count(server.address, body, model, self.settings.connect_timeout)
        except OrbitError:
            return False
        return True

    async def _await_models(self, server: Server) -> list[ListedModel]:
        """Return the models that a server lists; none if it has no list. Raises ProviderError if it stays silent."""
        client, settings = self.client, self.settings

        async def ask() -> list[ListedModel]:
            if (found := await client.models(server.address)) is None:
                await client.answers(server.address, "/v1/messages", settings.model)
            return found or []

        return await until_answered(ask, settings.start_timeout, "Start the server, or set base_url to where it runs.")


def _clients(error: OrbitError, options: GenerateOptions) -> OrbitError:
    """Return an error that names the option that the client chose wrongly, if the server says so; else ``error``."""
    if not isinstance(error, Refused) or error.status != HTTPStatus.BAD_REQUEST:
        return error
    for option, said, sentence in _CLIENTS:
        if getattr(options, option) not in (None, ()) and said.search(error.marks):
            return ProviderError(error.message, kind="rejected", client=sentence, option=option)
    return error
