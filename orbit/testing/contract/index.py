"""The contract of ``index`` and of the other hooks of a store."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import partial
from typing import Any, Final, TypeAlias

import msgspec
import pytest

from orbit import CallContext, Collection, Document, MetadataValue, ProviderError, Query
from orbit.host.host import OrbitHost
from orbit.testing.contract import calls
from orbit.testing.contract.embed_gate import EmbedGate
from orbit.testing.contract.filtering import FilterRules
from orbit.testing.contract.fixtures import Make, started
from orbit.testing.contract.passages import COLLECTION
from orbit.testing.contract.promise import Promise, kind
from orbit.testing.contract.samples import HUGE, UNICODE
from orbit.testing.contract.subject import Subject

_MANY: Final = 300
_REVISED: Final = "revised"
_HOOKS: Final = ("index", "drop", "list_sources", "list_collections")
_EMBED_FIRST: Final = "embed all of a source before you delete what is stored of it"

Foreign: TypeAlias = Callable[[OrbitHost, Sequence[Document]], Awaitable[str]]
"""Makes a collection outside the store under test, with vectors of the host's embedding."""


class BaseIndexContract(FilterRules):
    """The contract of stores: ``index``, ``drop``, ``list_sources``, ``list_collections``, and the optional others.

    These are ``forget``, ``list_passages``, ``copy``, ``rename`` and ``adopt``.
    """

    @pytest.fixture
    def foreign(self) -> Foreign | None:
        """Return a function that stores documents as another program does and returns the collection, or None."""
        return None

    async def test_index_is_offered(self, promise: Promise, subject: Subject) -> None:
        """A store implements all of `index`, `drop`, `list_sources` and `list_collections`."""
        for hook in _HOOKS:
            calls.offered(promise, subject, hook)

    async def test_index_returns_how_many_it_wrote(
        self, promise: Promise, subject: Subject, documents: Sequence[Document]
    ) -> None:
        """`index` returns the number of documents that it wrote."""
        for given in (documents, []):
            written = await calls.answered(promise, partial(_index, subject, given))
            if type(written) is not int or written != len(given):
                promise.broken(f"it returned {written!r} for {len(given)} documents", "return len(documents)")

    async def test_index_keeps_sources(self, promise: Promise, subject: Subject, documents: Sequence[Document]) -> None:
        """`list_sources` returns each source of a collection with the digest that it was indexed with."""
        await calls.answered(promise, lambda: _index(subject, documents))
        sources = await _sources(promise, subject)
        expected = {document.source: document.digest for document in documents}
        if sources != expected:
            promise.broken(f"it returned {sources} and not {expected}", "keep Document.source and Document.digest")

    async def test_index_keeps_documents(
        self, promise: Promise, subject: Subject, documents: Sequence[Document], query: Query
    ) -> None:
        """`retrieve` returns documents as they were indexed: id, text, source, title, link and metadata."""
        if not subject.implements("retrieve"):
            promise.untold("since the provider does not implement retrieve")
        metadata: dict[str, MetadataValue] = {"page": 3, "draft": False, "weight": 0.5, "language": "de"}
        full = Document(
            "full", f"{query.text} {UNICODE}", "a/b c.md", UNICODE, "https://x.org/?a=b", "d", None, metadata
        )
        await calls.answered(promise, lambda: _index(subject, [*documents, full]))
        asked = msgspec.structs.replace(query, text=full.text, collection=COLLECTION)
        found = await calls.answered(promise, lambda: subject.call("retrieve", query=asked, limit=20))
        kept = next((document for document in found if document.id == full.id), None)
        if kept is None:
            promise.broken(f"{full.id!r} was not found by its own text", "look whether index keeps every document")
        for name in ("text", "source", "title", "link", "metadata"):
            if getattr(kept, name) != getattr(full, name):
                promise.broken(
                    f"its {name} came back as {getattr(kept, name)!r}, not {getattr(full, name)!r}",
                    f"store Document.{name}",
                )

    async def test_index_replaces_sources(
        self, promise: Promise, subject: Subject, documents: Sequence[Document]
    ) -> None:
        """New documents replace all earlier ones of their sources, and none of other sources."""
        await calls.answered(promise, lambda: _index(subject, documents))
        source = documents[0].source
        others = {document.source: document.digest for document in documents if document.source != source}
        changed = msgspec.structs.replace(documents[0], id="changed", text="All is different now.", digest="changed")
        await calls.answered(promise, lambda: _index(subject, [changed]))
        sources = await _sources(promise, subject)
        if sources != {**others, source: "changed"}:
            promise.broken(f"the sources are {sources} then", "delete what is stored of a source, and of no other")
        expected = 1 + sum(document.source != source for document in documents)
        if (held := await _count(promise, subject)) != expected:
            promise.broken(f"{held} documents are stored and not {expected}", "delete what is stored of a source")

    async def test_index_keeps_what_was_there(
        self, promise: Promise, make: Make, documents: Sequence[Document], query: Query
    ) -> None:
        """If an embedding fails, `index` raises ProviderError, and what was stored before stays readable."""
        async with started(make(beside={"contract_gate": EmbedGate}), promise) as subject:
            gate = subject.host.registry["contract_gate"]
            assert isinstance(gate, EmbedGate)
            await calls.answered(promise, lambda: _index(subject, documents))
            before, held = await _sources(promise, subject), await _count(promise, subject)
            for passed in range(5):  # fail at once, and after some batches; the host divides large ones
                with gate.failing_after(passed):
                    written = await calls.attempted(promise, lambda: _index(subject, _revised(documents[0])))
                if not gate.failures:
                    break
                if written is not None:
                    promise.broken(f"it returned {written!r}", "let the ProviderError of host.embed pass")
                sources, now = await _sources(promise, subject), await _count(promise, subject)
                if passed == 0 and (sources, now) != (before, held):
                    promise.broken(
                        f"{now} documents of {sources} were stored then, not {held} of {before}", _EMBED_FIRST
                    )
                if sources.get(documents[0].source) == _REVISED:
                    promise.broken(
                        f"list_sources returned {sources} before all was stored", "write a source's digest last of all"
                    )
                if subject.implements("retrieve"):
                    asked = msgspec.structs.replace(query, text=documents[0].text, collection=COLLECTION)
                    found = await calls.answered(promise, partial(subject.call, "retrieve", query=asked, limit=50))
                    if documents[0].id not in {document.id for document in found}:
                        promise.broken(f"{documents[0].id!r} was not found any more", _EMBED_FIRST)
            if not gate.failures and passed == 0:
                promise.untold("since index asks the host for no embedding")

    async def test_index_adopts_collections(
        self, promise: Promise, subject: Subject, documents: Sequence[Document], query: Query, foreign: Foreign | None
    ) -> None:
        """`adopt` takes over a collection of another program: it is listed with its embedding and answers questions."""
        if not subject.implements("adopt"):
            promise.untold("since the provider does not implement adopt")
        if foreign is None:
            promise.untold("since the fixture foreign is None")
        name = await foreign(subject.host, documents)
        adopted, again = [
            await calls.answered(promise, lambda: subject.call("adopt", collection=name)) for _ in range(2)
        ]
        if not isinstance(adopted, Collection):
            promise.broken(f"it returned {kind(adopted)}", "return orbit.Collection(name, documents, ...)")
        listed = await _listed(promise, subject)
        if not adopted == again == listed.get(name):
            promise.broken(
                f"it returned {adopted}, a second time {again}, and list_collections {listed.get(name)}",
                "return what list_collections has of it",
            )
        if adopted.documents != len(documents) or adopted.embedding != subject.host.embedding:
            promise.broken(
                f"it returned {adopted} for {len(documents)} documents with vectors of {subject.host.embedding!r}",
                "count its documents, and record host.embedding",
            )
        if subject.implements("retrieve"):
            asked = msgspec.structs.replace(query, collection=name)
            if not await calls.answered(promise, lambda: subject.call("retrieve", query=asked, limit=20)):
                promise.broken(f"{query.text!r} found nothing in it", "read the texts of the other program")

    async def test_index_adopts_nothing_else(
        self, promise: Promise, subject: Subject, documents: Sequence[Document]
    ) -> None:
        """`adopt` leaves a collection of the store's own as it is, and raises ProviderError for an absent one."""
        if not subject.implements("adopt"):
            promise.untold("since the provider does not implement adopt")
        await calls.answered(promise, lambda: _index(subject, documents))
        before = await _listed(promise, subject)
        await calls.attempted(promise, lambda: subject.call("adopt", collection=COLLECTION))
        value = await calls.attempted(promise, lambda: subject.call("adopt", collection="contract-absent"))
        if value is not None:
            promise.broken(f"for an absent one it returned {value}", "raise orbit.ProviderError(kind='not_found')")
        if (after := await _listed(promise, subject)) != before:
            promise.broken(f"list_collections returned {after} then, not {before}", "change nothing before you know")

    async def test_index_can_be_repeated(
        self, promise: Promise, subject: Subject, documents: Sequence[Document]
    ) -> None:
        """Indexing the same documents again changes nothing."""
        for _ in range(2):
            await calls.answered(promise, lambda: _index(subject, documents))
        if (held := await _count(promise, subject)) != len(documents):
            promise.broken(f"{held} documents are stored after {len(documents)} twice", "replace, do not add")

    async def test_index_lists_collections(
        self, promise: Promise, subject: Subject, documents: Sequence[Document]
    ) -> None:
        """`list_collections` returns an orbit.Collection for each, with the number of its documents."""
        await calls.answered(promise, lambda: _index(subject, documents))
        await calls.answered(promise, lambda: _index(subject, documents[:1], "contract-second"))
        found = await calls.answered(promise, lambda: subject.call("list_collections"))
        if not isinstance(found, list | tuple) or not all(isinstance(one, Collection) for one in found):
            promise.broken(f"it returned {found!r}", "return a list of orbit.Collection(name, documents)")
        held = {one.name: one.documents for one in found}
        if held.get(COLLECTION) != len(documents) or held.get("contract-second") != 1:
            promise.broken(f"it returned {held}", "count the documents of each collection")

    async def test_index_drops_collections(
        self, promise: Promise, subject: Subject, documents: Sequence[Document]
    ) -> None:
        """`drop` deletes a collection and all in it and returns True, or False if there was none."""
        await calls.answered(promise, lambda: _index(subject, documents))
        for expected in (True, False):
            dropped = await calls.answered(promise, lambda: subject.call("drop", collection=COLLECTION))
            if dropped is not expected:
                promise.broken(f"it returned {dropped!r} and not {expected}", "return whether the collection existed")
        if sources := await _sources(promise, subject):
            promise.broken(f"{sources} is left", "delete the documents as well")

    async def test_index_forgets_sources(
        self, promise: Promise, subject: Subject, documents: Sequence[Document]
    ) -> None:
        """`forget` deletes the documents of some sources, and of no others, and returns how many there were."""
        if not subject.implements("forget"):
            promise.untold("since the provider does not implement forget")
        await calls.answered(promise, lambda: _index(subject, documents))
        named = [documents[0].source, "contract-absent"]
        for expected in (1, 0):
            gone = await calls.answered(promise, lambda: subject.call("forget", collection=COLLECTION, sources=named))
            if gone != expected:
                promise.broken(f"it returned {gone!r} and not {expected}", "count the sources, not the documents")
        remaining = {document.source: document.digest for document in documents if document.source not in named}
        if (sources := await _sources(promise, subject)) != remaining:
            promise.broken(f"the sources are {sources} then, not {remaining}", "delete by Document.source")

    async def test_index_copies_collections(
        self, promise: Promise, subject: Subject, documents: Sequence[Document]
    ) -> None:
        """`copy` makes another collection of the same documents, or completes it, and leaves the first one alone."""
        if not subject.implements("copy"):
            promise.untold("since the provider does not implement copy")
        await calls.answered(promise, lambda: _index(subject, documents))
        stray = msgspec.structs.replace(documents[0], id="stray", source="contract-stray.md")
        await calls.answered(promise, lambda: _index(subject, [stray], "contract-copy"))
        for _ in range(2):
            held = await calls.answered(
                promise,
                lambda: subject.call(
                    "copy", collection=COLLECTION, target="contract-copy", embedding=subject.host.embedding
                ),
            )
            if held != len(documents):
                promise.broken(f"it returned {held!r} for {len(documents)} documents", "return what the copy holds")
        sources = {document.source: document.digest for document in documents}
        for collection in (COLLECTION, "contract-copy"):
            found = await calls.answered(promise, partial(subject.call, "list_sources", collection=collection))
            if found != sources:
                promise.broken(
                    f"'{collection}' has the sources {found} then, not {sources}",
                    "copy every document and nothing else",
                )

    async def test_index_lists_passages(
        self, promise: Promise, subject: Subject, documents: Sequence[Document]
    ) -> None:
        """`list_passages` returns the documents of some sources as they were indexed, and none of others."""
        if not subject.implements("list_passages"):
            promise.untold("since the provider does not implement list_passages")
        await calls.answered(promise, lambda: _index(subject, documents))
        named = [max((document.source for document in documents), key=[one.source for one in documents].count)]

        call = partial(subject.call, "list_passages")
        some = partial(call, collection=COLLECTION, sources=[*named, "contract-absent.md"])
        found = await calls.answered(promise, some)
        expected = [document for document in documents if document.source in named]
        if found != expected:
            promise.broken(f"it returned {found!r} and not {expected!r}", "return each document whole, without a score")
        for collection, sources in ((COLLECTION, ["contract-absent.md"]), ("contract-absent", named)):
            nothing = await calls.answered(promise, partial(call, collection=collection, sources=sources))
            if nothing:
                promise.broken(f"it returned {nothing!r} of what does not exist", "return an empty list")

    async def test_index_renames_collections(
        self, promise: Promise, subject: Subject, documents: Sequence[Document]
    ) -> None:
        """`rename` returns whether there was a collection, and raises ProviderError if the new name is taken."""
        if not subject.implements("rename"):
            promise.untold("since the provider does not implement rename")
        await calls.answered(promise, lambda: _index(subject, documents))
        for expected in (True, False):
            renamed = await calls.answered(
                promise, lambda: subject.call("rename", collection=COLLECTION, new_name="contract-renamed")
            )
            if renamed is not expected:
                promise.broken(f"it returned {renamed!r} and not {expected}", "return whether the collection existed")
        listed = await _listed(promise, subject)
        if COLLECTION in listed or listed["contract-renamed"].documents != len(documents):
            promise.broken(f"the collections are {sorted(listed)} then", "keep the documents under the new name alone")
        await calls.answered(promise, lambda: _index(subject, documents))
        try:
            renamed = await subject.call("rename", collection=COLLECTION, new_name="contract-renamed")
        except ProviderError:
            return
        promise.broken(f"it returned {renamed!r} for a name that is taken", "raise ProviderError")

    async def test_index_takes_absent_collections(self, promise: Promise, subject: Subject) -> None:
        """A collection that does not exist has no sources, and holds nothing to drop."""
        sources = await calls.answered(promise, lambda: subject.call("list_sources", collection="contract-absent"))
        if not isinstance(sources, Mapping) or sources:
            promise.broken(f"list_sources returned {sources!r}", "return an empty dict")
        dropped = await calls.answered(promise, lambda: subject.call("drop", collection="contract-absent"))
        if dropped is not False:
            promise.broken(f"drop returned {dropped!r}", "return False")

    async def test_index_takes_any_document(self, promise: Promise, subject: Subject) -> None:
        """`index` stores any document, or raises ProviderError: odd characters, a huge text, no source."""
        for document in (
            Document("odd", UNICODE, UNICODE, UNICODE, digest=UNICODE, metadata={UNICODE: UNICODE}),
            Document("sourceless", "No source at all."),
            Document("huge", HUGE, "huge.md"),
            Document("nul", "a\0b", "nul.md"),
        ):
            await calls.attempted(promise, partial(_index, subject, [document]))

    async def test_index_takes_many_documents(self, promise: Promise, subject: Subject) -> None:
        """`index` takes any number of documents in one call."""
        many = [
            Document(f"many-{number}", f"This is passage {number} of many.", f"{number % 7}.md")
            for number in range(_MANY)
        ]
        await calls.answered(promise, lambda: _index(subject, many))
        if (held := await _count(promise, subject)) != _MANY:
            promise.broken(f"{held} of {_MANY} are stored", "divide them into batches yourself")

    async def test_index_leaves_documents_alone(
        self, promise: Promise, subject: Subject, documents: Sequence[Document]
    ) -> None:
        """`index` does not change the documents that it is given."""
        given = list(documents)
        await calls.answered(promise, lambda: _index(subject, given))
        calls.unchanged(promise, list(documents), given)

    async def test_index_side_by_side(self, promise: Promise, subject: Subject, documents: Sequence[Document]) -> None:
        """Sources written concurrently are all kept."""
        groups = [
            [msgspec.structs.replace(documents[0], id=f"side-{number}", source=f"side-{number}.md")]
            for number in range(6)
        ]
        writes = [partial(_index, subject, group) for group in groups]
        await calls.side_by_side(promise, writes)
        await calls.answered(promise, lambda: subject.call("drop", collection=COLLECTION))
        await calls.answered(promise, lambda: asyncio.gather(*(write() for write in writes)))
        if (held := await _count(promise, subject)) != len(groups):
            promise.broken(f"{held} of {len(groups)} are stored", "let one write not overwrite what another has read")

    async def test_index_can_be_cancelled(
        self, promise: Promise, subject: Subject, documents: Sequence[Document], patience: float
    ) -> None:
        """A cancelled call ends at once, at any moment."""
        await calls.cancelled(promise, lambda: _index(subject, documents), patience)

    async def test_index_keeps_deadlines(
        self, promise: Promise, subject: Subject, documents: Sequence[Document], patience: float
    ) -> None:
        """A call past its deadline ends: cancelled, or with a ProviderError."""

        def write(context: CallContext) -> Any:
            return subject.call("index", context, collection=COLLECTION, documents=documents)

        await calls.ended_in_time(promise, write, patience)

    async def test_index_leaves_the_loop_free(self, promise: Promise, subject: Subject) -> None:
        """`index` does not block the event loop."""
        many = [Document(f"many-{number}", f"This is passage {number}.", f"{number}.md") for number in range(_MANY)]
        await calls.shared_loop(promise, lambda: _index(subject, many))

    async def test_index_leaves_nothing_running(
        self, promise: Promise, subject: Subject, documents: Sequence[Document], patience: float
    ) -> None:
        """Nothing keeps running after the call."""
        await calls.left_alone(promise, lambda: _index(subject, documents), patience)

    async def test_index_while_down(self, promise: Promise, down: Subject, documents: Sequence[Document]) -> None:
        """While its service is down, a store's hooks raise a retryable ProviderError of kind `unavailable`."""
        await calls.told_of_the_outage(promise, lambda: _index(down, documents))
        await calls.told_of_the_outage(promise, lambda: down.call("list_sources", collection=COLLECTION))


def _index(subject: Subject, documents: Sequence[Document], collection: str = COLLECTION) -> Any:
    return subject.call("index", collection=collection, documents=documents)


async def _sources(promise: Promise, subject: Subject) -> dict[str, str]:
    sources = await calls.answered(promise, lambda: subject.call("list_sources", collection=COLLECTION))
    if not isinstance(sources, Mapping):
        promise.broken(f"list_sources returned {kind(sources)}", "return a dict: source -> digest")
    return dict(sources)


async def _listed(promise: Promise, subject: Subject) -> dict[str, Collection]:
    return {one.name: one for one in await calls.answered(promise, lambda: subject.call("list_collections"))}


async def _count(promise: Promise, subject: Subject) -> int:
    """Return the number of documents that ``list_collections`` reports for the collection."""
    listed = await _listed(promise, subject)
    return listed[COLLECTION].documents if COLLECTION in listed else 0


def _revised(document: Document) -> list[Document]:
    """Return many passages of the same source with another digest, so that stores embed them in several batches."""
    return [
        msgspec.structs.replace(document, id=f"revised-{number}", text=f"Passage {number} is new.", digest=_REVISED)
        for number in range(_MANY)
    ]
