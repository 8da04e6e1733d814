"""Checks for API keys whose collections or models are gone, and for collections that stores hold differently."""

from __future__ import annotations

import asyncio

from orbit.config import Config
from orbit.database import Database, open_database
from orbit.errors import OrbitError, Problem
from orbit.host.host import OrbitHost
from orbit.types import CallContext

_SHOWN = 5
"""Collections, and keys of each, that a warning names."""


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


async def astray(host: OrbitHost, database: Database) -> str:
    """Name the collections that keys name although no store has them; empty if there are none, or none can be known."""
    stores = host.stores.names
    if not stores or not set(host.registry.implementing("retrieve")) <= set(stores):
        return ""  # a retriever may have collections of its own
    clients: dict[str, list[str]] = {}
    async for key in database.all_keys():
        if key.collection_name and key.active:
            clients.setdefault(key.collection_name, []).append(key.client_name)
    if not clients:
        return ""
    try:
        existing = {one.name for one in await host.list_collections(CallContext("start"))}
    except OrbitError:
        return ""  # health and each question say that the store is down
    missing = {name: names for name, names in clients.items() if name not in existing}
    if not missing:
        return ""
    listed = "; ".join(f"'{name}' (keys of {_some(names)})" for name, names in sorted(missing.items())[:_SHOWN])
    more = f"; and {len(missing) - _SHOWN} more" if len(missing) > _SHOWN else ""
    return (
        f"API keys name collections that do not exist, so their questions fail: {listed}{more}. Ingest documents into "
        "them, or change the keys: orbit keys update KEY --collection NAME."
    )


async def differing(host: OrbitHost) -> str:
    """Name the collections that not every store holds in full; empty if there are none, or none can be known."""
    if len(host.stores.names) < 2:  # noqa: PLR2004  # one store agrees with itself
        return ""
    try:
        names = await host.stores.differing(CallContext("start"))
    except OrbitError:
        return ""  # health and each question say that the store is down
    if not names:
        return ""
    return (
        f"not every store holds all passages of {_some(names)}, so some are found only by words, or only by meaning. "
        f"Complete each: orbit collections complete {names[0]}"
    )


async def missing_models(host: OrbitHost, database: Database) -> str:
    """Name the models that active keys name although they do not exist; empty if there are none."""
    clients: dict[str, list[str]] = {}
    async for key in database.all_keys():
        for name in host.catalogue.missing(key.models) if key.active else ():
            clients.setdefault(name, []).append(key.client_name)
    if not clients:
        return ""
    listed = "; ".join(f"'{name}' (keys of {_some(names)})" for name, names in sorted(clients.items())[:_SHOWN])
    more = f"; and {len(clients) - _SHOWN} more" if len(clients) > _SHOWN else ""
    known = ", ".join(host.catalogue.names()) or "none"
    return (
        f"API keys name models that do not exist, so requests for them are refused: {listed}{more}. Models: {known}. "
        "Change the keys: orbit keys update KEY --model NAME."
    )


def _some(names: list[str]) -> str:
    return ", ".join(names[:_SHOWN]) + (f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else "")


def key_problems(host: OrbitHost) -> list[Problem]:
    """Return the problems of keys in an existing SQLite file. MongoDB is left alone: this opens no connection."""
    config: Config = host.config
    if config.host.mongodb.enabled or not config.sqlite_path.is_file():
        return []

    async def look() -> list[str]:
        async with open_database(config) as database:
            return [await unsearched(host, database), await missing_models(host, database)]

    try:
        sentences = asyncio.run(look())
    except OrbitError as error:
        return [Problem("sqlite.path", str(error))]
    return [Problem("", sentence) for sentence in sentences if sentence]
