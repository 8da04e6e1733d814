"""Updates a collection from files, and reports the outcome for each file."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterable, Callable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from contextlib import AsyncExitStack, aclosing
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import msgspec

from orbit.config.model import Ingest
from orbit.documents.engines import Engine, Prepared
from orbit.documents.file_metadata import Facts
from orbit.documents.file_types import fingerprint
from orbit.documents.files import LocalFile, find_files
from orbit.documents.in_order import in_order
from orbit.documents.origins import Origins
from orbit.documents.reading.pool import Reading
from orbit.documents.sections import UnreadableError
from orbit.documents.summary import Failed, Kept, Progress, Removed, Shortened, Skipped, Summary, Warned
from orbit.errors import PromptTooLong, ProviderError
from orbit.host.documents.embedding import already
from orbit.host.documents.file_plugins import FilePlugins
from orbit.types import CallContext, Document, MetadataValue, Notice

if TYPE_CHECKING:
    from orbit.types import Vectors

PATIENCE = 3
"""Sources in a row that the store may reject before ingestion stops: the fault is then not in the sources."""

FORGET_SIZE = 500
"""Sources per call that removes passages."""


class Store(Protocol):
    """The interface that ingestion needs of a store. ``OrbitHost`` implements it."""

    async def index(self, collection: str, documents: Sequence[Document], context: CallContext) -> int:
        """Replace all passages of the documents' sources."""
        ...

    async def forget(self, collection: str, sources: Sequence[str], context: CallContext) -> int:
        """Delete all passages of some sources."""
        ...

    async def list_sources(self, collection: str, context: CallContext) -> Mapping[str, str]:
        """Return the sources in a collection, each with its digest."""
        ...

    async def readers_of(self, collection: str, source: str, context: CallContext) -> AbstractSet[tuple[str, ...]]:
        """Return the readers of the passages of a source: several if they differ."""
        ...


class Input(Protocol):
    """Something to ingest: a local file or an upload."""

    @property
    def source(self) -> str:
        """The source name. Its extension selects the reader."""
        ...

    def load(self, limit: int) -> bytes:
        """Return the content, in a thread. Raises UnreadableError, also for more than ``limit`` bytes."""
        ...


class Options(msgspec.Struct, frozen=True):
    """What happens to earlier passages of files that this run does not write.

    Passages of a file that has become empty always go. Those of one that cannot be read any more go unless
    ``keep_unreadable``. ``prune`` removes those of files that the given folders no longer hold. ``origins`` remembers
    which folder gave which file; without it, nothing is pruned.
    """

    keep_unreadable: bool = False
    prune: bool = False
    origins: Origins | None = None
    plugins: FilePlugins = FilePlugins()
    """The plugins that read and split files."""
    engine: Engine | None = None
    """What reads, splits and embeds files, entered; None: this process and its reading processes."""
    metadata: Mapping[str, MetadataValue] | None = None
    """Metadata of all passages. None: files keep what an earlier run gave them."""
    readers: tuple[str, ...] | None = None
    """The groups that may read the files; none for everybody. None: files keep their earlier readers."""


async def ingest_paths(
    store: Store,
    collection: str,
    paths: Sequence[Path],
    settings: Ingest,
    context: CallContext,
    progress: Callable[[Progress], None] | None = None,
    options: Options | None = None,
) -> Summary:
    """Ingest files and folders. Raises OrbitError for a path that does not exist."""
    files = await asyncio.to_thread(find_files, paths)
    folders = [path.resolve() for path in paths if path.is_dir()]
    return await ingest(store, collection, files, settings, context, progress, options, folders)


async def ingest(
    store: Store,
    collection: str,
    inputs: Sequence[Input] | AsyncIterable[Input],
    settings: Ingest,
    context: CallContext,
    progress: Callable[[Progress], None] | None = None,
    options: Options | None = None,
    folders: Sequence[Path] = (),
) -> Summary:
    """Read changed files, split them and write them, in batches that never divide a file.

    An unreadable file is skipped and one that the store rejects fails, each with the reason. The others continue.
    ``folders`` are those whose files ``inputs`` list completely. The files of an async iterable are never pruned.
    Raises ProviderError if the collection cannot be used at all.
    """
    options = options or Options(settings.keep_unreadable)
    known = await store.list_sources(collection, context)
    listed = inputs if isinstance(inputs, Sequence) else ()
    run = _Run(store, collection, settings, context, known, progress or (lambda _: None), len(listed), options)
    async with AsyncExitStack() as stack:
        reading: Reading | Engine | None = options.engine
        if reading is None:
            reading = await stack.enter_async_context(Reading(settings, options.plugins))
        outcomes = in_order(lambda item: run.read(item, reading), inputs, reading.width)
        async with aclosing(outcomes):
            async for item, outcome in outcomes:
                await run.take(item, outcome)
                if run.stopped:
                    break
        await run.flush()
    if not run.stopped:
        await run.clear(listed, folders)
    return run.summary()


class _Outcome(msgspec.Struct, frozen=True):
    """What became of one input: passages, none if it has not changed, or the reason why it cannot be read."""

    documents: Sequence[Document] = ()
    warnings: tuple[str, ...] = ()
    problem: str = ""
    gone: bool = False
    """Whether it certainly has no text any more: it is empty."""
    passing: bool = False
    """Whether the reason lies in the machine and not in the file."""
    prepared: Prepared | None = None
    """What an engine made of it."""


class _Run(msgspec.Struct):
    """The state of one ingestion."""

    _store: Store
    _collection: str
    _settings: Ingest
    _context: CallContext
    _known: Mapping[str, str]
    _progress: Callable[[Progress], None]
    _total: int
    _options: Options
    _seen: set[str] = set()
    _waiting: dict[str, _Outcome] = {}
    _done: int = 0
    _passages: int = 0
    _embedded: int = 0
    _refused: int = 0
    _added: list[str] = []
    _updated: list[str] = []
    _unchanged: list[str] = []
    _skipped: list[Skipped] = []
    _failed: list[Failed] = []
    _shortened: list[Shortened] = []
    _removed: list[Removed] = []
    _kept: list[Kept] = []
    _warned: list[Warned] = []
    _stale: dict[str, str] = {}
    stopped: str = ""

    def summary(self) -> Summary:
        """Return the outcome so far."""
        return Summary(
            self._collection,
            tuple(self._added),
            tuple(self._updated),
            tuple(self._unchanged),
            tuple(self._skipped),
            tuple(self._failed),
            self._passages,
            self.stopped,
            tuple(self._shortened),
            tuple(self._removed),
            tuple(self._kept),
            tuple(self._warned),
        )

    async def read(self, item: Input, reading: Reading | Engine) -> _Outcome:
        """Return the passages of an input; none if the collection is up to date."""
        if item.source in self._seen:
            return _Outcome(problem=_TWICE)
        self._seen.add(item.source)
        try:
            content, digest = await asyncio.to_thread(self._load, item)
            if not content:
                return _Outcome(problem="is empty", gone=True)
            facts = await self._facts(item)
            digest = facts.added_to(digest)
            if self._known.get(item.source) == digest:
                return _Outcome()
            found = await reading.read(item.source, content, digest)
        except UnreadableError as error:
            return _Outcome(problem=str(error), passing=error.passing)
        if found.unreadable:
            return _Outcome(problem=found.unreadable, passing=isinstance(found, Prepared) and found.passing)
        documents = found.documents
        if link := getattr(item, "link", ""):
            documents = tuple(msgspec.structs.replace(document, link=link) for document in documents)
        if facts.metadata or facts.readers:
            documents = tuple(
                msgspec.structs.replace(
                    document, metadata={**facts.metadata, **document.metadata}, readers=facts.readers
                )
                for document in documents
            )
        prepared = found if isinstance(found, Prepared) else None
        return _Outcome(documents, found.warnings, "" if documents else "has no text", prepared=prepared)

    async def _facts(self, item: Input) -> Facts:
        """Return the metadata and the readers of an input. Raises UnreadableError if nobody says who may read it."""
        if isinstance(own := getattr(item, "facts", None), Facts):
            return own
        metadata, readers = self._options.metadata, self._options.readers
        known = self._known.get(item.source)
        earlier = Facts.of(known or "")
        if readers is None and known == "":  # interrupted, or stores differ
            held = await self._store.readers_of(self._collection, item.source, self._context)
            if len(held) > 1:
                raise UnreadableError(_UNCLEAR, passing=True)
            readers = next(iter(held), ())
        return Facts(
            dict(earlier.metadata if metadata is None else metadata), earlier.readers if readers is None else readers
        )

    def _load(self, item: Input) -> tuple[bytes, str]:
        """Return an input's content, empty if it is blank, and its digest."""
        content = item.load(self._settings.max_file_bytes)
        if not content.strip():
            return b"", ""
        return content, digest_of(item.source, content, self._settings, self._options.plugins)

    async def take(self, item: Input, outcome: _Outcome) -> None:
        """Queue the passages of one input for writing."""
        if outcome.problem:
            self._skip(item.source, outcome)
            return
        if not outcome.documents:
            self._unchanged.append(item.source)
            self._tell(1)
            return
        waiting = sum(len(one.documents) for one in self._waiting.values())
        if waiting and waiting + len(outcome.documents) > self._settings.batch_size:
            await self.flush()
        if not self.stopped:
            self._waiting[item.source] = outcome

    def _skip(self, source: str, outcome: _Outcome) -> None:
        """Note why an input cannot be read, and what becomes of its earlier passages."""
        self._skipped.append(Skipped(source, outcome.problem))
        if source in self._known and outcome.problem is not _TWICE:
            if outcome.gone or not (outcome.passing or self._options.keep_unreadable):
                self._stale[source] = outcome.problem
            else:
                self._kept.append(Kept(source, outcome.problem))
        self._tell(1)

    async def flush(self) -> None:
        """Write the queued passages. If the store rejects them, write source by source to find what it accepts."""
        batch, self._waiting = self._waiting, {}
        if not batch:
            return
        try:
            await self._write(batch)
        except (ProviderError, PromptTooLong) as error:
            if len(batch) == 1:
                self._refuse(next(iter(batch)), error)
                return
            for source, outcome in batch.items():
                if self.stopped:
                    return
                try:
                    await self._write({source: outcome})
                except (ProviderError, PromptTooLong) as alone:
                    self._refuse(source, alone)

    async def _write(self, batch: Mapping[str, _Outcome]) -> None:
        documents = [document for outcome in batch.values() for document in outcome.documents]
        notices: list[Notice] = []
        made: dict[str, dict[str, Vectors]] = {}
        for prepared in (outcome.prepared for outcome in batch.values() if outcome.prepared is not None):
            if prepared.vectors is not None:
                texts = (document.text for document in prepared.documents)
                made.setdefault(prepared.embedding, {}).update(zip(texts, prepared.vectors, strict=True))
                notices += prepared.notices
        self._embedded = 0
        report = self._reporter(len(documents))
        context = msgspec.structs.replace(self._context, notices=notices, progress=report)
        with already(made):
            self._passages += await self._store.index(self._collection, documents, context)
        self._refused = 0
        reasons = {notice.text: notice.reason for notice in notices}
        for source, outcome in batch.items():
            if cut := [reasons[document.text] for document in outcome.documents if document.text in reasons]:
                self._shortened.append(Shortened(source, len(cut), cut[0]))
            if outcome.warnings:
                self._warned.append(Warned(source, outcome.warnings))
            (self._updated if source in self._known else self._added).append(source)
        self._tell(len(batch))

    def _reporter(self, waiting: int) -> Callable[[int], None]:
        def report(passages: int) -> None:
            self._embedded = min(self._embedded + passages, waiting)
            self._progress(Progress(self._done, self._total, self._passages, self._embedded, waiting))

        return report

    def _refuse(self, source: str, error: ProviderError | PromptTooLong) -> None:
        if isinstance(error, PromptTooLong):  # concerns this file alone; the store may accept the next one
            reason = f"a passage exceeds the embedding model's context; set a smaller ingest.chunk_size. ({error})"
            self._failed.append(Failed(source, reason))
        else:
            self._failed.append(Failed(source, str(error)))
            self._refused += 1
        if self._refused >= PATIENCE:
            self._waiting.clear()
            self.stopped = f"{PATIENCE} files in a row failed; the last error: {error}"
        self._tell(1)

    def _tell(self, files: int) -> None:
        self._done += files
        self._progress(Progress(self._done, self._total, self._passages))

    async def clear(self, inputs: Sequence[Input], folders: Sequence[Path]) -> None:
        """Remove the earlier passages of files that are gone, empty or unreadable, and remember who gave the others."""
        origins = self._options.origins
        roots = {str(folder) for folder in folders}
        if roots and origins is not None:
            given = await asyncio.to_thread(origins.given_by, self._collection, roots)
            self._find_gone(given, [item for item in inputs if isinstance(item, LocalFile)])
        removed, failed = await remove_passages(self._store, self._collection, self._stale, self._context)
        self._removed += removed
        self._failed += failed
        if origins is not None:
            there = {*self._added, *self._updated, *self._unchanged}
            claims = {item.source: str(getattr(item, "within", None) or "") for item in inputs if item.source in there}
            local = [item for item in inputs if isinstance(item, LocalFile) and not item.temporary]
            files = {item.source: item for item in local if item.source in there}
            await asyncio.to_thread(origins.claim, self._collection, claims, files)

    def _find_gone(self, given: set[str], files: Sequence[LocalFile]) -> None:
        """Mark for pruning, or else name, what the folders gave and do not hold now. Pruning names the rest, too."""
        prune = self._options.prune
        unlisted = [file.source for file in files if file.unlisted]
        absent = sorted(source for source in self._known if source not in self._seen and (prune or source in given))
        if not files:
            self._kept += [
                Kept(source, "the folder is empty; if that is right, drop the collection") for source in absent
            ]
            return
        for source in absent:
            if any(folder == "." or source.startswith(f"{folder}/") for folder in unlisted):
                self._kept.append(Kept(source, "its folder cannot be read"))
            elif source in given and prune:
                self._stale[source] = "is no longer in the folder"
            elif source in given:
                self._kept.append(Kept(source, "is no longer in the folder; --prune removes it"))
            else:
                self._kept.append(Kept(source, "this folder did not give it"))


def digest_of(source: str, content: bytes, settings: Ingest, plugins: FilePlugins) -> str:
    """Return what changes when a file would give other passages. Raises UnreadableError if no reader takes it."""
    encoding = filter(None, [settings.encoding])
    return fingerprint(source, content, settings.chunk_size, settings.chunk_overlap, *encoding, plugins=plugins)


async def remove_passages(
    store: Store, collection: str, stale: Mapping[str, str], context: CallContext
) -> tuple[list[Removed], list[Failed]]:
    """Remove the passages of sources, each with the reason. Return the sources removed, and those that still answer."""
    removed: list[Removed] = []
    failed: list[Failed] = []
    sources = list(stale)
    for start in range(0, len(sources), FORGET_SIZE):
        some = sources[start : start + FORGET_SIZE]
        try:
            await store.forget(collection, some, context)
        except ProviderError as error:
            failed += [Failed(one, f"its earlier passages still answer: {error}") for one in some]
        else:
            removed += [Removed(one, stale[one]) for one in some]
    return removed, failed


_UNCLEAR = "was written in part, so that nobody knows who may read it; name its readers"
_TWICE = "has the same name as another file of this run; ingest the folder above both"
