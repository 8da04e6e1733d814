"""The provider: ORBIT's hooks on one or several Ollama servers."""

import asyncio
import logging
import re
import time
from collections.abc import AsyncGenerator, Iterable, Sequence
from contextlib import aclosing
from types import TracebackType
from typing import TYPE_CHECKING, Self
from urllib.parse import urlsplit

from orbit import (
    CallContext,
    Chunk,
    ConfigError,
    GenerateOptions,
    Health,
    Host,
    Message,
    Provider,
    ProviderError,
    TokenCount,
    hookimpl,
)
from orbit.upstreams import header_problems
from orbit_ollama import wire
from orbit_ollama.client import Client, model_names
from orbit_ollama.prefixes import prefixes
from orbit_ollama.pulling import follow
from orbit_ollama.servers import Retries, RetryBudget, Server
from orbit_ollama.settings import OllamaSettings
from orbit_ollama.tokens import estimate_prompt

if TYPE_CHECKING:
    import click
    import numpy as np
    from numpy.typing import NDArray

logger = logging.getLogger("orbit.ollama")

_FAST_SECONDS = 5.0
_DURATION = re.compile(r"[-+]?(?:0|(?:(?:\d+(?:\.\d*)?|\.\d+)(?:ns|us|µs|ms|s|m|h))+)|")
"""A duration as Go writes it, which Ollama reads: 10m, 1h30m, -1s; empty is the server's own choice."""


class OllamaProvider(Provider):
    """Chat and embeddings by Ollama."""

    Settings = OllamaSettings
    settings: OllamaSettings

    def __init__(self, name: str, settings: OllamaSettings, host: Host) -> None:
        super().__init__(name, settings, host)
        self._servers = [Server(url) for url in settings.urls]
        self._clients: dict[str, Client] = {}
        self._budget = RetryBudget()
        self._window = settings.num_ctx
        self._longest = float("inf")

    def validate(self) -> Iterable[str]:
        """Sentences about settings that cannot work."""
        if not (self.settings.model or self.settings.embed_model):
            yield "set `model` (to chat), `embed_model` (to embed), or both."
        if not self.settings.urls:
            yield "base_url names no server."
        for url in self.settings.urls:
            if urlsplit(url).scheme not in ("http", "https") or not urlsplit(url).hostname:
                yield f"base_url '{url}' is not of the form http://HOST:PORT."
        yield from header_problems(self.settings.headers)
        idle = self.settings.keep_alive
        if isinstance(idle, str) and not _DURATION.fullmatch(idle):
            yield f"keep_alive '{idle}' is no time: give seconds (300), a text with a unit ('10m', '1h30m'), or -1."

    def offers(self, hook: str) -> bool:
        """What a model is set for."""
        return bool(self.settings.embed_model if hook == "embed" else self.settings.model)

    def model(self, hook: str) -> str:
        """The model that answers a hook."""
        return self.settings.embed_model if hook == "embed" else self.settings.model

    async def __aenter__(self) -> Self:
        self._clients = {url: Client.open(url, self.settings) for url in self.settings.urls}
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
        """Ask every server for its version. Down if none answers, degraded if one does not."""
        answers = await asyncio.gather(*(self._probe(server) for server in self._servers))
        silent = [error for error in answers if error]
        if not silent:
            return Health(detail=self.settings.model or self.settings.embed_model)
        return Health("down" if len(silent) == len(self._servers) else "degraded", " ".join(silent))

    @hookimpl
    async def generate(
        self, messages: Sequence[Message], options: GenerateOptions, context: CallContext
    ) -> AsyncGenerator[Chunk]:
        """Answer a conversation. Thoughts of the model are left out."""
        model = options.model or self.settings.model
        if not model:
            raise ProviderError(f"no model is set to chat with; set {self.name}.model.")
        body = wire.chat_body(self.settings, messages, options, stream=self._streams(options))
        retries = self._retries()
        while True:
            server, begun = retries.server(), False
            server.in_flight += 1
            started = time.monotonic()
            try:
                reader = wire.ChatReader()
                first = _at_most(self.settings.first_token_timeout, context)
                async with aclosing(
                    self._clients[server.url].chat(body, model, first, self.settings.stall_timeout)
                ) as answer:
                    async for lines in answer:
                        chunk = reader.read(lines)
                        if chunk is not None:
                            begun = True
                            yield chunk
                server.succeeded()
                self._took(time.monotonic() - started)
            except ProviderError as error:
                server.failed(error)
                if begun:
                    raise
                pause = retries.pause(error, context.remaining())
            else:
                return
            finally:
                server.in_flight -= 1
            await asyncio.sleep(pause)

    @hookimpl
    async def count_tokens(self, messages: Sequence[Message]) -> TokenCount:
        """Estimate, on the high side: Ollama cannot count over its API. The window is ``num_ctx``."""
        complete = wire.with_system_prompt(messages, self.settings.default_system_prompt)
        return TokenCount(estimate_prompt(complete), self._window)

    @hookimpl
    async def embed(self, texts: Sequence[str], kind: str, context: CallContext) -> "NDArray[np.float32]":
        """Embed texts in batches, each text with the prefix that the model was trained with."""
        import numpy as np  # noqa: PLC0415  # only those who embed pay for it

        if not self.settings.embed_model:
            raise ProviderError(f"no model is set to embed with; set {self.name}.embed_model.")
        prefix = prefixes(self.settings)[0 if kind == "query" else 1]
        size = self.settings.embed_batch_size
        batches = [texts[start : start + size] for start in range(0, len(texts), size)]
        if not batches:
            return np.zeros((0, 0), dtype=np.float32)
        places = asyncio.Semaphore(len(self._servers))

        async def one(batch: Sequence[str]) -> "NDArray[np.float32]":
            async with places:
                rows = wire.embeddings_from(await self._embed_batch(batch, prefix, context))
            if len(rows) != len(batch) or len({len(row) for row in rows}) != 1:
                raise wire.not_ollama(f"{len(rows)} vectors for {len(batch)} texts")
            return np.asarray(rows, dtype=np.float32)

        if len(batches) == 1:
            return await one(texts)
        try:
            async with asyncio.TaskGroup() as group:
                tasks = [group.create_task(one(batch)) for batch in batches]
        except ExceptionGroup as failed:
            raise failed.exceptions[0] from failed
        return np.concatenate([task.result() for task in tasks])

    @hookimpl
    def register_commands(self, group: "click.Group") -> None:
        """Add ``models`` and ``pull``."""
        from orbit_ollama.commands import add_commands  # noqa: PLC0415  # click only when a command is used

        add_commands(group, self.settings)

    def _streams(self, options: GenerateOptions) -> bool:
        """Return whether to fetch an answer piece by piece.

        One that nobody wants in pieces costs less as a whole, but then a server that hangs looks like one that
        writes. So it is fetched whole only if lately no answer took long.
        """
        return self.settings.stream and (options.stream or self._longest > _FAST_SECONDS)

    def _took(self, seconds: float) -> None:
        """Note how long an answer took; the longest of those before counts for ever less."""
        self._longest = max(seconds, 0.9 * self._longest if self._longest < float("inf") else 0.0)

    async def _embed_batch(self, batch: Sequence[str], prefix: str, context: CallContext) -> bytes:
        body = wire.embed_body(self.settings, batch, prefix)
        retries = self._retries()
        while True:
            server = retries.server()
            server.in_flight += 1
            try:
                seconds = _at_most(self.settings.embed_timeout, context)
                client = self._clients[server.url]
                answer = await client.call("POST", "/api/embed", body, self.settings.embed_model, seconds)
                server.succeeded()
            except ProviderError as error:
                server.failed(error)
                pause = retries.pause(error, context.remaining())
            else:
                return answer
            finally:
                server.in_flight -= 1
            await asyncio.sleep(pause)

    def _retries(self) -> Retries:
        if not self._clients:
            raise ProviderError("the provider is not started.", kind="unavailable")
        return Retries(self._servers, self._budget, self.settings.max_retries, self.settings.retry_delay)

    async def _close(self) -> None:
        clients, self._clients = self._clients, {}
        await asyncio.gather(*(client.close() for client in clients.values()))

    async def _probe(self, server: Server) -> str:
        """Return why a server does not answer, or nothing."""
        try:
            await self._clients[server.url].version()
        except ProviderError as error:
            server.failed(error)
            return error.message
        server.succeeded()
        return ""

    async def _check_servers(self) -> None:
        """Make sure that a server answers and has the models; say of the others what they lack."""
        results = await asyncio.gather(*(self._check(server) for server in self._servers), return_exceptions=True)
        problems: list[OSError | ConfigError | ProviderError] = []
        for server, result in zip(self._servers, results, strict=True):
            if isinstance(result, ProviderError | ConfigError):
                server.failed(ProviderError(str(result), kind="unavailable"))
                problems.append(result)
            elif isinstance(result, BaseException):
                raise result
        if len(problems) == len(self._servers) and self.settings.require_server:
            raise problems[0]
        for problem in problems:
            logger.warning("%s: %s", self.name, problem)

    async def _check(self, server: Server) -> None:
        """Raise ProviderError if a server does not answer in time, ConfigError if it lacks a model."""
        client = self._clients[server.url]
        version = await self._await_server(client)
        wanted = [model for model in dict.fromkeys((self.settings.model, self.settings.embed_model)) if model]
        installed = model_names(await client.models())
        absent = [model for model in wanted if model not in installed]
        if absent and not self.settings.pull:
            raise ConfigError(f"{wire.missing(absent, server.url)}, or set {self.name}.pull: true.")
        for model in absent:
            await follow(model, server.url, client.pull(model))
        if self.settings.model:
            await self._read_window(client)
        logger.info("%s: Ollama %s at %s has %s", self.name, version, server.url, ", ".join(wanted))

    async def _await_server(self, client: Client) -> str:
        loop = asyncio.get_running_loop()
        deadline = loop.time() + self.settings.start_timeout
        while True:
            try:
                return await client.version()
            except ProviderError as error:
                if not error.retryable or loop.time() >= deadline:
                    hint = "Start it with `ollama serve`, or set base_url to where it runs."
                    raise ProviderError(
                        f"{error.message} {hint}", kind=error.kind, retryable=error.retryable
                    ) from error
            await asyncio.sleep(min(0.25, self.settings.start_timeout))

    async def _read_window(self, client: Client) -> None:
        try:
            trained = await client.trained_context(self.settings.model)
        except ProviderError as error:
            logger.info("%s: the context length of %s is unknown: %s", self.name, self.settings.model, error)
            return
        if trained is not None and trained < self._window:
            message = "%s: %s reads at most %d tokens; num_ctx %d is reduced to that"
            logger.warning(message, self.name, self.settings.model, trained, self._window)
            self._window = trained


def _at_most(seconds: float, context: CallContext) -> float:
    """Return the seconds to wait: those of the settings, or what is left until the deadline if that is less."""
    remaining = context.remaining()
    return seconds if remaining is None else min(seconds, remaining)
