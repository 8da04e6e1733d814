"""``orbit backup``: everything that a server needs to begin again, in one file."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from orbit.cli.shared.options import config_option

if TYPE_CHECKING:
    from orbit.config import Config
    from orbit.host.host import OrbitHost


@click.command()
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path))
@config_option
def backup(file: Path, config_path: str | None) -> None:
    """Write the configuration, .env, data folder, database and embedded stores to FILE, a .tar.gz.

    The server may run meanwhile. FILE holds secrets and only its owner can read it. Keys, prompts and conversations in
    MongoDB are part of it; servers of documents, chat logs and model files are not.
    """
    import tempfile
    import time
    from importlib.metadata import version

    from orbit.cli.shared.archive import FORM, Manifest, write_archive
    from orbit.config import find_config
    from orbit.host.host import OrbitHost

    host = OrbitHost.from_file(config_path, needed=())
    host.raise_problems()
    config, source = host.config, find_config(config_path)
    roots = {name: path for name, path in places(host).items() if path.exists()}
    if source is not None:
        roots["config.yaml"] = source
        if (source.parent / ".env").is_file():
            roots["env"] = source.parent / ".env"
    with tempfile.TemporaryDirectory() as folder:
        mongodb = config.host.mongodb.enabled
        if mongodb:
            roots["mongodb.db"] = Path(folder) / "mongodb.db"
            copy_mongodb(config, roots["mongodb.db"], restore=False)
        there = {name: str(path.absolute()) for name, path in roots.items()}
        manifest = Manifest(FORM, version("orbit-inference"), time.time(), there, mongodb)
        logs = [host.chat_log.parent] if host.chat_log is not None else []
        count = write_archive(file, manifest, roots, logs)
    click.echo(f"Wrote {count} files to {file}. It holds secrets: keep it where only you can read it.")


def places(host: OrbitHost) -> dict[str, Path]:
    """Return the folders and files of a configuration's data by their names in an archive."""
    config = host.config
    found = {"data": config.data_dir}
    if not config.host.mongodb.enabled and not _within(config.sqlite_path, config.data_dir):
        found["orbit.db"] = config.sqlite_path
    for name in host.registry.names():
        for number, folder in enumerate(host.registry[name].backed_up()):
            if not _within(folder, config.data_dir):
                found[f"store-{name}-{number}"] = folder
    return found


def copy_mongodb(config: Config, file: Path, *, restore: bool) -> None:
    """Copy the records of MongoDB to a SQLite file, or back."""
    import asyncio

    from orbit.database import open_database
    from orbit.database.sqlite import SqliteDatabase
    from orbit.database.transfer import copy_records

    async def work() -> None:
        async with open_database(config) as server, SqliteDatabase(file) as copy:
            source, target = (copy, server) if restore else (server, copy)
            await copy_records(source, target, lambda _: None)

    asyncio.run(work())


def _within(path: Path, folder: Path) -> bool:
    return path.absolute().resolve().is_relative_to(folder.absolute().resolve())
