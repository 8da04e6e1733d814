"""Engines read, split and embed files elsewhere, such as on a cluster; ingestion writes what they return.

An engine is a class behind an entry point of the group ``orbit.engines``. ``orbit ingest --engine NAME`` makes an
object of it, enters it, and calls ``read`` for each file that has changed. Wherever the engine works, a ``Worker`` does
what the host would do there.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AsyncExitStack
from types import TracebackType
from typing import TYPE_CHECKING, Any, Protocol, Self

import msgspec
from importlib_metadata import entry_points

from orbit.config.model import Config
from orbit.documents.reading.pool import Reading
from orbit.documents.sections import UnreadableError
from orbit.errors import OrbitError, PromptTooLong, ProviderError
from orbit.host.documents.file_plugins import FilePlugins
from orbit.types import CallContext, Document, Notice

if TYPE_CHECKING:
    from orbit.host.host import OrbitHost
    from orbit.types import Vectors

__all__ = ["Engine", "Job", "Prepared", "Worker"]

GROUP = "orbit.engines"
FIRST_PARTY = {"ray": "orbit-ray"}


class Prepared(msgspec.Struct, frozen=True):
    """What became of one file."""

    documents: tuple[Document, ...] = ()
    """Its passages, in order."""
    warnings: tuple[str, ...] = ()
    """What of it could not be read."""
    unreadable: str = ""
    """Why it has no passages: continues a sentence that begins with its name."""
    passing: bool = False
    """Whether that reason lies in the machine and not in the file."""
    embedding: str = ""
    """The model of ``vectors``, as ``provider/model``."""
    vectors: Vectors | None = None
    """float32 of shape ``(len(documents), dimension)``; None if the host has to embed them."""
    notices: tuple[Notice, ...] = ()
    """The passages that the model shortened."""


class Engine(Protocol):
    """A place where files are read, split and embedded. Made with a ``Job``, an address and a number of workers.

    The address is the text of ``--address``, empty without one; the number is 0 if the engine is to choose it. Entering
    it (``async with``) connects; leaving it gives up the work in progress.
    """

    @property
    def width(self) -> int:
        """Files in work at the same time."""
        ...

    async def read(self, source: str, content: bytes, digest: str) -> Prepared:
        """Return what became of a file, whose passages all have ``digest``.

        Raise ProviderError if the engine cannot go on: it ends the ingestion, and the next one continues it.
        """
        ...

    async def __aenter__(self) -> Self: ...

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None: ...


class Job(msgspec.Struct, frozen=True):
    """What a worker needs to know of the host. It can be pickled, and holds the secrets of the configuration."""

    config: Config
    plugins: FilePlugins
    embedding: str
    """The model to embed with, as ``provider/model``; empty for none."""


async def job_of(host: OrbitHost, collection: str, context: CallContext) -> Job:
    """Return the job of a running host that fills ``collection``. Raises ProviderError."""
    held = {one.name: one.embedding for one in await host.list_collections(context)}
    embedding = held.get(collection, "")
    return Job(host.config, host.file_plugins, embedding if host.embeds(embedding) else host.embedding)


def engine(name: str) -> Callable[[Job, str, int], Engine]:
    """Return the class of an installed engine. Raises OrbitError if there is none of this name."""
    found = {entry.name: entry for entry in entry_points(group=GROUP)}
    if name in found:
        made: Callable[[Job, str, int], Engine] = found[name].load()
        return made
    if name in FIRST_PARTY:
        raise OrbitError(f"The engine '{name}' is not installed. Install it: pip install {FIRST_PARTY[name]}.")
    raise OrbitError(f"No engine is named '{name}'. Installed engines: {', '.join(sorted(found)) or 'none'}.")


class Worker:
    """Does a host's work on files: enter it (``async with``) where they are to be read.

    The same plugins must be installed there, and the files that the configuration names must have the same paths.
    ``readers`` is the number of files that it reads at the same time.
    """

    def __init__(self, job: Job, readers: int) -> None:
        self._job = job
        self._readers = readers
        self._stack = AsyncExitStack()
        self._host: OrbitHost | None = None
        self._reading: Reading

    async def __aenter__(self) -> Self:
        """Start the provider that embeds. Raises ConfigError or ProviderError."""
        ingest = self._job.config.host.ingest
        async with AsyncExitStack() as stack:
            if self._job.embedding:
                from orbit.host.host import OrbitHost  # noqa: PLC0415  # reading processes need no host

                made = OrbitHost(self._job.config, needed=("embed",))
                self._host = await stack.enter_async_context(made)
            reading = Reading(msgspec.structs.replace(ingest, readers=self._readers), self._job.plugins)
            self._reading = await stack.enter_async_context(reading)
            self._stack = stack.pop_all()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self._stack.aclose()

    async def read(self, source: str, content: bytes, digest: str) -> Prepared:
        """Read, split and embed a file. What cannot be embedded here has no vectors: the host then says why."""
        try:
            read = await self._reading.read(source, content, digest)
        except UnreadableError as error:
            return Prepared(unreadable=str(error), passing=error.passing)
        prepared = Prepared(read.documents, read.warnings)
        if self._host is None or not read.documents:
            return prepared
        notices: list[Notice] = []
        context = CallContext("ingestion", notices=notices)
        texts, embedding = [document.text for document in read.documents], self._job.embedding
        try:
            vectors: Any = await self._host.embed(texts, "document", context, embedding)
        except (ProviderError, PromptTooLong):
            return prepared
        return msgspec.structs.replace(prepared, embedding=embedding, vectors=vectors, notices=tuple(notices))
