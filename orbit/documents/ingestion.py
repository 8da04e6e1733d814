"""Updates a collection from files, and reports the outcome for each file."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from contextlib import aclosing
from pathlib import Path
from typing import Protocol

import msgspec

from orbit.config.model import Ingest
from orbit.documents.files import find_files
from orbit.documents.in_order import in_order
from orbit.documents.readers import fingerprint
from orbit.documents.reading import Reading
from orbit.documents.sections import UnreadableError
from orbit.errors import PromptTooLong, ProviderError
from orbit.types import CallContext, Document, Notice

PATIENCE = 3
"""Sources in a row that the store may reject before ingestion stops: the fault is then not in the sources."""


class Store(Protocol):
    """The interface that ingestion needs of a store. ``OrbitHost`` implements it."""

    async def index(self, collection: str, documents: Sequence[Document], context: CallContext) -> int:
        """Replace all passages of the documents' sources."""
        ...

    async def list_sources(self, collection: str, context: CallContext) -> Mapping[str, str]:
        """Return the sources in a collection, each with its digest."""
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


class Skipped(msgspec.Struct, frozen=True):
    """A file without usable text. ``reason`` continues a sentence that begins with the file's name."""

    source: str
    reason: str


class Failed(msgspec.Struct, frozen=True):
    """A file whose passages the store or the embedding model rejected."""

    source: str
    reason: str


class Shortened(msgspec.Struct, frozen=True):
    """A stored file with passages too long for the embedding model, which read them cut or in parts."""

    source: str
    passages: int
    """The number of such passages."""
    reason: str
    """What happened to the first of them."""


class Summary(msgspec.Struct, frozen=True):
    """The outcome for every file. ``stopped`` says why the rest was not tried; empty if all were."""

    collection: str
    added: tuple[str, ...] = ()
    updated: tuple[str, ...] = ()
    unchanged: tuple[str, ...] = ()
    skipped: tuple[Skipped, ...] = ()
    failed: tuple[Failed, ...] = ()
    passages: int = 0
    stopped: str = ""
    shortened: tuple[Shortened, ...] = ()

    @property
    def usable(self) -> int:
        """The number of files that are in the collection now."""
        return len(self.added) + len(self.updated) + len(self.unchanged)


class Progress(msgspec.Struct, frozen=True):
    """Progress: files done out of all, and passages written."""

    done: int
    total: int
    passages: int


async def ingest_paths(
    store: Store,
    collection: str,
    paths: Sequence[Path],
    settings: Ingest,
    context: CallContext,
    progress: Callable[[Progress], None] | None = None,
) -> Summary:
    """Ingest files and folders. Raises OrbitError for a path that does not exist."""
    files = await asyncio.to_thread(find_files, paths)
    return await ingest(store, collection, files, settings, context, progress)


async def ingest(
    store: Store,
    collection: str,
    inputs: Sequence[Input],
    settings: Ingest,
    context: CallContext,
    progress: Callable[[Progress], None] | None = None,
) -> Summary:
    """Read changed files, split them and write them, in batches that never divide a file.

    An unreadable file is skipped and one that the store rejects fails, each with the reason. The others continue.
    Raises ProviderError if the collection cannot be used at all.
    """
    known = await store.list_sources(collection, context)
    async with Reading(settings) as reading:
        run = _Run(store, collection, settings, context, known, progress or (lambda _: None), len(inputs))
        outcomes = in_order(lambda item: run.read(item, reading), inputs, reading.width)
        async with aclosing(outcomes):
            async for item, outcome in outcomes:
                await run.take(item, outcome)
                if run.stopped:
                    break
        await run.flush()
    return run.summary()


class _Run:
    """The state of one ingestion."""

    def __init__(
        self,
        store: Store,
        collection: str,
        settings: Ingest,
        context: CallContext,
        known: Mapping[str, str],
        progress: Callable[[Progress], None],
        total: int,
    ) -> None:
        self._store = store
        self._collection = collection
        self._settings = settings
        self._context = context
        self._known = known
        self._progress = progress
        self._total = total
        self._seen: set[str] = set()
        self._waiting: dict[str, list[Document]] = {}
        self._done = 0
        self._passages = 0
        self._refused = 0
        self._added: list[str] = []
        self._updated: list[str] = []
        self._unchanged: list[str] = []
        self._skipped: list[Skipped] = []
        self._failed: list[Failed] = []
        self._shortened: list[Shortened] = []
        self.stopped = ""

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
        )

    async def read(self, item: Input, reading: Reading) -> list[Document] | UnreadableError:
        """Return the passages of an input: none if the collection is up to date, an error if it cannot be read."""
        try:
            if item.source in self._seen:
                raise UnreadableError("has the same name as another file of this run; ingest the folder above both")
            self._seen.add(item.source)
            content, digest = await asyncio.to_thread(self._load, item)
            if self._known.get(item.source) == digest:
                return []
            return list((await reading.read(item.source, content, digest)).documents)
        except UnreadableError as error:
            return error

    async def take(self, item: Input, outcome: list[Document] | UnreadableError) -> None:
        """Queue an input's passages for writing."""
        if isinstance(outcome, UnreadableError):
            self._skipped.append(Skipped(item.source, str(outcome)))
            self._tell(1)
            return
        if not outcome:
            self._unchanged.append(item.source)
            self._tell(1)
            return
        waiting = sum(map(len, self._waiting.values()))
        if waiting and waiting + len(outcome) > self._settings.batch_size:
            await self.flush()
        if not self.stopped:
            self._waiting[item.source] = outcome

    def _load(self, item: Input) -> tuple[bytes, str]:
        """Return an input's content and its digest."""
        settings = self._settings
        content = item.load(settings.max_file_bytes)
        return content, fingerprint(item.source, content, settings.chunk_size, settings.chunk_overlap)

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
            for source, documents in batch.items():
                if self.stopped:
                    return
                try:
                    await self._write({source: documents})
                except (ProviderError, PromptTooLong) as alone:
                    self._refuse(source, alone)

    async def _write(self, batch: Mapping[str, Sequence[Document]]) -> None:
        documents = [document for documents in batch.values() for document in documents]
        notices: list[Notice] = []
        context = msgspec.structs.replace(self._context, notices=notices)
        self._passages += await self._store.index(self._collection, documents, context)
        self._refused = 0
        reasons = {notice.text: notice.reason for notice in notices}
        for source, own in batch.items():
            if cut := [reasons[document.text] for document in own if document.text in reasons]:
                self._shortened.append(Shortened(source, len(cut), cut[0]))
        for source in batch:
            (self._updated if source in self._known else self._added).append(source)
        self._tell(len(batch))

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
