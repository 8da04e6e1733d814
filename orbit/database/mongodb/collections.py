"""The collections of the MongoDB database, and what all their operations share."""

from __future__ import annotations

import contextlib
import logging
import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, cast

from beanie import UpdateResponse, init_beanie
from pymongo.errors import DuplicateKeyError, OperationFailure, PyMongoError, ServerSelectionTimeoutError
from typing_extensions import override

from orbit.config.model import Mongodb
from orbit.database.base import Database
from orbit.database.mongodb.connection import database_name, make_client, shown_address
from orbit.database.mongodb.documents import (
    ApiKeyDocument,
    D,
    MonthUseDocument,
    PromptVersionDocument,
    RequestCountDocument,
    SystemPromptDocument,
    TurnDocument,
    bound_to,
    object_id,
)
from orbit.errors import DatabaseUnavailable

ATTEMPTS = 50
"""Attempts at a change when other processes change the same document."""

_OF_SYSTEM = re.compile(r"\[Errno (-?\d+)\] (.*?)(?: \(|, Timeout:|$)")
"""The system's error in a message of the driver, which keeps no other trace of it."""

logger = logging.getLogger("orbit.database")


class MongoCollections(Database):
    """The collections of a MongoDB database, through Beanie."""

    def __init__(self, settings: Mongodb, signal_file: Path) -> None:
        super().__init__(signal_file)
        self._settings = settings
        self._where = shown_address(settings)

    @override
    async def _enter(self, stack: contextlib.AsyncExitStack) -> None:
        # At DEBUG, the driver would log every command with its values, the keys that are looked for included.
        logging.getLogger("pymongo").setLevel(logging.INFO)
        self._signal.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        stack.enter_context(self._signal)
        client = make_client(self._settings)
        stack.push_async_callback(client.close)
        settings = self._settings
        keys, prompts = settings.apikey_collection, settings.prompts_collection
        self._keys = bound_to(keys, ApiKeyDocument)
        self._counts = bound_to(f"{keys}_requests", RequestCountDocument)
        self._uses = bound_to(f"{keys}_use", MonthUseDocument)
        self._turns = bound_to(f"{keys}_sessions", TurnDocument)
        self._prompts = bound_to(prompts, SystemPromptDocument)
        self._versions = bound_to(f"{prompts}_versions", PromptVersionDocument)
        self._database = client[database_name(settings)]
        models = [self._keys, self._prompts, self._versions, self._counts, self._uses, self._turns]
        with self._as_unavailable():
            self._warn_of(await client.admin.command("buildInfo"))
            # Beanie cannot drop or skip an index that does not fit the records, so ORBIT makes its own.
            await init_beanie(database=self._database, document_models=models, skip_indexes=True)
            await self._make_indexes()

    def _warn_of(self, build: Mapping[str, Any]) -> None:
        """Say what a server does not keep that only speaks MongoDB's wire."""
        if (version := str(build.get("ferretdbVersion", ""))).startswith("v1."):
            logger.warning(
                "MongoDB at %s is FerretDB %s: it may lose one of two changes of a record at the same moment, and"
                " cannot count requests for all processes, so each limits keys for itself. Use MongoDB for several.",
                self._where,
                version,
            )

    @override
    async def ping(self) -> None:
        with self._as_unavailable():
            await self._database.command("ping")

    async def _make_indexes(self) -> None:
        """Create the indexes, and drop the one of earlier versions that needs every key in clear."""
        keys = self._keys.get_pymongo_collection()
        for name, index in (await keys.index_information()).items():
            plain = not index.get("sparse") and not index.get("partialFilterExpression")
            if list(index["key"]) == [("api_key", 1)] and index.get("unique") and plain:
                with contextlib.suppress(OperationFailure):  # another process was quicker
                    await keys.drop_index(name)
        await self._make_partial_index("digest", "orbit_digest", unique=True)
        await keys.create_index("former.digest", name="orbit_former_digest")
        await self._make_partial_index("api_key", "orbit_clear_key")
        await keys.create_index("system_prompt_id", name="orbit_prompt")
        await self._versions.get_pymongo_collection().create_index("prompt_id", name="orbit_prompt")
        await self._uses.get_pymongo_collection().create_index("key_id", name="orbit_key")
        turns = self._turns.get_pymongo_collection()
        await turns.create_index([("key_id", 1), ("session_id", 1), ("at", 1)], name="orbit_session")
        await turns.create_index("at", name="orbit_time")
        try:
            await self._prompts.get_pymongo_collection().create_index("name", unique=True)
        except OperationFailure as error:
            logger.warning("two system prompts have the same name, so names are not kept unique: %s", error)

    async def _make_partial_index(self, field: str, name: str, *, unique: bool = False) -> None:
        """Index the keys that have a field; servers without partial indexes (FerretDB) get a sparse one."""
        keys = self._keys.get_pymongo_collection()
        # With $exists, equality is known to be within the index; with $type, the server would not use it.
        there = {field: {"$exists": True}}
        try:
            await keys.create_index(field, name=name, unique=unique, partialFilterExpression=there)
        except OperationFailure:
            await keys.create_index(field, name=name, unique=unique, sparse=True)

    @contextlib.contextmanager
    def _as_unavailable(self) -> Iterator[None]:
        try:
            yield
        except (PyMongoError, OSError) as error:
            if reason := _unreachable(error):
                mend = "Start it, or set mongodb.uri, or host and port, to where it runs."
                sentence = f"MongoDB at {self._where} cannot be reached: {reason}. {mend}"
                raise DatabaseUnavailable(sentence) from error
            reason = str(error).partition(", Timeout:")[0]
            raise DatabaseUnavailable(f"MongoDB at {self._where} cannot be used: {reason}") from error

    @contextlib.contextmanager
    def _announced(self) -> Iterator[None]:
        try:
            yield
        finally:  # also when cancelled or failed: the change may have been made
            self.changed()

    def _too_busy(self) -> DatabaseUnavailable:
        return DatabaseUnavailable(f"MongoDB at {self._where}: too many changes of the same record at once; try again.")

    async def _page(self, model: type[D], after: str, limit: int) -> list[D]:
        if after and object_id(after) is None:
            return []
        query = {"_id": {"$gt": object_id(after)}} if after else {}
        with self._as_unavailable():
            return await model.find(query).sort("_id").limit(limit).to_list()

    @staticmethod
    async def _changed(model: type[D], query: dict[str, Any], change: dict[str, Any]) -> D | None:
        """Change the document that a query finds and return it as it is now; None if there is none."""
        with naming_duplicates():
            found = await model.find_one(query).update(change, response_type=UpdateResponse.NEW_DOCUMENT)
        return cast("D | None", found)  # of the response's three types, the one that was asked for


@contextlib.contextmanager
def naming_duplicates() -> Iterator[None]:
    """Raise DuplicateKeyError also for servers (FerretDB) that say it in words only."""
    try:
        yield
    except OperationFailure as error:
        if "UNIQUE constraint failed" not in str(error):
            raise
        raise DuplicateKeyError(str(error), error.code) from error


def id_of(text: str) -> Any:
    """Return the value of ``_id`` for a text; a text that is no id stays, and matches nothing."""
    return object_id(text) or text


def reference_to(text: str) -> dict[str, Any]:
    """Return a condition for a reference to a record, an id or (as other tools write it) a text."""
    return {"$in": [id_of(text), text]}


def _unreachable(error: Exception) -> str:
    """Return why no server can be reached; empty if an error is another one."""
    found = _OF_SYSTEM.search(str(error)) if isinstance(error, ServerSelectionTimeoutError) else None
    if found is None:
        return ""
    number = int(found[1])  # name resolution errors have negative numbers
    return os.strerror(number) if number > 0 else found[2]
