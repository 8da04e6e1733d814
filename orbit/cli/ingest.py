"""``orbit ingest``: the ingestion of files and folders."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

from orbit.cli.shared.options import config_option, json_option

if TYPE_CHECKING:
    from rich.console import Console

    from orbit.documents import Progress, Summary
    from orbit.host.host import OrbitHost

SHOWN = 10
"""Files to name for the same reason; JSON lists all."""


@click.command()
@click.argument("paths", nargs=-1, required=True, metavar="PATH...", type=click.Path(exists=True, path_type=Path))
@click.option("--collection", required=True, metavar="NAME", help="Collection to add to; created if it does not exist.")
@config_option
@json_option
def ingest(paths: tuple[Path, ...], collection: str, config_path: str | None, *, as_json: bool) -> None:
    """Add files and folders to a collection.

    Reads Markdown, text, HTML, PDF and JSON lists of questions and answers. Skips unchanged files, replaces changed
    ones, and names those that it cannot read.

    Exits with 1 if it could read no file, or the store refused one.
    """
    import msgspec
    from rich.console import Console

    from orbit.host.host import OrbitHost
    from orbit.sanitize import printable_json

    host = OrbitHost.from_file(config_path, needed=("index", "embed"))
    console = Console(stderr=True)
    summary = asyncio.run(_ingest(host, collection, paths, None if as_json else console))
    if as_json:
        click.echo(printable_json(msgspec.json.encode(summary).decode()))
    else:
        _print(summary, console)
    if summary.failed or summary.stopped or not summary.usable:
        sys.exit(1)


async def _ingest(host: OrbitHost, collection: str, paths: Sequence[Path], console: Console | None) -> Summary:
    from orbit.documents import ingest_paths
    from orbit.types import CallContext

    context = CallContext(request_id="orbit-ingest", client_name="orbit ingest", collection=collection)
    settings = host.config.host.ingest
    async with host:
        if console is None:
            return await ingest_paths(host, collection, paths, settings, context)
        with _progress_bar(console) as report:
            return await ingest_paths(host, collection, paths, settings, context, report)


@contextmanager
def _progress_bar(console: Console) -> Iterator[Callable[[Progress], None]]:
    """Show a bar that counts files, until the context ends."""
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn
    from rich.progress import Progress as Bar

    columns = (
        TextColumn("Reading files"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[passages]} passages"),
        TimeElapsedColumn(),
    )
    with Bar(*columns, console=console, transient=True) as bar:
        task = bar.add_task("", total=None, passages=0)

        def report(progress: Progress) -> None:
            bar.update(task, total=progress.total, completed=progress.done, passages=progress.passages)

        yield report


def _print(summary: Summary, console: Console) -> None:
    """Print counts on standard output, and what needs attention on standard error."""
    from orbit.cli.shared.printing import print_table
    from orbit.sanitize import printable

    counts = {
        "added": summary.added,
        "updated": summary.updated,
        "unchanged": summary.unchanged,
        "skipped": summary.skipped,
        "failed": summary.failed,
    }
    click.echo(f"Collection {printable(summary.collection)}: {summary.passages} passages written.")
    print_table(["files", "count"], [[name, str(len(files))] for name, files in counts.items()], empty="")
    for name, files in (("Skipped", summary.skipped), ("Failed", summary.failed)):
        by_reason: dict[str, list[str]] = {}
        for file in files:
            by_reason.setdefault(file.reason, []).append(file.source)
        for reason, sources in by_reason.items():
            more = f" and {len(sources) - SHOWN} more (--json lists all)" if len(sources) > SHOWN else ""
            line = f"{name}: {', '.join(sources[:SHOWN])}{more}: {reason}"
            console.print(printable(line), markup=False, highlight=False, soft_wrap=True)
    for cut in summary.shortened:
        passages = "a passage" if cut.passages == 1 else f"{cut.passages} passages, the first"
        line = f"Shortened: {cut.source}: {passages}: {cut.reason}; set a smaller ingest.chunk_size"
        console.print(printable(line), markup=False, highlight=False, soft_wrap=True)
    if summary.stopped:
        console.print(f"Stopped: {summary.stopped}", markup=False, highlight=False, soft_wrap=True)
    elif not summary.usable:
        console.print("No file could be added.", highlight=False)
