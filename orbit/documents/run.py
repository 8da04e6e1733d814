"""Bring a collection up to date with some files, and say what was done with each."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Protocol

import msgspec

from orbit.config.model import Ingest
from orbit.documents.files import find_files
from orbit.documents.readers import fingerprint, read
from orbit.documents.sections import UnreadableError
from orbit.documents.split import passages
from orbit.errors import PromptTooLong, ProviderError
from orbit.types import CallContext, Document

PATIENCE = 3
"""After so many sources in a row that the store refuses, the fault is not in the sources: stop trying."""


class Store(Protocol):
    """What ingestion needs of a store; ``OrbitHost`` is one."""

    async def index(self, collection: str, documents: Sequence[Document], context: CallContext) -> int:
        """Replace all passages of the documents' sources."""
        ...

    async def list_sources(self, collection: str, context: CallContext) -> Mapping[str, str]:
        """The sources in a collection, each with its digest."""
        ...


class Input(Protocol):
    """Something to ingest: a local file, or what was uploaded."""

    @property
    def source(self) -> str:
        """The name it is stored under; its ending tells how to read it."""
        ...

    def load(self, limit: int) -> bytes:
        """The content, in a thread. Raises UnreadableError, also for more than ``limit`` bytes."""
        ...


class Skipped(msgspec.Struct, frozen=True):
    """A file that gave no text. ``reason`` continues the sentence that its name begins."""

    source: str
    reason: str


class Failed(msgspec.Struct, frozen=True):
    """A file whose passages the store, or the embedding model, did not take."""

    source: str
    reason: str


class Summary(msgspec.Struct, frozen=True):
    """What became of every file. ``stopped`` says why the rest was not tried; empty if all were."""

    collection: str
    added: tuple[str, ...] = ()
    updated: tuple[str, ...] = ()
    unchanged: tuple[str, ...] = ()
    skipped: tuple[Skipped, ...] = ()
    failed: tuple[Failed, ...] = ()
    passages: int = 0
    stopped: str = ""

    @property
    def usable(self) -> int:
        """Files that are in the collection now."""
        return len(self.added) + len(self.updated) + len(self.unchanged)


class Progress(msgspec.Struct, frozen=True):
    """How far it is: files done of all, and passages written."""

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
    """Read what has changed, split it and write it, in batches that never divide a file.

    A file that cannot be read is skipped and one that the store refuses has failed, each with the reason, and the
    others go on. Raises ProviderError if the collection cannot be used at all.
    """
    known = await store.list_sources(collection, context)
    run = _Run(store, collection, settings, context, known, progress or (lambda _: None), len(inputs))
    for item in inputs:
        await run.take(item)
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
        self.stopped = ""

    def summary(self) -> Summary:
        """What was done so far."""
        return Summary(
            self._collection,
            tuple(self._added),
            tuple(self._updated),
            tuple(self._unchanged),
            tuple(self._skipped),
            tuple(self._failed),
            self._passages,
            self.stopped,
        )

    async def take(self, item: Input) -> None:
        """Read one input, if it is new or has changed, and put its passages with those to be written."""
        try:
            if item.source in self._seen:
                raise UnreadableError("has the name of another file of this run; ingest the folder above both")
            self._seen.add(item.source)
            documents = await asyncio.to_thread(self._read, item)
        except UnreadableError as error:
            self._skipped.append(Skipped(item.source, str(error)))
            self._tell(1)
            return
        if not documents:
            self._unchanged.append(item.source)
            self._tell(1)
            return
        waiting = sum(map(len, self._waiting.values()))
        if waiting and waiting + len(documents) > self._settings.batch_size:
            await self.flush()
        if not self.stopped:
            self._waiting[item.source] = documents

    def _read(self, item: Input) -> list[Document]:
        """The passages of an input; none if the collection has them already."""
        settings = self._settings
        content = item.load(settings.max_file_bytes)
        digest = fingerprint(item.source, content, settings.chunk_size, settings.chunk_overlap)
        if self._known.get(item.source) == digest:
            return []
        return passages(item.source, read(item.source, content), digest, settings)

    async def flush(self) -> None:
        """Write what is waiting; if the store refuses, one source at a time, to find which it takes."""
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
        self._passages += await self._store.index(self._collection, documents, self._context)
        self._refused = 0
        for source in batch:
            (self._updated if source in self._known else self._added).append(source)
        self._tell(len(batch))

    def _refuse(self, source: str, error: ProviderError | PromptTooLong) -> None:
        if isinstance(error, PromptTooLong):  # says something about this file alone; the next may well be taken
            reason = f"a passage is longer than the embedding model reads; set a smaller ingest.chunk_size. ({error})"
            self._failed.append(Failed(source, reason))
        else:
            self._failed.append(Failed(source, str(error)))
            self._refused += 1
        if self._refused >= PATIENCE:
            self._waiting.clear()
            self.stopped = f"{PATIENCE} files in a row were refused; the last time: {error}"
        self._tell(1)

    def _tell(self, files: int) -> None:
        self._done += files
        self._progress(Progress(self._done, self._total, self._passages))
