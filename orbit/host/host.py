"""The host: runs the providers of a configuration and lends them to each other."""

from __future__ import annotations

import logging
from collections.abc import AsyncGenerator, Callable, Collection, Iterator, Mapping, Sequence
from contextlib import aclosing, contextmanager
from contextvars import ContextVar
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Final, Self, cast

import msgspec

from orbit.config.environment import environment
from orbit.config.load import EMBEDDED, FILE_LOG, embedded_text, read_config
from orbit.config.model import Config, ProviderSection
from orbit.errors import ConfigError, PluginLoadError, Problem, PromptTooLong, ProviderError
from orbit.filters import readable
from orbit.host.calls.calls import attributed, call, wrong_type
from orbit.host.documents.connectors import fetched
from orbit.host.documents.embedding import Embedding, vector_problem
from orbit.host.documents.file_plugins import file_plugins
from orbit.host.documents.stores import Completed, Stores
from orbit.host.host_proxy import HostProxy, lending
from orbit.host.models.catalogue import Catalogue, catalogue, default_provider, model_problems
from orbit.host.models.instances import Models
from orbit.host.models.named_models import NamedModels
from orbit.host.models.upstreams import Upstreams
from orbit.host.plugins.discover import InstalledPlugin, installed_plugins
from orbit.host.plugins.load import Loaded, load, validated
from orbit.host.plugins.renamed import shorter_deadlines, with_limits, with_renamed
from orbit.host.providers.kept_on_reload import loaded_and_kept
from orbit.host.providers.needs import EXAMPLES, VERBS, cannot, name_problems, unmet_needs
from orbit.host.providers.registry import Registry
from orbit.provider import Host
from orbit.types import (
    CallContext,
    Chunk,
    Document,
    EmbedKind,
    Fetched,
    GenerateOptions,
    Message,
    Model,
    TokenCount,
)
from orbit.types import Collection as StoredCollection

if TYPE_CHECKING:
    from orbit.types import Vectors

logger = logging.getLogger("orbit")

_STORE = "a store, for example with 'chroma:'"
_TOKENS_AT_ONCE = 64
"""Texts in one call of ``embed_tokens``, each of which has a deadline of its own."""


class Roles(msgspec.Struct, frozen=True):
    """The instance for each role; empty if none is enabled, or if it could not start. ``index`` is the first store."""

    generate: str = ""
    embed: str = ""
    index: str = ""


_NO_FILE: Final = (
    "{folder} has no config.yaml, so this is the embedded default. Write the file, or name one with --config or "
    "ORBIT_CONFIG."
)


class OrbitHost:
    """Providers of one configuration. Enter it to start them; it stops them in reverse order.

    ``problems`` has every mistake of the configuration, the plugins' settings included, found without starting
    anything. Entering a host that has problems raises ConfigError.
    """

    def __init__(
        self,
        config: Config,
        problems: Sequence[Problem] = (),
        installed: Mapping[str, InstalledPlugin] | None = None,
        needed: Collection[str] | None = None,
        *,
        ready: bool = True,
        former: OrbitHost | None = None,
    ) -> None:
        """``needed`` starts only providers of these hooks, for commands that do not need them all.

        Without ``ready``, providers are started but not asked whether they can work with each other. The host keeps
        the running providers of ``former`` that a change does not concern; ``take_over`` makes them its own.
        """
        self.config = config
        self.closed = False
        self._needed = needed
        self._ready = ready
        self.host_proxy: HostProxy = former.host_proxy if former is not None else HostProxy(self)
        """What providers hold as their host."""
        with lending(self):
            loaded, kept = self._loaded(config, installed_plugins() if installed is None else installed, former)
            self.registry = Registry(loaded, kept)
            found = [*problems, *(problem for item in self.registry.loaded for problem in validated(item))]
        config, contradictions, self.notices = with_renamed(config, self.registry.loaded)
        config, impossible = with_limits(config, len(self.registry.implementing("retrieve")))
        self.notices[:0] = config.notices
        self.notices += shorter_deadlines(config, self.registry.loaded)
        self.config = config
        found += [*contradictions, *impossible]
        self._selected, unclear = _select(config, self.registry, complete=not found, needed=needed)
        self._stores = _stores(self.registry, config.host.general.store_provider, self._selected.index)
        self.file_plugins, unusable = file_plugins(config, self.registry)
        if any(problem.path.partition(".")[0] == "general" for problem in problems):
            unclear = []  # it may name the one to use, but could not be read
        if not found:
            named = name_problems(config, self.registry)
            unclear = [*named, *unclear, *unusable, *model_problems(config, self.registry)]
        complete = not found and not unclear and needed is None
        unmet = unmet_needs(config, self.registry, msgspec.structs.asdict(self._selected)) if complete else ()
        self.problems = (*found, *unclear, *unmet)
        if self.problems and config.source == EMBEDDED:  # nobody wrote what it complains about
            self.problems += (Problem("", _NO_FILE.format(folder=Path.cwd())),)
        self.catalogue: Catalogue = catalogue(config, self.registry, self._selected.generate)
        """The models that clients may name."""
        self.upstreams = Upstreams(self.registry)
        self._named_models = NamedModels(self.catalogue, self.upstreams, self._generate)
        self._callers: dict[tuple[str, str], Callable[..., Any]] = {}
        self.listed_models = Models(self.registry, config.host.timeouts.first_token)
        """What the instances say of their models."""
        self._embedding = Embedding(config.data_dir, config.host.timeouts.embed)

    def _loaded(
        self, config: Config, plugins: Mapping[str, InstalledPlugin], former: OrbitHost | None
    ) -> tuple[list[Loaded], set[str]]:
        """Return the instances of the sections, and the names of those of ``former``."""

        def made(section: ProviderSection) -> Loaded:
            return load(section, plugins, cast("Host", self.host_proxy))

        if former is None:
            return [made(section) for section in config.providers], set()
        return loaded_and_kept(config, former.registry, former.config, made)

    @classmethod
    def from_file(
        cls,
        path: str | None = None,
        needed: Collection[str] | None = None,
        *,
        ready: bool = True,
        former: OrbitHost | None = None,
    ) -> OrbitHost:
        """Read a configuration file and load its plugins; see ``find_config`` for where it is looked for."""
        config, problems = read_config(path)
        return cls(config, problems, needed=needed, ready=ready, former=former)

    def raise_problems(self) -> None:
        """Raise ConfigError if the configuration has any problem."""
        if self.problems:
            raise ConfigError(self.problems)

    async def __aenter__(self) -> Self:
        with lending(self):
            await self._start()
        return self

    async def _start(self) -> None:
        self.raise_problems()
        for notice in self.notices:
            logger.info("%s", notice)
        if self.config.warning:
            logger.warning("%s: %s", self.config.source, self.config.warning)
        try:
            self.data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            sentence = f"the folder {self.data_dir} cannot be made: {error.strerror}."
            raise ConfigError([Problem("general.data_dir", sentence)]) from error
        try:
            await self.registry.start(self.config.host.timeouts.start, self._needed, ready=self._ready)
            self._callers.clear()  # some were made before a provider failed to become ready
            self.listed_models = Models(self.registry, self.config.host.timeouts.first_token)
            self._require_generator()
            self._warn_of_unmet_needs()
        except BaseException:
            await self.registry.stop(self.config.host.timeouts.stop)
            raise

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.listed_models.aclose()
        with lending(self):
            await self.registry.stop(self.config.host.timeouts.stop)
        self.closed = True

    def take_over(self, former: OrbitHost) -> None:
        """Become the host of the running providers that this one has kept; ``former`` stops only the others."""
        self.registry.take_over(former.registry)
        self.host_proxy.newest = self

    @property
    def roles(self) -> Roles:
        """The instances that were selected and have not failed."""
        chosen, failed = self._selected, self.registry.failed
        return Roles(*("" if name in failed else name for name in (chosen.generate, chosen.embed, chosen.index)))

    @property
    def data_dir(self) -> Path:
        """The folder for what must survive a restart."""
        return self.config.data_dir

    @property
    def default_collection(self) -> str:
        """The collection that the stores search for API keys without one; empty if there is none."""
        defaults = (self.registry[name].default_collection() for name in self.stores.names)
        return next(filter(None, defaults), "")

    @property
    def default_config(self) -> str:
        """The YAML of the embedded default."""
        return embedded_text()

    @property
    def environment(self) -> Mapping[str, str]:
        """The variables of the process, and of the ``.env`` beside the configuration."""
        source = self.config.source
        return environment(Path(source).parent if source and source != EMBEDDED else Path())

    @property
    def chat_log(self) -> Path | None:
        """The chat log's folder, and the name that its files begin with; None if none is written."""
        if any(item.section.name == FILE_LOG and item.provider is None for item in self.registry.loaded):
            return self.data_dir / FILE_LOG  # there is one, whose settings have a mistake that is reported by itself
        if FILE_LOG not in self.registry:
            return None
        settings = self.registry[FILE_LOG].settings
        log: Path = settings.folder(self.data_dir) / settings.filename
        return log

    @property
    def embedding(self) -> str:
        """The embedding provider in use and its model, as ``provider/model``."""
        return self._embedding_of(self.roles.embed)

    def _embedding_of(self, name: str) -> str:
        if not name:
            return ""
        section = next(item.section for item in self.registry.loaded if item.section.name == name)
        return f"{section.plugin}/{self.registry.model(name, 'embed')}"

    def embeds(self, embedding: str) -> bool:
        """Return whether an enabled provider has this embedding model."""
        return bool(self._embedder(embedding))

    def _embedder(self, embedding: str) -> str:
        """Return the instance with an embedding model, the selected one first; empty if there is none."""
        able = (self.roles.embed, *self.registry.implementing("embed"))
        return next((name for name in able if name and self._embedding_of(name) == embedding), "")

    async def embed(self, texts: Sequence[str], kind: EmbedKind, context: CallContext, embedding: str = "") -> Vectors:
        """Embed with the selected provider, or the one that has the model ``embedding``. Raises ProviderError.

        Documents go to the provider in pieces, and each piece has its own deadline.
        """
        name = self._embedder(embedding) if embedding else self.roles.embed
        if embedding and not name:
            raise ProviderError(f"no enabled provider embeds with {embedding}.", operation="embed")
        if kind == "document":
            made_by = embedding or self.embedding
            return await self._embedding.embed(texts, made_by, lambda piece: self._embed(name, piece, kind, context))
        return await self._embed(name, texts, kind, context)

    async def _embed(self, name: str, texts: Sequence[str], kind: EmbedKind, context: CallContext) -> Vectors:
        vectors = await self._vectors(name, "embed", len(texts), {"texts": texts, "kind": kind, "context": context})
        if problem := vector_problem(texts, vectors, kind):
            raise ProviderError(problem, provider=name, operation="embed")
        return vectors

    @property
    def embeds_tokens(self) -> bool:
        """Whether the selected provider embeds token ids."""
        return self.roles.embed in self.registry.implementing("embed_tokens")

    async def embed_tokens(self, tokens: Sequence[Sequence[int]], context: CallContext) -> Vectors:
        """Embed documents, given as token ids, with the selected provider, in pieces. Raises ProviderError."""
        import numpy as np  # noqa: PLC0415  # only those who embed pay for it

        pieces = [tokens[start : start + _TOKENS_AT_ONCE] for start in range(0, len(tokens), _TOKENS_AT_ONCE)]
        return np.concatenate(
            [
                await self._vectors(self.roles.embed, "embed_tokens", len(piece), {"tokens": piece, "context": context})
                for piece in pieces
            ]
        )

    async def _vectors(self, name: str, hook: str, count: int, arguments: Mapping[str, Any]) -> Vectors:
        import numpy as np  # noqa: PLC0415  # only those who embed pay for it

        caller = self._caller(hook, name)
        with _within(hook, name):
            vectors: Vectors = await call(name, hook, lambda: caller(**arguments), self.config.host.timeouts.embed)
        expected = "a float32 array of shape (number of texts, dimension)"
        if not isinstance(vectors, np.ndarray):
            raise wrong_type(name, hook, expected, vectors)
        if vectors.dtype != np.float32 or vectors.ndim != 2 or len(vectors) != count:  # noqa: PLR2004  # a matrix
            shape = f"the hook returned {vectors.dtype} of shape {vectors.shape} for {count} texts"
            raise ProviderError(f"{shape} instead of {expected}.", provider=name, operation=hook)
        return vectors

    def generate(
        self, messages: Sequence[Message], options: GenerateOptions, context: CallContext, provider: str = ""
    ) -> AsyncGenerator[Chunk, None]:
        """Generate with the named model or instance, or the selected instance. Raises ProviderError."""
        if provider in self._named_models:
            return self._named_models.generate(provider, messages, options, context)
        return self._generate(provider or self.roles.generate, messages, options, context)

    async def _generate(
        self, name: str, messages: Sequence[Message], options: GenerateOptions, context: CallContext
    ) -> AsyncGenerator[Chunk, None]:
        caller = self._caller("generate", name)
        try:
            with _within("generate", name):
                question = messages[-1].content if messages else ""
                chunks = caller(messages=messages, options=options, context=context, question=question, documents=())
            async with aclosing(chunks):
                while True:
                    with _within("generate", name):  # for each piece: between them the consumer's code runs
                        try:
                            chunk = await anext(chunks)
                        except StopAsyncIteration:
                            return
                    yield chunk
        except PromptTooLong:
            raise
        except Exception as error:
            raise attributed(error, name, "generate") from error

    async def count_tokens(
        self, messages: Sequence[Message], options: GenerateOptions, context: CallContext, provider: str = ""
    ) -> TokenCount | None:
        """Return the size of a prompt for an instance; None if it cannot count. Raises ProviderError."""
        name = self._named_models.first(provider) or self.roles.generate
        if name not in self.registry.implementing("count_tokens"):
            return None
        caller = self._caller("count_tokens", name)
        with _within("count_tokens", name):
            size: Any = await call(
                name,
                "count_tokens",
                lambda: caller(messages=messages, options=options, context=context),
                self.config.host.timeouts.first_token,
            )
        if not isinstance(size, TokenCount):
            raise wrong_type(name, "count_tokens", "a TokenCount", size)
        return size

    async def models(self, context: CallContext, provider: str = "") -> Sequence[Model]:
        """Return the models of an instance. Raises ProviderError."""
        name = self._named_models.first(provider) or self.roles.generate
        with _within("models", name):
            return await self.listed_models.of(name, context)

    def fetch(self, name: str, known: Mapping[str, str], context: CallContext) -> AsyncGenerator[Fetched, None]:
        """Fetch the files of a connector; see the hook. Raises ProviderError."""
        limit, seconds = self.config.host.ingest.max_file_bytes, self.config.host.timeouts.fetch
        return fetched(name, self._caller("fetch", name), known, limit, context, seconds)

    @property
    def stores(self) -> Stores:
        """The stores that ingestion writes: the one that ``general.store_provider`` names, or all."""
        names = [name for name in self._stores if name not in self.registry.failed or len(self._stores) > 1]
        return Stores(names, self.config.host.timeouts.index, self._caller, self.restricting)

    @property
    def restricting(self) -> tuple[str, ...]:
        """The stores that keep who may read a passage: they filter, and can say which passages a source has."""
        return tuple(name for name in self.registry.implementing("list_passages") if self.registry.filters(name))

    async def readers_of(self, collection: str, source: str, context: CallContext) -> set[tuple[str, ...]]:
        """Return the readers of the passages of a source: several if they differ. Raises ProviderError."""
        return {document.readers for document in await self._restricted(collection, source, context)}

    async def may_read(self, collection: str, source: str, groups: Collection[str], context: CallContext) -> bool:
        """Return whether somebody in some groups may read all of a source. Raises ProviderError."""
        found = await self._restricted(collection, source, context)
        return all(readable(document, groups) for document in found)

    async def _restricted(self, collection: str, source: str, context: CallContext) -> list[Document]:
        """Return the passages of a source in all stores that keep who may read them."""
        found = [await self.stores.passages(name, collection, source, context) for name in self.restricting]
        return [document for documents in found for document in documents]

    async def index(self, collection: str, documents: Sequence[Document], context: CallContext) -> int:
        """Write documents to every store; see the hook. Raises ProviderError."""
        async with self._embedding.resumable():
            written: list[int] = await self.stores.change(
                "index", collection=collection, documents=documents, context=context
            )
        return written[0]

    async def drop(self, collection: str, context: CallContext) -> bool:
        """Delete a collection in every store; whether one held it. Raises ProviderError."""
        return any(await self.stores.change("drop", collection=collection, context=context))

    async def forget(self, collection: str, sources: Sequence[str], context: CallContext) -> int:
        """Delete some sources of a collection in every store; how many there were. Raises ProviderError."""
        gone: list[int] = await self.stores.change("forget", collection=collection, sources=sources, context=context)
        return max(gone)

    async def list_sources(self, collection: str, context: CallContext) -> Mapping[str, str]:
        """Return the sources of a collection and their digests; empty where stores differ. Raises ProviderError."""
        return await self.stores.list_sources(collection=collection, context=context)

    async def list_collections(self, context: CallContext) -> Sequence[StoredCollection]:
        """Return the collections of all stores. Raises ProviderError."""
        return await self.stores.list_collections(context=context)

    async def complete(
        self, collection: str, context: CallContext, progress: Callable[[int, int], None] = lambda _, __: None
    ) -> Completed:
        """Write what one store of a collection holds into the others; ``progress`` gets sources done, and all.

        Raises ProviderError.
        """
        able = self.registry.implementing("list_passages")
        return await self.stores.complete(able, collection, context, progress)

    async def copy(self, collection: str, target: str, embedding: str, context: CallContext) -> int:
        """Copy a collection in every store; how many documents the copy holds. Raises ProviderError."""
        held: list[int] = await self.stores.change(
            "copy", collection=collection, target=target, embedding=embedding, context=context
        )
        return max(held)

    async def rename(self, collection: str, new_name: str, context: CallContext) -> bool:
        """Rename a collection in every store; whether one held it. Raises ProviderError."""
        return any(await self.stores.change("rename", collection=collection, new_name=new_name, context=context))

    async def adopt(self, collection: str, context: CallContext) -> StoredCollection:
        """Take over a collection that another program made in one of the stores. Raises ProviderError."""
        able = self.registry.implementing("adopt")
        return await self.stores.adopt(able, collection=collection, context=context)

    def _warn_of_unmet_needs(self) -> None:
        """Warn of instances that need an optional one which could not start."""
        if self._needed is None:
            for problem in unmet_needs(self.config, self.registry, msgspec.structs.asdict(self.roles)):
                logger.warning("%s", problem)

    def _require_generator(self) -> None:
        """Raise PluginLoadError if the answering provider failed to start, even with ``required: false``."""
        name = self._selected.generate
        if reason := self.registry.failed.get(name):
            raise PluginLoadError(name, f"it could not start, and it is the one that answers: {reason}")

    def _caller(self, hook: str, name: str) -> Callable[..., Any]:
        """Return the function that calls a hook of an instance. Raises ProviderError if the instance cannot serve it.

        Functions are cached: making one costs ten times as much as calling it.
        """
        caller = self._callers.get((hook, name))
        if caller is None:
            able = self.registry.implementing(hook)
            if name in self.registry.failed:
                reason = f"it could not start: {self.registry.failed[name]}"
                raise ProviderError(reason, provider=name, operation=hook)
            if name not in able:
                raise ProviderError(_incapable(hook, name, able), operation=hook)
            caller = self._callers[hook, name] = self.registry.caller(hook, name)
        return caller


_CALLS: ContextVar[tuple[str, ...]] = ContextVar("orbit_calls", default=())
"""The hooks that the host is calling for providers, each within the one before."""


@contextmanager
def _within(hook: str, name: str) -> Iterator[None]:
    """Note a call while it runs. Raises ProviderError if it is made within itself, which would never end."""
    step, calls = f"{name}.{hook}", _CALLS.get()
    if step in calls:
        circle = " -> ".join((*calls[calls.index(step) :], step))
        sentence = f"it calls itself through the host ({circle}); it has to ask another instance."
        raise ProviderError(sentence, provider=name, operation=hook)
    token = _CALLS.set((*calls, step))
    try:
        yield
    finally:
        _CALLS.reset(token)


def _incapable(hook: str, name: str, able: Sequence[str]) -> str:
    """Say that an instance (or, if ``name`` is empty, no instance) implements a hook, and which instances do."""
    verb = VERBS.get(hook, hook.replace("_", " "))
    who = f"'{name}' cannot" if name else "no enabled provider can"
    if able:
        return f"{who} {verb}; providers that can: {', '.join(able)}."
    return f"{who} {verb}; enable {EXAMPLES.get(hook, _STORE)}."


def _select(
    config: Config, registry: Registry, *, complete: bool, needed: Collection[str] | None
) -> tuple[Roles, list[Problem]]:
    """Choose the one provider for each role; of several stores, the first that embeds.

    A role without a provider is a problem only of a configuration that is otherwise right: another mistake may be why.
    """
    general = config.host.general
    unclear: list[Problem] = []
    missing: list[Problem] = []
    chosen: dict[str, str] = {}
    generating = registry.implementing("generate")
    inference = general.inference_provider
    if not inference and (first := default_provider(config)) in generating:
        inference = first
    for hook, wanted, setting in (
        ("generate", inference, "inference_provider"),
        ("embed", general.embedding_provider, "embedding_provider"),
        ("index", general.store_provider, "store_provider"),
    ):
        able = registry.implementing(hook)
        path, can = f"general.{setting}", ", ".join(able) or "none"
        if wanted and wanted in able:
            chosen[hook] = wanted
        elif wanted:
            missing.append(Problem(path, f"{cannot(config, registry, wanted, hook)}; providers that can: {can}."))
        elif len(able) == 1:
            chosen[hook] = able[0]
        elif hook == "embed" and inference in able and set(able) <= set(generating):
            chosen[hook] = inference  # model servers side by side: the one in use, as ever
        elif hook == "index" and able:
            chosen[hook] = next((name for name in able if registry.needs(name, "embed")), able[0])
        elif len(able) > 1:
            unclear.append(Problem(path, f"several providers can {VERBS[hook]}: {can}. Name the one to use here."))
        elif hook == "generate" and (needed is None or hook in needed):
            missing.append(
                Problem(path, "no enabled provider can generate. Enable one by its section, such as 'ollama:'.")
            )
    return Roles(**chosen), [*unclear, *missing] if complete else unclear


def _stores(registry: Registry, wanted: str, first: str) -> tuple[str, ...]:
    """Return the instances that ingestion writes, in order: those that embed first, because embedding can fail."""
    if wanted:
        return (first,) if first else ()
    return tuple(sorted(registry.implementing("index"), key=lambda name: not registry.needs(name, "embed")))
