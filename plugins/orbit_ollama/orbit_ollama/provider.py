"""The provider: ORBIT's hooks on one or several Ollama servers."""

import asyncio
import logging
import time
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
    Refused,
    address_problem,
    blamed,
    credential_problem,
    embed_in_parts,
    header_problems,
    is_too_much,
    listed_name,
    refuses_system,
    shortened_sentence,
    tls_problems,
)
from orbit_ollama import wire
from orbit_ollama.answer import ChatReader
from orbit_ollama.client import Client
from orbit_ollama.prefixes import prefixes
from orbit_ollama.pulling import follow
from orbit_ollama.servers import Retries, RetryBudget, Server
from orbit_ollama.settings import ROUTES, OllamaSettings
from orbit_ollama.tokens import estimate_prompt

if TYPE_CHECKING:
    import click
    import numpy as np
    from numpy.typing import NDArray

logger = logging.getLogger("orbit.ollama")

_FAST_SECONDS = 5.0
_NO_LIST = (403, 404, 405, 501)
"""What gateways answer that have no list of models, or no right for a user to see it."""
"""A duration as Go writes it, which Ollama reads: 10m, 1h30m, -1s; empty is the server's own choice."""


class OllamaProvider(Provider):
    """Chat and embeddings by Ollama."""

    Settings = OllamaSettings
    settings: OllamaSettings

    def __init__(self, name: str, settings: OllamaSettings, host: Host) -> None:
        super().__init__(name, settings, host)
        self._servers = [Server(address) for address in settings.addresses]
        self._clients: dict[Address, Client] = {}
        self._budget = RetryBudget()
        self._thinking = Thinking(opened=settings.template_opens_thoughts)
        self._window = settings.num_ctx
        self._longest = float("inf")
        self._without_system: set[str] = set()
        """Models whose chat templates take no system message."""

    def validate(self) -> Iterable[str]:
        """Sentences about settings that cannot work."""
        if not (self.settings.model or self.settings.embed_model):
            yield "set `model` (to chat), `embed_model` (to embed), or both."
        settings = self.settings
        if not settings.given:
            yield "base_url names no server."
        for url in settings.given:
            if problem := address_problem(url):
                yield f"base_url {problem}"
        if settings.proxy and (problem := address_problem(settings.proxy)):
            yield f"proxy {problem}"
        authorized = any(name.lower() == "authorization" for name in settings.headers)
        if problem := credential_problem(settings.addresses, {"headers.Authorization": authorized}):
            yield problem
        yield from header_problems(settings.headers)
        if problem := settings.keep_alive_problem():
            yield problem
        yield from tls_problems(settings.ca_certs, verify_certs=settings.verify_certs)

    def offers(self, hook: str) -> bool:
        """What a model is set for."""
        return bool(self.settings.embed_model if hook == "embed" else self.settings.model)

    def model(self, hook: str) -> str:
        """The model that answers a hook."""
        return self.settings.embed_model if hook == "embed" else self.settings.model

    async def __aenter__(self) -> Self:
        self._notice_routes()
        try:
            for address in self.settings.addresses:
                self._clients[address] = Client.open(address, self.settings)
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
        model = self._asked(options)
        stream, system = self._streams(options), model not in self._without_system
        retries = self._retries()
        while True:
            server, begun = retries.server(), False
            name = server.names.get(model, model)
            body = wire.chat_body(self.settings, messages, options, stream=stream, model=name, system=system)
            server.in_flight += 1
            started, pause = time.monotonic(), 0.0
            try:
                whole = not options.stream
                reader = ChatReader(self._thinking.splitter(model, whole=whole), whole=whole)
                first = _at_most(self.settings.first_token_timeout, context)
                async with aclosing(
                    self._clients[server.address].chat(body, model, first, self.settings.stall_timeout)
                ) as answer:
                    async for lines in answer:
                        chunk = reader.read(lines)
                        if chunk is not None:
                            if not (begun or system):
                                self._without_system.add(model)
                            begun = True
                            yield chunk
                server.succeeded()
                self._took(time.monotonic() - started)
            except ProviderError as error:
                server.failed(error)
                if begun:
                    raise
                if system and isinstance(error, Refused) and refuses_system(error.marks) and self._has_system(messages):
                    system = False
                    continue
                problem = blamed(error, options)
                if problem is not error:
                    raise problem from error
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
        shortened: list[tuple[int, int]] = []
        places = asyncio.Semaphore(len(self._servers))

        async def one(batch: Sequence[str]) -> "NDArray[np.float32]":
            async with places:
                rows, cut = await self._embed_batch(batch, prefix, context)
            if len({len(row) for row in rows}) != 1:
                raise wire.not_ollama("vectors of several lengths")
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

    def _asked(self, options: GenerateOptions) -> str:
        model = options.model or self.settings.model
        if not model:
            raise ProviderError(f"no model is set to chat with; set {self.name}.model.")
        return model

    def _has_system(self, messages: Sequence[Message]) -> bool:
        complete = wire.with_system_prompt(messages, self.settings.default_system_prompt)
        return any(message.role == "system" for message in complete)

    async def _embed_batch(
        self, batch: Sequence[str], prefix: str, context: CallContext
    ) -> tuple[list[list[float]], list[tuple[int, int]]]:
        """Return the vectors of a batch, and what had to be shortened."""
        refusal: OrbitError | None = None

        async def embed(texts: Sequence[str]) -> list[list[float]] | None:
            nonlocal refusal
            try:
                rows = wire.embeddings_from(await self._embed(texts, prefix, context))
            except OrbitError as error:
                if not is_too_much(error):
                    raise
                refusal = error
                return None
            if len(rows) != len(texts):
                raise wire.not_ollama(f"{len(rows)} vectors for {len(texts)} texts")
            return rows

        rows, shortened = await embed_in_parts(batch, embed)
        if not rows and refusal is not None:
            raise ProviderError(str(refusal)) from refusal
        return rows, shortened

    async def _embed(self, texts: Sequence[str], prefix: str, context: CallContext) -> bytes:
        model = self.settings.embed_model
        retries = self._retries()
        while True:
            server = retries.server()
            body = wire.embed_body(self.settings, texts, prefix, server.names.get(model, model))
            server.in_flight += 1
            try:
                seconds = _at_most(self.settings.embed_timeout, context)
                client = self._clients[server.address]
                answer = await client.call("POST", "/api/embed", body, model, seconds)
                server.succeeded()
            except ProviderError as error:
                server.failed(error)
                if is_too_much(error):
                    raise
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
            await self._clients[server.address].version()
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
        client = self._clients[server.address]
        version = await self._await_server(client)
        wanted = [model for model in dict.fromkeys((self.settings.model, self.settings.embed_model)) if model]
        try:
            installed = [model.name for model in await client.models()]
        except Refused as error:
            if error.status not in _NO_LIST:
                raise
            sentence = "%s: %s lists no models, so nobody knows whether it has %s: %s"
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

    def _notice_routes(self) -> None:
        """Tell of a base_url that names a part of the API: it is asked without it."""
        for url in self.settings.given:
            written, used = Address.parse(url).url, Address.parse(url, strip=ROUTES).url
            if written != used:
                sentence = "%s: base_url names a part of the API (%s), which is added to it, so %s is used"
                logger.warning(sentence, self.name, written, used)

    async def _await_server(self, client: Client) -> str:
        loop = asyncio.get_running_loop()
        deadline = loop.time() + self.settings.start_timeout
        while True:
            try:
                return await client.version()
            except ProviderError as error:
                if not error.retryable or loop.time() >= deadline:
                    hint = " Start it with `ollama serve`, or set base_url to where it runs." if error.retryable else ""
                    raise ProviderError(error.message + hint, kind=error.kind, retryable=error.retryable) from error
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
