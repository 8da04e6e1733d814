"""A check for API keys whose collections no provider can search."""

from __future__ import annotations

import asyncio

from orbit.config import Config
from orbit.database import Database, open_database
from orbit.errors import OrbitError, Problem
from orbit.host.host import OrbitHost


async def unsearched(host: OrbitHost, database: Database) -> str:
    """Say how many keys name a collection although no provider retrieves; empty if there are none."""
    if host.registry.implementing("retrieve"):
        return ""
    count = sum([1 async for key in database.all_keys() if key.collection_name])
    if not count:
        return ""
    keys = "1 API key names a collection" if count == 1 else f"{count} API keys name a collection"
    consequence = "their questions are refused" if count > 1 else "its questions are refused"
    if host.config.host.retrieval.on_error == "answer_without":
        consequence = "questions are answered without documents"
    return f"{keys}, but no enabled provider retrieves: {consequence}. Enable one, for example with 'chroma:'."


def unsearched_problems(host: OrbitHost) -> list[Problem]:
    """Return the same as a problem, for keys in an existing SQLite file only: it opens no connection."""
    config: Config = host.config
    if config.host.mongodb.enabled or not config.sqlite_path.is_file():
        return []

    async def look() -> str:
        async with open_database(config) as database:
            return await unsearched(host, database)

    try:
        sentence = asyncio.run(look())
    except OrbitError as error:
        return [Problem("sqlite.path", str(error))]
    return [Problem("", sentence)] if sentence else []
