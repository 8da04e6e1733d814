"""Brings a collection up to date with the files of a connector."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import aclosing
from pathlib import Path
from typing import Self

import msgspec

from orbit.config.model import Ingest
from orbit.documents.fetched import FetchedFiles, Remembered
from orbit.documents.file_metadata import Facts
from orbit.documents.ingestion import Options, Store, digest_of, ingest, remove_passages
from orbit.documents.ledger import NAME
from orbit.documents.origins import Origins
from orbit.documents.sections import UnreadableError
from orbit.documents.summary import Failed, Kept, Progress, Removed, Skipped, Summary
from orbit.errors import ProviderError
from orbit.types import CallContext, Fetched

Fetch = Callable[[Mapping[str, str]], AsyncGenerator[Fetched, None]]
"""Calls ``fetch`` of a connector with the versions that it knows."""


class Memory(msgspec.Struct, frozen=True):
    """What is remembered between runs."""

    fetched: FetchedFiles
    origins: Origins

    @classmethod
    def of(cls, data_dir: Path) -> Self:
        """Return that of a data folder (``general.data_dir``)."""
        return cls(FetchedFiles(data_dir / NAME), Origins.of(data_dir))


class Synced(msgspec.Struct, frozen=True):
    """The outcome of one connector. ``incomplete`` says why its listing ended early; nothing was removed then."""

    connector: str
    summary: Summary
    incomplete: str = ""


async def sync(
    store: Store,
    connector: str,
    collection: str,
    fetch: Fetch,
    settings: Ingest,
    context: CallContext,
    memory: Memory,
    options: Options,
    progress: Callable[[Progress], None] | None = None,
) -> Synced:
    """Ingest the new and changed files of a connector, and remove the passages of those that are gone.

    A source's name is that of the connector, a slash and the file's. If the connector cannot list everything, the files
    that it gave are ingested and nothing is removed. Raises OrbitError if the collection cannot be used at all.
    """
    run = _Sync(store, connector, collection, settings, context, memory, options)
    await run.recall()
    async with aclosing(run.changed(fetch)) as changed:
        own = msgspec.structs.replace(options, prune=False, origins=None)
        summary = await ingest(store, collection, changed, settings, context, progress, own)
    return await run.finish(summary)


class _File(msgspec.Struct, frozen=True):
    """A fetched file, as ingestion takes it."""

    source: str
    content: bytes
    link: str
    facts: Facts

    def load(self, limit: int) -> bytes:
        if len(self.content) > limit:
            raise UnreadableError(f"is larger than {limit:,} bytes (ingest.max_file_bytes)")
        return self.content


class _Sync(msgspec.Struct):
    """The state of one run."""

    _store: Store
    _connector: str
    _collection: str
    _settings: Ingest
    _context: CallContext
    _memory: Memory
    _options: Options
    _before: dict[str, Remembered] = {}
    _held: Mapping[str, str] = {}
    _listed: dict[str, str] = {}
    _unchanged: list[str] = []
    _skipped: list[Skipped] = []
    _kept: list[Kept] = []
    _withdrawn: dict[str, str] = {}
    """Files that must not answer any more, each with the reason."""
    _incomplete: str = ""

    async def recall(self) -> None:
        """Look up what the connector gave before, and what of it the store holds."""
        self._before = await asyncio.to_thread(self._memory.fetched.of, self._connector, self._collection)
        self._held = await self._store.list_sources(self._collection, self._context)

    async def changed(self, fetch: Fetch) -> AsyncGenerator[_File, None]:
        """Yield the files that have to be ingested, and note the others."""
        known = {name: file.version for name, file in self._before.items() if self._is_current(name, file)}
        try:
            async with aclosing(fetch(known)) as files:
                async for file in files:
                    if (item := self._take(file, known)) is not None:
                        yield item
        except ProviderError as error:
            self._incomplete = str(error)

    def _is_current(self, name: str, file: Remembered) -> bool:
        if not file.version or file.recipe != self._recipe(name)[0]:
            return False
        return bool(file.problem) or self._held.get(self._source(name)) == file.digest

    def _take(self, file: Fetched, known: Mapping[str, str]) -> _File | None:
        source = self._source(file.name)
        if file.name in self._listed:
            self._skipped.append(Skipped(source, "was listed twice"))
            return None
        self._listed[file.name] = file.version
        facts = Facts(dict(file.metadata), tuple(file.readers))
        if problem := facts.problem():
            self._withdrawn[source] = f"its metadata or readers cannot be used: {problem}"
            return None
        if file.content is not None and not file.problem:
            return _File(source, file.content, file.link, facts)
        before = self._before.get(file.name)
        held = self._held.get(source, "")
        if held and _differ(Facts.of(held), facts, failed=bool(file.problem)):
            self._withdrawn[source] = "has other readers or metadata than before, but the connector did not fetch it"
            return None
        if not file.problem and before is not None and file.name in known:
            if before.problem:
                self._skipped.append(Skipped(source, before.problem))
            else:
                self._unchanged.append(source)
            return None
        problem = file.problem or "came without content, although no earlier version of it is known"
        self._skipped.append(Skipped(source, problem))
        if source in self._held:
            self._kept.append(Kept(source, problem))
        return None

    async def finish(self, summary: Summary) -> Synced:
        """Remove what is gone, remember the rest, and return the outcome."""
        removed: list[Removed] = []
        failed: list[Failed] = []
        if not (self._incomplete or summary.stopped):
            removed, failed = await self._remove_absent()
        gone = {source: reason for source, reason in self._withdrawn.items() if source in self._held}
        self._skipped += [Skipped(source, reason) for source, reason in self._withdrawn.items()]
        more, failing = await remove_passages(self._store, self._collection, gone, self._context)
        removed, failed = [*removed, *more], [*failed, *failing]
        await self._remember(summary)
        whole = msgspec.structs.replace(
            summary,
            unchanged=(*self._unchanged, *summary.unchanged),
            skipped=(*self._skipped, *summary.skipped),
            failed=(*summary.failed, *failed),
            removed=(*summary.removed, *removed),
            kept=(*self._kept, *summary.kept),
        )
        return Synced(self._connector, whole, self._incomplete)

    async def _remove_absent(self) -> tuple[list[Removed], list[Failed]]:
        """Remove the passages of files that the connector gave before and no longer lists."""
        given = await asyncio.to_thread(self._memory.origins.given_by, self._collection, {self._origin})
        present = {self._source(name) for name in self._listed}
        absent = sorted(source for source in given - present if source in self._held)
        if absent and not present:
            reason = "the connector lists no file; if that is right, drop the collection"
            self._kept += [Kept(source, reason) for source in absent]
            return [], []
        gone = dict.fromkeys(absent, "is no longer there")
        return await remove_passages(self._store, self._collection, gone, self._context)

    async def _remember(self, summary: Summary) -> None:
        """Remember the version of each file that the store holds, or that no reader takes."""
        held = await self._store.list_sources(self._collection, self._context)
        written = {*summary.added, *summary.updated, *summary.unchanged, *self._unchanged}
        files: dict[str, Remembered] = {}
        claims: dict[str, str] = {}
        for name, version in self._listed.items():
            source = self._source(name)
            recipe, problem = self._recipe(name)
            if source in written and source in held:
                files[name] = Remembered(version, recipe, held[source])
                claims[source] = self._origin
            elif problem:
                files[name] = Remembered(version, recipe, "", problem)
        if self._incomplete or summary.stopped:
            files = {name: file for name, file in self._before.items() if name not in self._listed} | files
        await asyncio.to_thread(self._memory.fetched.replace, self._connector, self._collection, files)
        await asyncio.to_thread(self._memory.origins.claim, self._collection, claims)

    def _source(self, name: str) -> str:
        return f"{self._connector}/{name}"

    @property
    def _origin(self) -> str:
        return f"sync:{self._connector}"

    def _recipe(self, name: str) -> tuple[str, str]:
        """Return what changes when the same bytes would give other passages, and why no reader takes the file."""
        try:
            return digest_of(name, b"", self._settings, self._options.plugins), ""
        except UnreadableError as error:
            return str(error), str(error)


def _differ(before: Facts, now: Facts, *, failed: bool) -> bool:
    """Return whether a file that came without content may not answer as before: a failed one may lack its facts."""
    return bool(now.readers) and now.readers != before.readers if failed else now != before
