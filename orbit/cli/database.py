"""``orbit database``: the database of keys, prompts and conversations as a whole."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from orbit.config import Config
    from orbit.database.transfer import Copied


_FILE = click.Path(exists=True, dir_okay=False)


@click.group()
def database() -> None:
    """Copy keys, prompts and conversations to another database."""


@database.command("copy")
@click.option(
    "--from", "source", required=True, type=_FILE, metavar="FILE", help="Configuration of the database to read."
)
@click.option(
    "--to", "target", required=True, type=_FILE, metavar="FILE", help="Configuration of the database to write."
)
def copy(source: str, target: str) -> None:
    """Copy all keys, prompts with versions, conversations, quotas and budgets, from SQLite to MongoDB or back.

    Every record is read back and compared. Run the command again after an interruption, or once more after the server
    stopped, to copy what changed meanwhile. It deletes nothing in the target.
    """
    import asyncio

    from orbit.config import load_config
    from orbit.database import open_database
    from orbit.database.transfer import copy_records
    from orbit.errors import ConfigError

    configs = [load_config(path) for path in (source, target)]
    if _place(configs[0]) == _place(configs[1]):
        raise ConfigError(f"{source} and {target} use the same database; --from and --to must name two.")

    if not configs[0].host.mongodb.enabled and not configs[0].sqlite_path.exists():
        file = configs[0].sqlite_path.absolute()
        raise ConfigError(
            f"{source} has no database yet: there is no {file}. A relative general.data_dir starts at the folder where "
            "the command runs."
        )

    def progress(copied: Copied) -> None:
        if sys.stderr.isatty():
            click.echo(f"\r{copied.keys} keys, {copied.turns} turns ...", nl=False, err=True)

    async def work(old: Config, new: Config) -> Copied:
        async with open_database(old) as one, open_database(new) as other:
            return await copy_records(one, other, progress)

    copied = asyncio.run(work(*configs))
    if sys.stderr.isatty():
        click.echo("\r", nl=False, err=True)
    click.echo(
        f"Copied and verified: {copied.keys} keys, {copied.prompts} prompts in {copied.versions} versions, "
        f"{copied.conversations} conversations with {copied.turns} turns, {copied.quotas} quotas, "
        f"{copied.budgets} budgets."
    )


def _place(config: Config) -> object:
    """Return what tells two databases apart."""
    mongodb = config.host.mongodb
    if mongodb.enabled:
        return (mongodb.uri, mongodb.host, mongodb.port, mongodb.database, mongodb.apikey_collection)
    return config.sqlite_path.absolute()
