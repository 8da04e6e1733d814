"""What the commands `keys` and `prompts` share: where they work, how they print, and their exit codes."""

from __future__ import annotations

import functools
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, TypeVar

import click

if TYPE_CHECKING:
    from orbit.admin.service import Administration

T = TypeVar("T")

REFUSED = 1
"""Exit code: the request makes no sense or names what does not exist."""
UNREACHABLE = 3
"""Exit code: the store or the server cannot be reached; trying again may help."""
FORBIDDEN = 4
"""Exit code: the admin token is missing or wrong, or a tested key is not valid."""


def target_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """The options of every verb: where to work and how to print."""
    options = [
        click.option("--config", "config_file", metavar="FILE", help="Configuration whose store is used."),
        click.option("--json", "as_json", is_flag=True, help="Print JSON for scripts."),
    ]
    for option in reversed(options):
        command = option(command)
    return command


@asynccontextmanager
async def administration(config_file: str | None) -> AsyncIterator[Administration]:
    """The store of a configuration, ready to be administered."""
    from orbit.admin.service import Administration
    from orbit.config import load_config
    from orbit.store import open_store

    async with open_store(load_config(config_file)) as store:
        yield Administration(store)


def run(work: Callable[[], Awaitable[T]]) -> T:
    """Do asynchronous work; an error becomes one sentence on standard error and an exit code."""
    import asyncio

    from orbit.errors import OrbitError, StoreUnavailable, Unauthorized

    async def awaited() -> T:
        return await work()

    try:
        return asyncio.run(awaited())
    except OrbitError as error:
        click.echo(f"Error: {error}", err=True)
        code = UNREACHABLE if isinstance(error, StoreUnavailable) else REFUSED
        sys.exit(FORBIDDEN if isinstance(error, Unauthorized) else code)


def print_json(value: Any) -> None:
    """A value as JSON, indented."""
    import msgspec

    click.echo(msgspec.json.format(msgspec.json.encode(value)).decode())


def print_table(columns: Sequence[str], rows: Sequence[Sequence[str]], *, empty: str) -> None:
    """A table for people; every row is on one line when the output is not a terminal."""
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
        table.add_row(*(Text(cell) for cell in row))
    console = Console()
    if not console.is_terminal:
        console = Console(width=10_000)
    console.print(table)


def print_fields(value: Any) -> None:
    """One record, a field on each line."""
    import msgspec

    fields = msgspec.to_builtins(value)
    width = max(len(name) for name in fields)
    for name, content in fields.items():
        shown = moment(content) if name.endswith("_at") and isinstance(content, float) else content
        click.echo(f"{name:<{width}}  {'-' if shown is None or shown == '' else shown}")


def moment(seconds: float | None) -> str:
    """A time for people, in UTC."""
    return "-" if seconds is None else datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M UTC")


def checked(kind: type[T], **values: Any) -> T:
    """Options as a request, checked as the HTTP API checks it."""
    import msgspec

    try:
        return msgspec.convert(values, kind)
    except msgspec.ValidationError as error:
        raise click.UsageError(str(error)) from error


async def every(list_page: Callable[[str], Awaitable[list[T]]]) -> list[T]:
    """All records of a paged listing."""
    records: list[T] = []
    after = ""
    while page := await list_page(after):
        records.extend(page)
        after = page[-1].id  # type: ignore[attr-defined]  # every record has an id
    return records


def key_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """A key, named as an argument or with ``--key``; the command receives it as ``reference``."""

    @click.argument("key_or_id", required=False)
    @click.option("--key", "key_option", metavar="KEY", help="The key or its id (`orbit keys list` shows ids).")
    @functools.wraps(command)
    def wrapped(key_or_id: str | None, key_option: str | None, **values: Any) -> Any:
        given = [value for value in (key_or_id, key_option) if value]
        if len(given) != 1:
            raise click.UsageError("Name one key: its id, or the key itself.")
        return command(reference=given[0], **values)

    return wrapped
