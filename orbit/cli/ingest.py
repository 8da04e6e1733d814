"""``orbit ingest``: the ingestion of files and folders."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from typing import TYPE_CHECKING

import click
import msgspec

from orbit.cli.shared.options import config_option, json_option
from orbit.cli.shared.outcome import print_summary, progress_bar
from orbit.cli.shared.printing import print_json_line

if TYPE_CHECKING:
    from rich.console import Console

    from orbit.documents import Options, Summary
    from orbit.documents.engines import Engine, Job
    from orbit.host.host import OrbitHost


@click.command()
@click.argument("paths", nargs=-1, required=True, metavar="PATH...", type=click.Path(exists=True, path_type=Path))
@click.option("--collection", required=True, metavar="NAME", help="Collection to add to; created if it does not exist.")
@click.option(
    "--metadata",
    multiple=True,
    metavar="KEY=VALUE",
    help="A field for filters of questions, each with --metadata; '' for none. Default: what the files had before.",
)
@click.option(
    "--reader",
    "readers",
    multiple=True,
    metavar="GROUP",
    help="A group that may read the files, each with --reader; '' for everybody. Default: as before.",
)
@click.option("--prune", is_flag=True, help="Remove what these folders gave before and do not hold any more.")
@click.option(
    "--keep-unreadable",
    is_flag=True,
    help="Keep the earlier passages of files that cannot be read now. Without it, they are removed.",
)
@click.option(
    "--engine", metavar="NAME", help="Read, split and embed elsewhere: 'ray' on a cluster (orbit-ray). Default: here."
)
@click.option("--address", default="", metavar="ADDRESS", help="Where the engine's cluster is. Default: it starts one.")
@click.option(
    "--workers", type=click.IntRange(1), help="Workers of the engine. Default: one for each processor of the cluster."
)
@config_option
@json_option
def ingest(
    paths: tuple[Path, ...],
    collection: str,
    config_path: str | None,
    *,
    metadata: tuple[str, ...],
    readers: tuple[str, ...],
    prune: bool,
    keep_unreadable: bool,
    engine: str | None,
    address: str,
    workers: int | None,
    as_json: bool,
) -> None:
    """Add files and folders to a collection.

    Reads documents, tables, slides, books, mails, web pages, data and source code. Skips unchanged files, replaces
    changed ones, and names those that it cannot read. What a file gave before it became empty or unreadable is removed.

    Exits with 1 if it could read no file, or the store refused one.
    """
    from rich.console import Console

    from orbit.admin.names import check_name
    from orbit.documents import Options, Origins
    from orbit.documents.engines import engine as find_engine
    from orbit.documents.file_metadata import metadata_of, readers_of
    from orbit.host.host import OrbitHost

    check_name(collection)
    if prune and not any(path.is_dir() for path in paths):
        raise click.UsageError("--prune needs a folder: a single file does not show what is gone.")
    if not engine and (address or workers):
        raise click.UsageError("--address and --workers need --engine.")
    made = find_engine(engine) if engine else None
    host = OrbitHost.from_file(config_path, needed=("index", "embed"))
    keep = keep_unreadable or host.config.host.ingest.keep_unreadable
    options = Options(
        keep,
        prune,
        Origins.of(host.data_dir),
        host.file_plugins,
        metadata=metadata_of(metadata),
        readers=readers_of(readers),
    )
    console = Console(stderr=True)
    start = None if made is None else lambda job: made(job, address, workers or 0)
    summary = asyncio.run(_ingest(host, collection, paths, options, start, None if as_json else console))
    if as_json:
        print_json_line(summary)
    else:
        print_summary(summary, console)
    if summary.failed or summary.stopped or not summary.usable:
        sys.exit(1)


async def _ingest(
    host: OrbitHost,
    collection: str,
    paths: Sequence[Path],
    options: Options,
    start: Callable[[Job], Engine] | None,
    console: Console | None,
) -> Summary:
    from orbit.documents import ingest_paths
    from orbit.documents.engines import job_of
    from orbit.types import CallContext

    context = CallContext(request_id="orbit-ingest", client_name="orbit ingest", collection=collection)
    settings = host.config.host.ingest
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(host)
        if start is not None:
            made = start(await job_of(host, collection, context))
            options = msgspec.structs.replace(options, engine=await stack.enter_async_context(made))
        report = stack.enter_context(progress_bar(console)) if console is not None else None
        return await ingest_paths(host, collection, paths, settings, context, report, options)
