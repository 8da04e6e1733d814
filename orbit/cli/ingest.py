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

    from orbit.documents import Options, Progress, Summary
    from orbit.host.host import OrbitHost

SHOWN = 10
"""Files to name for the same reason; JSON lists all."""


@click.command()
@click.argument("paths", nargs=-1, required=True, metavar="PATH...", type=click.Path(exists=True, path_type=Path))
@click.option("--collection", required=True, metavar="NAME", help="Collection to add to; created if it does not exist.")
@click.option("--prune", is_flag=True, help="Remove what these folders gave before and do not hold any more.")
@click.option(
    "--keep-unreadable",
    is_flag=True,
    help="Keep the earlier passages of files that cannot be read now. Without it, they are removed.",
)
@config_option
@json_option
def ingest(
    paths: tuple[Path, ...],
    collection: str,
    config_path: str | None,
    *,
    prune: bool,
    keep_unreadable: bool,
    as_json: bool,
) -> None:
    """Add files and folders to a collection.

    Reads documents, tables, slides, books, mails, web pages, data and source code. Skips unchanged files, replaces
    changed ones, and names those that it cannot read. What a file gave before it became empty or unreadable is removed.

    Exits with 1 if it could read no file, or the store refused one.
    """
    import msgspec
    from rich.console import Console

    from orbit.admin.names import check_name
    from orbit.documents import Options, Origins
    from orbit.host.host import OrbitHost
    from orbit.sanitize import printable_json

    check_name(collection)
    if prune and not any(path.is_dir() for path in paths):
        raise click.UsageError("--prune needs a folder: a single file does not show what is gone.")
    host = OrbitHost.from_file(config_path, needed=("index", "embed"))
    keep = keep_unreadable or host.config.host.ingest.keep_unreadable
    options = Options(keep, prune, Origins(host.data_dir / "ingested.db"), host.file_plugins)
    console = Console(stderr=True)
    summary = asyncio.run(_ingest(host, collection, paths, options, None if as_json else console))
    if as_json:
        click.echo(printable_json(msgspec.json.encode(summary).decode()))
    else:
        _print(summary, console)
    if summary.failed or summary.stopped or not summary.usable:
        sys.exit(1)


async def _ingest(
    host: OrbitHost, collection: str, paths: Sequence[Path], options: Options, console: Console | None
) -> Summary:
    from orbit.documents import ingest_paths
    from orbit.types import CallContext

    context = CallContext(request_id="orbit-ingest", client_name="orbit ingest", collection=collection)
    settings = host.config.host.ingest
    async with host:
        if console is None:
            return await ingest_paths(host, collection, paths, settings, context, None, options)
        with _progress_bar(console) as report:
            return await ingest_paths(host, collection, paths, settings, context, report, options)


@contextmanager
def _progress_bar(console: Console) -> Iterator[Callable[[Progress], None]]:
    """Show a bar that counts files and passages, until the context ends."""
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn
    from rich.progress import Progress as Bar

    columns = (
        TextColumn("Reading files"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[passages]} passages{task.fields[embedded]}"),
        TimeElapsedColumn(),
    )
    with Bar(*columns, console=console, transient=True) as bar:
        task = bar.add_task("", total=None, passages=0, embedded="")

        def report(progress: Progress) -> None:
            embedded = f", {progress.embedded} of {progress.waiting} embedded" if progress.waiting else ""
            done, passages = progress.done, progress.passages
            bar.update(task, total=progress.total, completed=done, passages=passages, embedded=embedded)

        yield report


def _print(summary: Summary, console: Console) -> None:
    """Print counts on standard output, and what needs attention on standard error."""
    from orbit.cli.shared.printing import print_table
    from orbit.documents import Skipped
    from orbit.sanitize import printable

    counts = {
        "added": summary.added,
        "updated": summary.updated,
        "unchanged": summary.unchanged,
        "skipped": summary.skipped,
        "failed": summary.failed,
        "removed": summary.removed,
    }
    click.echo(f"Collection {printable(summary.collection)}: {summary.passages} passages written.")
    print_table(["files", "count"], [[name, str(len(files))] for name, files in counts.items()], empty="")
    warned = [Skipped(file.source, warning) for file in summary.warnings for warning in file.warnings]
    for name, files in (
        ("Skipped", summary.skipped),
        ("Failed", summary.failed),
        ("Removed its earlier passages", summary.removed),
        ("Still answers", summary.kept),
        ("Warning", warned),
    ):
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
