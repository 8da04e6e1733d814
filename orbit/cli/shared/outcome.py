"""The progress and the outcome of an ingestion, on the terminal."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from rich.console import Console

    from orbit.documents import Progress, Summary

SHOWN = 10
"""Files to name for the same reason; JSON lists all."""


@contextmanager
def progress_bar(console: Console) -> Iterator[Callable[[Progress], None]]:
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
            bar.update(task, total=progress.total or None, completed=done, passages=passages, embedded=embedded)

        yield report


def print_summary(summary: Summary, console: Console) -> None:
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
