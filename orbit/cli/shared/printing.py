"""Printing of records: JSON for programs, tables and fields for people."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

import click

from orbit.sanitize import printable, printable_json


def print_json(value: Any) -> None:
    """Print a value as indented JSON."""
    import msgspec

    click.echo(printable_json(msgspec.json.format(msgspec.json.encode(value)).decode()))


def print_json_line(value: Any) -> None:
    """Print a value as JSON on one line."""
    import msgspec

    click.echo(printable_json(msgspec.json.encode(value).decode()))


@contextmanager
def counting(doing: str, total: int | None = None) -> Iterator[Callable[..., None]]:
    """Show a bar on standard error until the context ends. It gets the number done and, if not known before, of all."""
    from rich.console import Console
    from rich.progress import Progress

    with Progress(console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(doing, total=total)

        def show(done: int, of: int | None = None) -> None:
            bar.update(task, completed=done, total=of)  # None leaves the total as it is

        yield show


def print_table(columns: Sequence[str], rows: Sequence[Sequence[str]], *, empty: str) -> None:
    """Print a table; every row is on one line when the output is not a terminal."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    if not rows:
        click.echo(empty)
        return
    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in columns:
        table.add_column(column, overflow="fold")
    for row in rows:
        table.add_row(*(Text(printable(cell)) for cell in row))
    console = Console()
    if not console.is_terminal:
        console = Console(width=10_000)
    console.print(table)


def print_fields(value: Any) -> None:
    """Print one record, a field on each line."""
    import msgspec

    fields = msgspec.to_builtins(value)
    width = max(len(name) for name in fields)
    for name, content in fields.items():
        shown = moment(content) if name.endswith("_at") and isinstance(content, float) else content
        if isinstance(shown, list | tuple):
            shown = ", ".join(map(str, shown))
        text = "-" if shown is None or shown == "" else printable(str(shown), keep="\n")
        click.echo(f"{name:<{width}}  {text.replace(chr(10), chr(10) + ' ' * (width + 2))}")


def moment(seconds: float | None) -> str:
    """Return a time for people, in UTC."""
    return "-" if seconds is None else datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M UTC")
