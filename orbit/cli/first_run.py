"""The first start of the embedded default: documents to ask about, and a key to ask with."""

from __future__ import annotations

import asyncio
import logging
import shutil
import sys
from collections.abc import Sequence
from importlib.resources import files
from pathlib import Path

import click
import msgspec

from orbit.config import Config
from orbit.config.load import EMBEDDED
from orbit.config.model import Ingest
from orbit.documents import LocalFile, Summary, find_files, ingest
from orbit.errors import OrbitError
from orbit.host.host import OrbitHost
from orbit.types import CallContext

COLLECTION = "orbit-docs"

FIRST_PAGES = ("README.md", "faq.md")
"""The pages to read before the server starts. They answer what newcomers ask, and take seconds."""

_BATCH = 64
"""Passages to write at once while the server answers, so that each page counts soon."""

logger = logging.getLogger("orbit")


def is_first_run(config: Config) -> bool:
    """Return whether this is the embedded default, without a database yet."""
    return config.source == EMBEDDED and not config.sqlite_path.exists()


def prepare(config: Config, address: str, *, everything: bool) -> None:
    """Ingest ORBIT's own documentation, make an API key, and say how to ask. Raises OrbitError.

    Unless ``everything``, only the first pages; ``finish`` reads the others.
    """
    click.echo(
        f"First run: making {config.data_dir.absolute()}/ and reading ORBIT's own documentation into '{COLLECTION}' ..."
    )
    asyncio.run(_ingest_first(config, everything=everything))
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


def unfinished(config: Config) -> bool:
    """Return whether pages of ORBIT's own documentation remain to be read, by this start or an earlier one."""
    return config.source == EMBEDDED and _marker(config).exists()


async def finish(host: OrbitHost) -> None:
    """Ingest the remaining pages while the server answers. The next start tries again if this one cannot."""
    settings = msgspec.structs.replace(host.config.host.ingest, batch_size=_BATCH, readers=1)
    try:
        summary = await _ingest(host, documentation(), settings)
    except OrbitError as error:
        logger.warning("cannot read ORBIT's own documentation; the next start tries again: %s", error)
        return
    if summary.failed or summary.stopped:
        reason = summary.stopped or summary.failed[0].reason
        logger.warning("cannot read all of ORBIT's own documentation; the next start tries again: %s", reason)
        return
    _marker(host.config).unlink(missing_ok=True)
    read = len(summary.added) + len(summary.updated) + len(summary.unchanged)
    logger.info("read all %d pages of ORBIT's own documentation into '%s'", read, COLLECTION)


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


def documentation() -> list[LocalFile]:
    """Return ORBIT's own pages: those of the installed distribution, or of the source tree."""
    package = Path(str(files("orbit")))
    packed = package / "docs"
    tree = package.parent
    paths = [packed] if packed.is_dir() else [path for path in (tree / "README.md", tree / "docs") if path.exists()]
    return [page for page in find_files(paths) if page.path.suffix == ".md" and "/" not in page.source]


async def _ingest_first(config: Config, *, everything: bool) -> None:
    pages = [page for page in documentation() if everything or page.source in FIRST_PAGES]
    async with OrbitHost(config, needed=("index", "embed")) as host:
        if not everything:
            _marker(config).touch()
        summary = await _ingest(host, pages, config.host.ingest)
    rest = "" if everything else " The server reads the others while it answers."
    click.echo(f"Read {len(summary.added)} pages, {summary.passages} passages.{rest}")


async def _ingest(host: OrbitHost, pages: Sequence[LocalFile], settings: Ingest) -> Summary:
    context = CallContext(request_id="first-run", collection=COLLECTION)
    return await ingest(host, COLLECTION, pages, settings, context)


async def _first_key(config: Config) -> str:
    from orbit.auth.keys import new_key
    from orbit.database import open_database

    secret, record = new_key("first key", COLLECTION)
    async with open_database(config) as database:
        await database.create_key(record)
    return secret


def _marker(config: Config) -> Path:
    """Return the file that exists until all pages are read."""
    return config.data_dir / "first-run"
