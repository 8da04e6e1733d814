"""``orbit pgvector index``."""

import asyncio

import click

from orbit import ProviderError
from orbit.sanitize import printable
from orbit_pgvector import tables
from orbit_pgvector.database import Database
from orbit_pgvector.settings import PgvectorSettings


def add_commands(group: click.Group, settings: PgvectorSettings) -> None:
    """Add the commands to ``orbit pgvector``, for the database in ``settings``."""

    @group.command()
    @click.argument("collection")
    @click.option(
        "--memory", metavar="SIZE", default="1GB", show_default=True, help="maintenance_work_mem of the build"
    )
    @click.option(
        "--workers", type=click.IntRange(0), default=2, show_default=True, help="further processes of the build"
    )
    def index(collection: str, memory: str, workers: int) -> None:
        """Build the HNSW index of a collection that was loaded with index_from: null.

        Searches go on meanwhile, ingestion into the collection waits.
        """
        try:
            done = asyncio.run(_build(settings, collection, memory, workers))
        except ProviderError as error:
            raise click.ClickException(error.message) from error
        click.echo(printable(done))


async def _build(settings: PgvectorSettings, name: str, memory: str, workers: int) -> str:
    database = Database(settings)
    try:
        async with database.writing() as connection:
            table = await tables.find(connection, name, lock=True)
            if table is None:
                raise ProviderError(f"The collection '{name}' does not exist.", kind="not_found")
            if table.dimension > tables.INDEXABLE:
                raise ProviderError(f"pgvector cannot index more than {tables.INDEXABLE} dimensions.")
            if table.indexed:
                return f"{name} has its index"
            await connection.execute("SELECT set_config('maintenance_work_mem', $1, true)", memory)
            await connection.execute("SELECT set_config('max_parallel_maintenance_workers', $1, true)", str(workers))
            await tables.build_index(connection, table)
            return f"built the index of {name}: {table.passages} passages"
    finally:
        await database.close()
