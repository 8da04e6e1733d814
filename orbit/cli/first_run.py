"""The first start of the embedded default: documents to ask about, and a key to ask with."""

from __future__ import annotations

import asyncio
import shutil
import sys
from importlib.resources import files
from pathlib import Path

import click

from orbit.config import Config
from orbit.host.host import OrbitHost

COLLECTION = "orbit-docs"


def is_first_run(config: Config) -> bool:
    """Return whether this is the embedded default, without a database yet."""
    from orbit.config.load import EMBEDDED

    return config.source == EMBEDDED and not config.sqlite_path.exists()


def prepare(config: Config, address: str) -> None:
    """Ingest ORBIT's own documentation, make an API key, and say how to ask. Raises OrbitError."""
    click.echo(
        f"First run: making {config.data_dir.absolute()}/ and reading ORBIT's own documentation into '{COLLECTION}' ..."
    )
    asyncio.run(_ingest(config))
    key = asyncio.run(_first_key(config))
    click.echo(
        f"\n  ORBIT will answer at {address}"
        f"\n  Your API key, shown only now: {key}"
        f"\n\n  Ask it something at {address}/ in a browser, or from another terminal:\n"
        f"\n    curl {address}/chat -H 'X-API-Key: {key}' \\"
        f'\n      -d \'{{"message": "What does ORBIT do?", "stream": false}}\'\n'
        f"\n  Add documents of your own:  {_command()} ingest FOLDER --collection {COLLECTION}"
        f"\n  or, while the server runs, at {address}/admin/ with {_token(config)}\n"
    )


def _token(config: Config) -> str:
    """Return where the operator finds the admin token: in the environment, or in the file that the server will make."""
    from orbit.auth.admin_token import VARIABLE, read_token, token_file

    return VARIABLE if read_token(config) else f"the token in {token_file(config)}"


def _command() -> str:
    """Return how to type ``orbit`` here: by its path if it is not on ``PATH``."""
    used = Path(sys.argv[0])
    if shutil.which("orbit") or used.name != "orbit":
        return "orbit"
    return str(used.relative_to(Path.cwd()) if used.is_relative_to(Path.cwd()) else used)


def documentation() -> list[Path]:
    """Return ORBIT's own pages: those of the installed distribution, or of the source tree."""
    package = Path(str(files("orbit")))
    packed = package / "docs"
    if packed.is_dir():
        return [packed]
    tree = package.parent
    return [path for path in (tree / "README.md", tree / "docs") if path.exists()]


async def _ingest(config: Config) -> None:
    from orbit.documents import ingest_paths
    from orbit.types import CallContext

    async with OrbitHost(config, needed=("index", "embed")) as host:
        context = CallContext(request_id="first-run", collection=COLLECTION)
        summary = await ingest_paths(host, COLLECTION, documentation(), config.host.ingest, context)
    click.echo(f"Read {len(summary.added)} pages, {summary.passages} passages.")


async def _first_key(config: Config) -> str:
    from orbit.auth.keys import new_key
    from orbit.database import open_database

    secret, record = new_key("first key", COLLECTION)
    async with open_database(config) as database:
        await database.create_key(record)
    return secret
