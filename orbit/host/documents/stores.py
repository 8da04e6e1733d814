"""Calls the stores of a host. Each change goes to all of them, so that every retriever finds the same passages."""

from __future__ import annotations

from collections.abc import Callable, Container, Mapping, Sequence
from contextlib import nullcontext
from functools import partial
from typing import Any

import msgspec

from orbit.errors import ProviderError
from orbit.host.calls.calls import call, is_list_of, lacks_collection, wrong_type
from orbit.host.calls.work import Work
from orbit.types import CallContext, Collection, Document

_RETURNED: dict[str, tuple[str, Callable[[Any], bool]]] = {
    "index": ("the number of documents written", lambda value: isinstance(value, int)),
    "drop": ("True or False", lambda value: isinstance(value, bool)),
    "forget": ("the number of sources that there were", lambda value: isinstance(value, int)),
    "list_sources": ("a mapping of sources to digests", lambda value: isinstance(value, Mapping)),
    "copy": ("the number of documents that the copy holds", lambda value: isinstance(value, int)),
    "rename": ("True or False", lambda value: isinstance(value, bool)),
    "adopt": ("a Collection", lambda value: isinstance(value, Collection)),
    "list_passages": ("a list of Documents", lambda value: is_list_of(value, Document)),
    "list_collections": ("a list of Collections", lambda value: is_list_of(value, Collection)),
}
"""What each hook of a store returns, in words and as a check."""

_LONG = frozenset({"index", "copy"})
"""Hooks that take as long as there are passages. Their deadline starts again with each progress."""

INCOMPLETE = ""
"""The digest of a source that not every store holds in the same version."""


class Completed(msgspec.Struct, frozen=True):
    """The sources that all stores hold now, and those that no store holds whole: their files must be ingested again."""

    written: tuple[str, ...]
    left: tuple[str, ...]


class Stores:
    """The stores of a host. The first is written first and deleted from last.

    Changes go from store to store and stop at the first failure. So whatever fails, a store holds nothing that the
    first one lacks, and a repetition completes the change.
    """

    def __init__(
        self,
        names: Sequence[str],
        seconds: float,
        caller: Callable[[str, str], Callable[..., Any]],
        restricting: Container[str],
    ) -> None:
        """``seconds`` is the deadline of a call; ``caller`` returns what calls a hook of an instance, or raises.

        ``restricting`` are the stores that may hold passages with readers.
        """
        self.names = tuple(names)
        self._seconds = seconds
        self._caller = caller
        self._restricting = restricting

    async def change(self, hook: str, **arguments: Any) -> list[Any]:
        """Call a hook that changes a collection on every store. Raises ProviderError, which names the stores done."""
        names = self._required if hook in _LONG else self._required[::-1]
        if hook == "index":
            for name in names:
                self._check_readers(name, arguments["documents"])
        callers = [(name, self._caller(hook, name)) for name in names]  # before the first change: all can or none does
        values: list[Any] = []
        for name, caller in callers:
            try:
                values.append(await self._answer(hook, name, caller, arguments))
            except ProviderError as error:
                if values:
                    raise _partial(error, hook, names[: len(values)]) from error
                raise
        return values

    async def list_sources(self, **arguments: Any) -> Mapping[str, str]:
        """Return the sources of all stores. The digest is ``INCOMPLETE`` if the stores do not agree on it."""
        held = [await self._ask("list_sources", name, **arguments) for name in self._required]
        first, *others = held
        if not others:
            return dict(first)
        sources = {source: digest for mapping in reversed(held) for source, digest in mapping.items()}
        return {
            source: digest if all(mapping.get(source) == digest for mapping in held) else INCOMPLETE
            for source, digest in sources.items()
        }

    async def list_collections(self, **arguments: Any) -> list[Collection]:
        """Return the collections of all stores, each once. A store that embeds says with which model."""
        merged: dict[str, Collection] = {}
        for name in self._required:
            for found in await self._ask("list_collections", name, **arguments):
                known = merged.setdefault(found.name, found)
                if not known.embedding and found.embedding:
                    merged[found.name] = msgspec.structs.replace(
                        known, embedding=found.embedding, dimension=found.dimension
                    )
        return [merged[name] for name in sorted(merged)]

    async def complete(
        self, able: Sequence[str], collection: str, context: CallContext, progress: Callable[[int, int], None]
    ) -> Completed:
        """Write what one store holds into the stores that lack it or hold another version. Raises ProviderError.

        ``able`` names the stores that can list their passages. The first store with a source has its newest version.
        ``progress`` gets the number of sources done, and of all that differ.
        """
        held = {
            name: await self._ask("list_sources", name, collection=collection, context=context)
            for name in self._required
        }
        every = dict.fromkeys(source for sources in held.values() for source in sources)
        different = [one for one in every if len({sources.get(one) for sources in held.values()}) > 1]
        written: list[str] = []
        left: list[str] = []
        for number, source in enumerate(different, start=1):
            origin = next((name for name in held if held[name].get(source)), "")
            documents = await self.passages(origin, collection, source, context) if origin in able else []
            (written if documents else left).append(source)
            digest = held[origin][source] if origin else ""
            documents = [msgspec.structs.replace(one, digest=digest, score=None) for one in documents]
            for name in [name for name in held if documents and held[name].get(source) != digest]:
                arguments = {"collection": collection, "documents": documents, "context": context}
                await self._answer("index", name, self._caller("index", name), arguments)
            progress(number, len(different))
        return Completed(tuple(written), tuple(left))

    async def passages(self, name: str, collection: str, source: str, context: CallContext) -> list[Document]:
        """Return the passages that a store has of a source. Raises ProviderError."""
        return list(await self._ask("list_passages", name, collection=collection, sources=[source], context=context))

    async def differing(self, context: CallContext) -> list[str]:
        """Return the collections of which not every store holds the same number of passages."""
        counted: dict[str, list[int]] = {}
        for name in self._required:
            for found in await self._ask("list_collections", name, context=context):
                counted.setdefault(found.name, []).append(found.documents)
        every = len(self._required)
        return sorted(name for name, counts in counted.items() if len(counts) < every or len(set(counts)) > 1)

    async def adopt(self, able: Sequence[str], **arguments: Any) -> Collection:
        """Adopt a collection in each store of ``able`` that holds it. Raises ProviderError if none does."""
        adopted: list[Collection] = []
        missing: ProviderError | None = None
        for name in [name for name in self.names if name in able] or self._required:
            try:
                adopted.append(await self._ask("adopt", name, **arguments))
            except ProviderError as error:
                if not lacks_collection(error, "adopt"):
                    raise
                missing = missing or error
        if not adopted:
            assert missing is not None  # the loop ran
            raise missing
        return adopted[0]

    @property
    def _required(self) -> Sequence[str]:
        """The stores; an empty name without any, for which ``caller`` raises what to do."""
        return self.names or ("",)

    async def _ask(self, hook: str, name: str, **arguments: Any) -> Any:
        return await self._answer(hook, name, self._caller(hook, name), arguments)

    def _check_readers(self, name: str, documents: Sequence[Document]) -> None:
        """Raise ProviderError if a store would get a passage with readers and show it to everybody."""
        if name and name not in self._restricting and any(document.readers for document in documents):
            sentence = (
                "it cannot keep who may read a file, so it gets no file with readers; remove the readers, or use "
                "stores that filter, such as chroma, pgvector and lexical."
            )
            raise ProviderError(sentence, kind="rejected", provider=name, operation="index")

    async def _answer(self, hook: str, name: str, caller: Callable[..., Any], arguments: dict[str, Any]) -> Any:
        if hook == "index":
            self._check_readers(name, arguments["documents"])
        work = None
        if hook in _LONG:
            context: CallContext = arguments["context"]
            work = Work(self._seconds, context.progress)
            arguments = {**arguments, "context": msgspec.structs.replace(context, progress=work.report)}
        with work.running() if work else nullcontext():
            value = await call(name, hook, partial(caller, **arguments), self._seconds, work)
        expected, right = _RETURNED[hook]
        if not right(value):
            raise wrong_type(name, hook, expected, value)
        return value


_DONE = {
    "index": "{} already holds the new passages; ingest the files again, which completes the others",
    "drop": "{} has already deleted the collection; delete it again, which completes the others",
    "copy": "{} already holds the copy; copy it again, which completes the others",
    "rename": "{} has already renamed the collection; rename it again, which completes the others",
    "forget": "{} has already deleted the documents; delete them again, which completes the others",
}


def _partial(error: ProviderError, hook: str, done: Sequence[str]) -> ProviderError:
    """Return the error of a store with a sentence about the stores before it."""
    sentence = _DONE[hook].format(" and ".join(done))
    return ProviderError(
        f"{error.message.rstrip('.')}. {sentence}.",
        client=error.client,
        retryable=error.retryable,
        retried=error.retried,
        kind=error.kind,
        provider=error.provider,
        operation=error.operation,
    )
