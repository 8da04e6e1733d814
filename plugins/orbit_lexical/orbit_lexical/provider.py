"""The provider: ORBIT's hooks on a folder of full-text indexes."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Self, TypeVar

import msgspec

import orbit
from orbit.stores import NoCollection, refuse_equal_ids
from orbit_lexical import shelf
from orbit_lexical.backup import MARK
from orbit_lexical.settings import LexicalSettings

T = TypeVar("T")

THREADS = 4
SOURCES = 500
"""Sources that a copy holds in memory at once."""
_BUSY_SECONDS = 0.02
"""The pause before the next attempt to write, while another process writes."""


class LexicalProvider(orbit.Provider):
    """Stores passages in full-text indexes and finds them by their words."""

    Settings = LexicalSettings
    settings: LexicalSettings

    def __init__(self, name: str, settings: msgspec.Struct, host: orbit.Host) -> None:
        """Store the arguments; indexes open when they are used."""
        super().__init__(name, settings, host)
        self._threads: ThreadPoolExecutor | None = None
        self._shelves: dict[str, shelf.Shelf] = {}
        self._sources: dict[str, tuple[tuple[int, ...], Mapping[str, str]]] = {}
        self._writing = asyncio.Lock()

    async def __aenter__(self) -> Self:
        """Make the folder, and the threads for blocking calls."""
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise orbit.ConfigError(f"path: the folder {self._folder} cannot be made: {error.strerror}") from error
        with suppress(OSError):  # a folder that is only searched may be read-only
            (self._folder / MARK).touch()
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix=self.name)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Finish running calls."""
        threads, self._threads = self._threads, None
        if threads is not None:
            await asyncio.to_thread(threads.shutdown, wait=True, cancel_futures=True)
        self._shelves.clear()

    async def health(self) -> orbit.Health:
        """Check that the folder exists."""
        if self._folder.is_dir():
            return orbit.Health()
        return orbit.Health("down", f"the folder {self._folder} does not exist")

    def validate(self) -> Iterable[str]:
        """Yield values that cannot be intended."""
        there = next(path for path in (self._folder, *self._folder.absolute().parents) if path.exists())
        if not there.is_dir():
            yield f"path: {self._folder} cannot be a folder, because {there} is not one"

    def backed_up(self) -> Iterable[Path]:
        """Return the folder of the indexes. Several servers may use it."""
        return [self._folder]

    def filters(self) -> bool:
        """Return True: an index keeps readers, and is searched by them and by metadata."""
        return True

    def default_collection(self) -> str:
        """Return the collection for keys without one."""
        return self.settings.collection

    def calibration(self, hook: str) -> orbit.Calibration | None:
        """Return the scale of the share of a question's terms that a passage has."""
        return orbit.Calibration(0.0, 1.0) if hook == "retrieve" else None

    @orbit.hookimpl
    async def retrieve(self, query: orbit.Query, limit: int) -> Sequence[orbit.Document]:
        """Search the key's collection, or the default one, for the question's words."""
        name = query.collection or self.settings.collection
        if not name:
            return []

        def work() -> list[orbit.Document]:
            found = self._open(name)
            if found is None:
                raise NoCollection(name)
            return found.search(query, limit)

        return await self._in_thread(work)

    @orbit.hookimpl
    async def index(self, collection: str, documents: Sequence[orbit.Document]) -> int:
        """Write all documents of some sources in place of their earlier ones, in one transaction."""
        refuse_equal_ids(documents)
        if not documents:
            return 0

        def work() -> None:
            while True:
                shelf.make(self._folder, collection)
                try:
                    shelf.replace(self._folder_of(collection), documents)
                except FileNotFoundError:  # another process dropped the collection in between
                    continue
                return

        await self._write(work)
        return len(documents)

    @orbit.hookimpl
    async def drop(self, collection: str) -> bool:
        """Delete a collection's index."""
        return await self._write(lambda: shelf.destroy(self._folder_of(collection)))

    @orbit.hookimpl
    async def forget(self, collection: str, sources: Sequence[str]) -> int:
        """Delete the documents of some sources."""

        def work() -> int:
            found = shelf.sources_among(self._read_sources(collection), sources)
            if found:
                shelf.remove(self._folder_of(collection), found)
            return len(found)

        return await self._write(work)

    @orbit.hookimpl
    async def copy(self, collection: str, target: str) -> int:
        """Copy an index, in place of what ``target`` holds."""

        def work() -> int:
            original = self._open(collection)
            if original is None:
                return 0
            sources = list(original.sources())
            shelf.destroy(self._folder_of(target))
            shelf.make(self._folder, target)
            for start in range(0, len(sources), SOURCES):
                shelf.replace(self._folder_of(target), original.documents(sources[start : start + SOURCES]))
            return original.count()

        return await self._write(work)

    @orbit.hookimpl
    async def rename(self, collection: str, new_name: str) -> bool:
        """Rename an index."""

        def work() -> bool:
            if shelf.stamp_of(self._folder_of(collection)) is None:
                return False
            if shelf.stamp_of(self._folder_of(new_name)) is not None:
                raise orbit.ProviderError(f"The collection '{new_name}' exists.", kind="rejected")
            return shelf.rename(self._folder, collection, new_name)

        return await self._write(work)

    @orbit.hookimpl
    async def list_sources(self, collection: str) -> Mapping[str, str]:
        """Return the digest of each source."""
        return await self._in_thread(lambda: self._read_sources(collection))

    @orbit.hookimpl
    async def list_passages(self, collection: str, sources: Sequence[str]) -> Sequence[orbit.Document]:
        """Return the documents of some sources, as they were written."""

        def work() -> list[orbit.Document]:
            opened = self._open(collection)
            return [] if opened is None else opened.documents(list(dict.fromkeys(sources)))

        return await self._in_thread(work)

    @orbit.hookimpl
    async def list_collections(self) -> Sequence[orbit.Collection]:
        """Return all collections in the folder."""

        def work() -> list[orbit.Collection]:
            opened = [(name, self._open(name)) for name, _ in shelf.names(self._folder)]
            return sorted(
                (orbit.Collection(name, found.count()) for name, found in opened if found is not None),
                key=lambda collection: collection.name,
            )

        return await self._in_thread(work)

    @property
    def _folder(self) -> Path:
        return self.host.data_dir / Path(self.settings.path).expanduser()

    def _folder_of(self, collection: str) -> Path:
        return shelf.folder_of(self._folder, collection)

    def _open(self, collection: str) -> shelf.Shelf | None:
        """Return the index as it is now; None if there is none. Another process may have written it."""
        folder = self._folder_of(collection)
        stamp = shelf.stamp_of(folder)
        kept = self._shelves.get(collection)
        if kept is not None and kept.stamp == stamp:
            return kept
        self._shelves.pop(collection, None)
        opened = shelf.open_shelf(folder)
        if opened is not None:
            self._shelves[collection] = opened
        return opened

    def _read_sources(self, collection: str) -> Mapping[str, str]:
        opened = self._open(collection)
        if opened is None:
            return {}
        known = self._sources.get(collection)
        if known is None or known[0] != opened.stamp:
            known = self._sources[collection] = (opened.stamp, opened.sources())
        return known[1]

    async def _write(self, work: Callable[[], T]) -> T:
        """Run ``work``, again and again while another process writes."""
        async with self._writing:
            while True:
                try:
                    return await self._in_thread(work)
                except shelf.Busy:
                    await asyncio.sleep(_BUSY_SECONDS)

    async def _in_thread(self, work: Callable[[], T]) -> T:
        if self._threads is None:
            raise orbit.ProviderError("its indexes are not open", kind="unavailable")
        try:
            return await asyncio.get_running_loop().run_in_executor(self._threads, work)
        except OSError as error:
            raise orbit.ProviderError(f"its folder {self._folder} cannot be used: {error}") from error
        except ValueError as error:  # tantivy's only error
            raise orbit.ProviderError(f"an index in {self._folder} cannot be used: {error}") from error
