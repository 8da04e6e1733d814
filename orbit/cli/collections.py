"""``orbit collections``: the collections of all stores, and the adoption of other programs' collections."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, TypeVar

import click

from orbit.cli.shared.options import config_option, json_option
from orbit.cli.shared.printing import print_json, print_table

if TYPE_CHECKING:
    from orbit.host.host import OrbitHost

T = TypeVar("T")


@click.group()
def collections() -> None:
    """List collections and adopt those of other programs."""


@collections.command("list")
@config_option
@json_option
def list_collections(config_path: str | None, *, as_json: bool) -> None:
    """List the collections of all stores and the embedding of their vectors."""
    from orbit.types import CallContext

    found = _on_host(config_path, lambda host: host.list_collections(CallContext("orbit-collections")))
    if as_json:
        print_json(found)
        return
    rows = [
        [
            one.name,
            str(one.documents),
            one.embedding or "unknown: see orbit collections adopt",
            str(one.dimension or "-"),
        ]
        for one in found
    ]
    print_table(["collection", "passages", "embedding", "dimension"], rows, empty="There are no collections.")


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

    async def work(host: OrbitHost) -> Collection:
        if embedding and embedding != host.embedding:
            raise OrbitError(
                f"the embedding in use is {host.embedding}, not {embedding}. "
                "Enable that provider, or name it with general.embedding_provider."
            )
        return await host.adopt(name, CallContext("orbit-collections", collection=name))

    adopted = _on_host(config_path, work)
    if as_json:
        print_json(adopted)
    else:
        click.echo(
            f"Collection {adopted.name} is adopted: {adopted.documents} passages, "
            f"vectors of {adopted.embedding} ({adopted.dimension} dimensions)."
        )


def _on_host(config_path: str | None, work: Callable[[OrbitHost], Awaitable[T]]) -> T:
    """Start the store and the embedder of a configuration, and run ``work`` on them.

    Skips the store's readiness check, which fails while the default collection waits to be adopted.
    """
    from orbit.host.host import OrbitHost

    async def run() -> T:
        async with OrbitHost.from_file(config_path, needed=("index", "embed"), ready=False) as host:
            return await work(host)

    return asyncio.run(run())
