"""``orbit collections``: the collections of all stores."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import TYPE_CHECKING, TypeAlias, TypeVar

import click

from orbit.cli.shared.options import config_option, json_option
from orbit.cli.shared.printing import counting, print_json
from orbit.cli.shared.target import EXIT_CODES, Target, target_options

if TYPE_CHECKING:
    from orbit.admin.collections import Collections, CopyProgress, StoredDocument
    from orbit.admin.remote_collections import RemoteCollections
    from orbit.host.host import OrbitHost

    AnyCollections: TypeAlias = Collections | RemoteCollections

T = TypeVar("T")

_PAGE = 1000
"""Documents to ask of a server at once."""


@click.group(epilog=EXIT_CODES)
def collections() -> None:
    """List, change and delete collections.

    With --url, commands work through a running server. Without it, they open the stores of the configuration; an
    embedded Chroma may be in use by a server meanwhile.
    """


@collections.command("list")
@target_options
def list_collections(target: Target) -> None:
    """List the collections of all stores and the embedding of their vectors."""
    found = _run(target, lambda stored: stored.every())
    unknown = "unknown: see orbit collections adopt"
    rows = [
        [one.name, str(one.passages), one.embedding or unknown, str(one.dimension or "-"), str(one.keys)]
        for one in found
    ]
    columns = ["collection", "passages", "embedding", "dimension", "keys"]
    target.show_all(found, columns, rows, empty="There are no collections.")


@collections.command()
@click.argument("name")
@target_options
def show(target: Target, name: str) -> None:
    """Show one collection in full."""
    found = _run(target, lambda stored: stored.show(name))
    target.show(found)


@collections.command()
@click.argument("name")
@click.option("--contains", default="", metavar="TEXT", help="Only documents with this text in their names.")
@target_options
def documents(target: Target, name: str, contains: str) -> None:
    """List the documents of a collection, by the names that other commands take."""
    listed = _run(target, lambda stored: _every_document(stored, name, contains))
    rows = [[one.source, "" if one.complete else "interrupted: ingest it again"] for one in listed]
    target.show_all(listed, ["document", "state"], rows, empty="There are no such documents.")


async def _every_document(stored: AnyCollections, name: str, contains: str) -> list[StoredDocument]:
    await stored.show(name)  # an unknown collection is an error
    listed: list[StoredDocument] = []
    while page := (await stored.documents(name, contains, listed[-1].source if listed else "", _PAGE)).documents:
        listed += page
    return listed


@collections.command()
@click.argument("name")
@click.argument("documents", nargs=-1, required=True, metavar="DOCUMENT...")
@target_options
def remove(target: Target, name: str, documents: tuple[str, ...]) -> None:
    """Remove documents from a collection. Their names: orbit collections documents NAME."""
    gone = _run(target, lambda stored: stored.remove(name, documents))
    target.show({"removed": gone}, f"{gone} of {len(documents)} documents removed from {name}.")


@collections.command()
@click.argument("name")
@click.option("--yes", is_flag=True, help="Do not ask.")
@target_options
def drop(target: Target, name: str, *, yes: bool) -> None:
    """Delete a collection with all its documents."""

    async def work(stored: AnyCollections) -> None:
        if not yes:
            found = await stored.show(name)  # an unknown collection is an error
            holds = f"{found.documents:,} documents; API keys that name it: {found.keys}"
            click.confirm(f"Delete the collection {name} ({holds})?", abort=True, err=True)
        await stored.drop(name)

    _run(target, work)
    target.show({"dropped": name}, f"Collection {name} is deleted.")


@collections.command()
@click.argument("name")
@click.argument("new_name")
@target_options
def rename(target: Target, name: str, new_name: str) -> None:
    """Rename a collection. API keys that name it follow."""
    moved = _run(target, lambda stored: stored.rename(name, new_name))
    sentence = f"Collection {name} is now {new_name}; {moved.keys} API keys follow."
    if moved.default:
        sentence += f"\nThe configuration still names {name} as the default collection: change it there."
    target.show(moved, sentence)


@collections.command()
@click.argument("name")
@click.argument("new_name")
@target_options
def copy(target: Target, name: str, new_name: str) -> None:
    """Copy a collection. The copy appears when it is complete.

    If the embedding model that made its vectors is not enabled, the texts are embedded again with the one in use. If
    the command is interrupted, run it again: it continues where it stopped.
    """
    with _progress_bar(target, "Copying") as tell:
        moved = _run(target, lambda stored: stored.copy(name, new_name, tell))
    target.show(moved, f"Collection {new_name} holds {moved.passages} passages of {name}.")


@collections.command("re-embed")
@click.argument("name")
@click.option("--embedding", metavar="PROVIDER", help="Enabled provider to embed with, instead of the one in use.")
@target_options
def re_embed(target: Target, name: str, embedding: str | None) -> None:
    """Give a collection vectors of another embedding model.

    Running servers answer from the earlier vectors until the new ones are complete; and those without the new model go
    on with the earlier ones. If the command is interrupted, run it again: it continues where it stopped.
    """
    if embedding and target.url:
        raise click.UsageError("--embedding changes nothing in a running server; set general.embedding_provider there.")
    with _progress_bar(target, "Embedding") as tell:
        moved = _run(target, lambda stored: stored.re_embed(name, tell), embedding)
    if not moved.previous:
        target.show(moved, f"Collection {name} has vectors of {moved.embedding} already.")
        return
    target.show(
        moved,
        f"Collection {name} has vectors of {moved.embedding} now: {moved.passages} passages.\n"
        f"Servers without this model answer from {moved.previous}. Once all have it, delete the earlier vectors: "
        f"orbit collections drop {moved.previous}",
    )


@collections.command()
@click.argument("name")
@config_option
@json_option
def complete(name: str, config_path: str | None, *, as_json: bool) -> None:
    """Write what one store of a collection holds into the stores that lack it.

    For a store that you have added, such as `lexical:` beside `chroma:`, without the files. If the command is
    interrupted, run it again: it continues where it stopped. Exits with 1 if documents are left that no store holds
    whole; ingest their files again.
    """
    from orbit.admin.collections import Collections
    from orbit.database import open_database
    from orbit.host.documents.stores import Completed

    async def work() -> Completed:
        host = _host(config_path)
        async with host, open_database(host.config) as database:
            with counting("Completing") as progress:
                return await Collections(host, database).complete(name, progress)

    done = asyncio.run(work())
    if as_json:
        print_json(done)
    else:
        click.echo(f"Collection {name}: {len(done.written)} documents written into the stores that lacked them.")
    if done.left:
        click.echo(f"No store holds these whole; ingest them again: {', '.join(done.left)}", err=True)
        sys.exit(1)


@collections.command()
@click.argument("name")
@click.option("--embedding", metavar="PROVIDER/MODEL", help="Fail unless this embedding is in use.")
@config_option
@json_option
def adopt(name: str, embedding: str | None, config_path: str | None, *, as_json: bool) -> None:
    """Adopt a collection that another program made, such as LangChain or an earlier ORBIT.

    Embeds a sample of its texts again. If the vectors match the embedding in use, the collection records that
    embedding, and keys may name it. Nothing else changes.
    """
    from orbit.errors import OrbitError
    from orbit.types import CallContext, Collection

    async def work() -> Collection:
        async with _host(config_path) as host:
            if embedding and embedding != host.embedding:
                raise OrbitError(
                    f"the embedding in use is {host.embedding}, not {embedding}. "
                    "Enable that provider, or name it with general.embedding_provider."
                )
            return await host.adopt(name, CallContext("orbit-collections", collection=name))

    adopted = asyncio.run(work())
    if as_json:
        print_json(adopted)
    else:
        click.echo(
            f"Collection {adopted.name} is adopted: {adopted.documents} passages, "
            f"vectors of {adopted.embedding} ({adopted.dimension} dimensions)."
        )


def _run(target: Target, work: Callable[[AnyCollections], Awaitable[T]], embedding: str | None = None) -> T:
    """Run ``work`` on the collections of a server or of the configuration; ``embedding`` overrides its embedder."""

    @asynccontextmanager
    async def opened() -> AsyncIterator[AnyCollections]:
        if target.url:
            from orbit.admin.remote_collections import RemoteCollections

            async with RemoteCollections(target.url, target.token()) as remote:
                yield remote
            return
        from orbit.admin.collections import Collections
        from orbit.database import open_database

        host = _host(target.config_path, embedding)
        async with host, open_database(host.config) as database:
            yield Collections(host, database)

    return target.run(opened, work)


def _host(config_path: str | None, embedding: str | None = None) -> OrbitHost:
    """Return the stores and the embedder of a configuration, or another embedder if one is named.

    Skips the stores' readiness check, which fails while the default collection waits to be adopted.
    """
    import msgspec

    from orbit.config.load import read_config
    from orbit.host.host import OrbitHost

    config, problems = read_config(config_path)
    if embedding:
        general = msgspec.structs.replace(config.host.general, embedding_provider=embedding)
        config = msgspec.structs.replace(config, host=msgspec.structs.replace(config.host, general=general))
    return OrbitHost(config, problems, needed=("index", "embed"), ready=False)


@contextmanager
def _progress_bar(target: Target, doing: str) -> Iterator[Callable[[CopyProgress], None]]:
    """Show a bar that counts passages, until the context ends."""
    if target.as_json:
        yield lambda _: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn, TimeRemainingColumn
    from rich.progress import Progress as Bar

    columns = (TextColumn(doing), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), TimeRemainingColumn())
    with Bar(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("", total=None)
        yield lambda progress: bar.update(task, total=progress.total, completed=progress.passages)
