"""MongoDB as the store, through Beanie: the collections that earlier ORBIT servers used.

No operation needs a transaction, so a single server is as good as a replica set. What must change together is one
document, changed only if it still is what was read.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import re
import time
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from beanie import init_beanie
from pymongo import AsyncMongoClient
from pymongo.errors import ConfigurationError, DuplicateKeyError, InvalidURI, OperationFailure, PyMongoError
from typing_extensions import override

from orbit.config.model import Mongodb
from orbit.errors import ConfigError, Problem, StoreUnavailable
from orbit.store.base import (
    PAGE,
    RATE_WINDOW,
    ApiKey,
    DuplicateKey,
    DuplicatePrompt,
    FormerSecret,
    KeyChanges,
    PromptChanges,
    PromptInUse,
    Quota,
    SessionTurn,
    Store,
    SystemPrompt,
    UnknownKey,
    UnknownPrompt,
    changed_prompt,
    new_id,
    quota,
    set_fields,
)
from orbit.store.documents import (
    ApiKeyDocument,
    PromptVersionDocument,
    RequestCountDocument,
    SessionTurnDocument,
    SystemPromptDocument,
    bound_to,
    key_fields,
    moment,
    object_id,
    prompt_fields,
    turn_fields,
)
from orbit.store.secrets import digest_of, hint_of
from orbit.store.signal import ChangeSignal

SELECTION_SECONDS = 2.0
"""How long an operation looks for a server before the store counts as away."""
SOCKET_SECONDS = 5.0
ATTEMPTS = 50
"""How often a change is tried again because another process was quicker."""

logger = logging.getLogger("orbit.store")

_LATEST_FIRST = [("at", -1), ("_id", -1)]


class MongoStore(Store):
    """Keys, prompts and conversations in MongoDB.

    Processes on one machine learn of changes at once through a small file.
    """

    def __init__(self, settings: Mongodb, signal_file: Path) -> None:
        super().__init__()
        self._settings = settings
        self._signal_file = signal_file
        self._where = _address(settings)
        self._open = contextlib.AsyncExitStack()
        self._counting: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)

    @override
    async def __aenter__(self) -> Self:
        # At DEBUG, the driver would log every command with its values, the keys that are looked for included.
        logging.getLogger("pymongo").setLevel(logging.INFO)
        async with contextlib.AsyncExitStack() as stack:
            self._signal_file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._signal = stack.enter_context(ChangeSignal(self._signal_file))
            client = self._client()
            stack.push_async_callback(client.close)
            settings = self._settings
            prompts = settings.prompts_collection
            self._keys = bound_to(ApiKeyDocument, settings.apikey_collection)
            self._prompts = bound_to(SystemPromptDocument, prompts)
            self._versions = bound_to(PromptVersionDocument, f"{prompts}_versions")
            self._counts = bound_to(RequestCountDocument, f"{settings.apikey_collection}_requests")
            self._turns = bound_to(SessionTurnDocument, f"{settings.apikey_collection}_sessions")
            models = [self._keys, self._prompts, self._versions, self._counts, self._turns]
            with self._as_unavailable():
                await client.admin.command("ping")
                await init_beanie(database=client[settings.database], document_models=models, skip_indexes=True)
                await self._make_indexes()
            self._open = stack.pop_all()
        return self

    @override
    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self._open.aclose()

    @override
    async def ping(self) -> None:
        with self._as_unavailable():
            await self._keys.get_pymongo_collection().database.command("ping")

    @override
    def generation(self) -> object:
        return self._signal.read()

    @override
    def changed(self) -> None:
        self._signal.send()

    # Keys

    @override
    async def create_key(self, key: ApiKey) -> ApiKey:
        with self._as_unavailable():
            await self._require_prompt(key.system_prompt_id)
            await self._require_new_digest(key.digest)
            try:
                await self._keys.get_pymongo_collection().insert_one(key_fields(key))
            except DuplicateKeyError as error:
                raise DuplicateKey from error
        return await self.get_key(key.id)

    @override
    async def find_by_digest(self, digest: str) -> ApiKey | None:
        present, former = {"digest": {"$eq": digest}}, {"former": {"$elemMatch": {"digest": {"$eq": digest}}}}
        found = await self._find_key({"$or": [present, former]})
        return found.record() if found else None

    @override
    async def upgrade_legacy(self, secret: str, digest: str, hint: str) -> ApiKey | None:
        if not _storable(secret):
            return None
        with self._as_unavailable():
            await self._keys.get_pymongo_collection().update_one(
                {"api_key": {"$eq": secret, "$ne": ""}}, _upgrade(digest, hint)
            )
        # Found also if another request with the same key was quicker.
        found = await self._find_key({"digest": {"$eq": digest}})
        return found.record() if found else None

    @override
    async def migrate(self) -> int:
        collection = self._keys.get_pymongo_collection()
        number = 0
        with self._as_unavailable():
            async for document in collection.find({"api_key": {"$type": "string"}}):
                secret = document["api_key"]
                change = _upgrade(digest_of(secret), hint_of(secret))
                result = await collection.update_one({"_id": document["_id"], "api_key": {"$eq": secret}}, change)
                number += result.modified_count
        return number

    @override
    async def get_key(self, key_id: str) -> ApiKey:
        return (await self._get_key(key_id)).record()

    @override
    async def list_keys(self, *, after: str = "", limit: int = PAGE) -> list[ApiKey]:
        return await self._page(self._keys, after, limit)

    @override
    async def keys_with_prompt(self, prompt_id: str) -> list[ApiKey]:
        with self._as_unavailable():
            found = await self._keys.find({"system_prompt_id": _either(prompt_id)}).sort("_id").to_list()
        return [document.record() for document in found] if object_id(prompt_id) else []

    @override
    async def update_key(self, key_id: str, changes: KeyChanges) -> ApiKey:
        values = set_fields(changes)
        with self._as_unavailable():
            await self._require_prompt(values.get("system_prompt_id"))
            if "system_prompt_id" in values:
                values["system_prompt_id"] = object_id(values["system_prompt_id"])
            if "expires_at" in values:
                values["expires_at"] = moment(values["expires_at"])
            if values:
                with self._announced():
                    await self._keys.get_pymongo_collection().update_one({"_id": _id(key_id)}, {"$set": values})
        return await self.get_key(key_id)

    @override
    async def rotate_key(self, key_id: str, digest: str, hint: str, former_until: float) -> ApiKey:
        collection = self._keys.get_pymongo_collection()
        with self._as_unavailable(), self._announced():
            for _ in range(ATTEMPTS):
                present = (await self._get_key(key_id)).record()
                await self._require_new_digest(digest)
                kept = [secret for secret in present.former if secret.expires_at > time.time()]
                kept.append(FormerSecret(present.digest, present.hint, former_until))
                former = [{"digest": s.digest, "hint": s.hint, "expires_at": moment(s.expires_at)} for s in kept]
                change = {"$set": {"digest": digest, "hint": hint, "former": former}, "$unset": {"api_key": ""}}
                unchanged = {"_id": _id(key_id), "$or": [{"digest": present.digest}, {"api_key": {"$type": "string"}}]}
                try:
                    result = await collection.update_one(unchanged, change)
                except DuplicateKeyError as error:
                    raise DuplicateKey from error
                if result.matched_count:
                    return await self.get_key(key_id)
        raise self._too_busy()

    @override
    async def delete_key(self, key_id: str) -> None:
        with self._as_unavailable(), self._announced():
            result = await self._keys.get_pymongo_collection().delete_one({"_id": _id(key_id)})
            await self._counts.get_pymongo_collection().delete_one({"_id": key_id})
            await self._turns.get_pymongo_collection().delete_many({"key_id": {"$eq": key_id}})
        if not result.deleted_count:
            raise UnknownKey

    @override
    async def count_request(self, key_id: str, limit: int, now: float) -> Quota:
        collection = self._counts.get_pymongo_collection()
        second = int(now)
        # One request of a key at a time in this process, so that only processes have to try again.
        async with self._counting[key_id]:
            for _ in range(ATTEMPTS):
                with self._as_unavailable():
                    document = await self._counts.find_one({"_id": key_id})
                    counts = (
                        {at: number for at, number in document.counts if at >= second - RATE_WINDOW} if document else {}
                    )
                    if sum(counts.values()) >= limit:
                        return quota(limit, sorted(counts.items()), now, allowed=False)
                    counts[second] = counts.get(second, 0) + 1
                    ordered = sorted(counts.items())
                    changed = {"counts": [list(item) for item in ordered]}
                    if document is None:
                        try:
                            await collection.insert_one({"_id": key_id, "revision": 1, **changed})
                        except DuplicateKeyError:
                            continue
                        return quota(limit, ordered, now, allowed=True)
                    unchanged = {"_id": key_id, "revision": document.revision}
                    result = await collection.update_one(
                        unchanged, {"$set": {**changed, "revision": document.revision + 1}}
                    )
                if result.matched_count:
                    return quota(limit, ordered, now, allowed=True)
        raise self._too_busy()

    # Prompts

    @override
    async def create_prompt(self, name: str, prompt: str, version: str = "1.0") -> SystemPrompt:
        now = time.time()
        created = SystemPrompt(new_id(), name, prompt, version, now, now)
        with self._as_unavailable():
            try:
                await self._prompts.get_pymongo_collection().insert_one(
                    {"_id": object_id(created.id), **prompt_fields(created)}
                )
            except DuplicateKeyError as error:
                raise DuplicatePrompt(name) from error
        return await self.get_prompt(created.id)

    @override
    async def get_prompt(self, prompt_id: str) -> SystemPrompt:
        return (await self._find_prompt({"_id": _id(prompt_id)}, prompt_id)).record()

    @override
    async def get_prompt_by_name(self, name: str) -> SystemPrompt:
        return (await self._find_prompt({"name": {"$eq": name}}, name)).record()

    @override
    async def list_prompts(self, *, after: str = "", limit: int = PAGE) -> list[SystemPrompt]:
        return await self._page(self._prompts, after, limit)

    @override
    async def update_prompt(self, prompt_id: str, changes: PromptChanges) -> SystemPrompt:
        collection = self._prompts.get_pymongo_collection()
        with self._as_unavailable(), self._announced():
            for _ in range(ATTEMPTS):
                document = await self._find_prompt({"_id": _id(prompt_id)}, prompt_id)
                present = document.record()
                updated = changed_prompt(present, changes, time.time())
                if updated is present:
                    return present
                await self._keep_version(present)
                unchanged = {"_id": document.id, "revision": document.revision}
                try:
                    result = await collection.update_one(unchanged, {"$set": prompt_fields(updated)})
                except DuplicateKeyError as error:
                    raise DuplicatePrompt(updated.name) from error
                if result.matched_count:
                    return await self.get_prompt(prompt_id)
        raise self._too_busy()

    @override
    async def prompt_versions(self, prompt_id: str) -> list[SystemPrompt]:
        present = await self.get_prompt(prompt_id)
        with self._as_unavailable():
            earlier = await self._versions.find({"prompt_id": _either(prompt_id)}).sort("-revision").to_list()
        return [present, *(item.record() for item in earlier if item.revision < present.revision)]

    @override
    async def delete_prompt(self, prompt_id: str, *, force: bool = False) -> None:
        await self.get_prompt(prompt_id)
        keys = await self.keys_with_prompt(prompt_id)
        if keys and not force:
            raise PromptInUse(keys)
        with self._as_unavailable(), self._announced():
            await self._keys.get_pymongo_collection().update_many(
                {"system_prompt_id": _either(prompt_id)}, {"$set": {"system_prompt_id": None}}
            )
            await self._prompts.get_pymongo_collection().delete_one({"_id": _id(prompt_id)})
            await self._versions.get_pymongo_collection().delete_many({"prompt_id": _either(prompt_id)})

    # Conversations

    @override
    async def add_turn(self, key_id: str, session_id: str, turn: SessionTurn, keep: int) -> None:
        collection = self._turns.get_pymongo_collection()
        session = _session(key_id, session_id)
        with self._as_unavailable():
            added = await collection.insert_one(turn_fields(key_id, session_id, turn))
            # Looked for after the insertion: whoever deletes a key deletes the key first, so that no turn is left over.
            if await self._find_key({"_id": _id(key_id)}) is None:
                await collection.delete_one({"_id": added.inserted_id})
                raise UnknownKey
            surplus = collection.find(session, {"_id": 1}).sort(_LATEST_FIRST).skip(keep)
            if old := [document["_id"] async for document in surplus]:
                await collection.delete_many({"_id": {"$in": old}})

    @override
    async def session_turns(self, key_id: str, session_id: str, since: float) -> list[SessionTurn]:
        query = {**_session(key_id, session_id), "at": {"$gt": since}}
        with self._as_unavailable():
            found = await self._turns.find(query).sort(_LATEST_FIRST).to_list()
        return [document.record() for document in reversed(found)]

    @override
    async def delete_session(self, key_id: str, session_id: str) -> bool:
        with self._as_unavailable():
            result = await self._turns.get_pymongo_collection().delete_many(_session(key_id, session_id))
        return bool(result.deleted_count)

    @override
    async def forget_turns(self, before: float) -> int:
        with self._as_unavailable():
            result = await self._turns.get_pymongo_collection().delete_many({"at": {"$lte": before}})
        return int(result.deleted_count)

    # How it is done

    def _client(self) -> AsyncMongoClient[dict[str, Any]]:
        settings = self._settings
        if settings.uri and not settings.uri.startswith(("mongodb://", "mongodb+srv://")):
            raise ConfigError([Problem("mongodb.uri", "must begin with mongodb:// or mongodb+srv://.")])
        login: dict[str, Any] = {}
        if settings.username and not settings.uri:
            login = {"username": settings.username, "password": settings.password}
        try:
            return AsyncMongoClient(
                settings.uri or settings.host,
                None if settings.uri else settings.port,
                tz_aware=True,
                appname="orbit",
                connect=False,
                serverSelectionTimeoutMS=round(SELECTION_SECONDS * 1000),
                connectTimeoutMS=round(SELECTION_SECONDS * 1000),
                socketTimeoutMS=round(SOCKET_SECONDS * 1000),
                heartbeatFrequencyMS=2000,
                **login,
            )
        except (ConfigurationError, InvalidURI, ValueError) as error:
            # The driver's sentence may quote the connection string.
            kind = type(error).__name__
            raise ConfigError([Problem("mongodb", f"the connection settings cannot be used ({kind}).")]) from None

    async def _make_indexes(self) -> None:
        """Make what lookups need, and let go of an index of earlier versions under which clear keys cannot go."""
        keys = self._keys.get_pymongo_collection()
        for name, index in (await keys.index_information()).items():
            plain = not index.get("sparse") and not index.get("partialFilterExpression")
            if list(index["key"]) == [("api_key", 1)] and index.get("unique") and plain:
                with contextlib.suppress(OperationFailure):  # another process was quicker
                    await keys.drop_index(name)
        # With $exists, equality is known to be within the index; with $type, the server would not use it.
        there = {"$exists": True}
        await keys.create_index("digest", name="orbit_digest", unique=True, partialFilterExpression={"digest": there})
        await keys.create_index("former.digest", name="orbit_former_digest")
        await keys.create_index("api_key", name="orbit_clear_key", partialFilterExpression={"api_key": there})
        await keys.create_index("system_prompt_id", name="orbit_prompt")
        await self._versions.get_pymongo_collection().create_index("prompt_id", name="orbit_prompt")
        turns = self._turns.get_pymongo_collection()
        await turns.create_index([("key_id", 1), ("session_id", 1), ("at", 1)], name="orbit_session")
        await turns.create_index("at", name="orbit_time")
        try:
            await self._prompts.get_pymongo_collection().create_index("name", unique=True)
        except OperationFailure as error:
            logger.warning("two system prompts have the same name, so names are not kept unique: %s", error)

    @contextlib.contextmanager
    def _as_unavailable(self) -> Iterator[None]:
        try:
            yield
        except (PyMongoError, OSError) as error:
            reason = str(error).partition(", Timeout:")[0]
            raise StoreUnavailable(f"MongoDB at {self._where} cannot be used: {reason}") from error

    @contextlib.contextmanager
    def _announced(self) -> Iterator[None]:
        try:
            yield
        finally:  # also when cancelled or failed: the change may have been made
            self.changed()

    def _too_busy(self) -> StoreUnavailable:
        return StoreUnavailable(f"MongoDB at {self._where}: too many changes of the same record at once; try again.")

    async def _find_key(self, query: dict[str, Any]) -> ApiKeyDocument | None:
        with self._as_unavailable():
            found: ApiKeyDocument | None = await self._keys.find_one(query)
        return found

    async def _get_key(self, key_id: str) -> ApiKeyDocument:
        found = await self._find_key({"_id": _id(key_id)})
        if found is None:
            raise UnknownKey
        return found

    async def _find_prompt(self, query: dict[str, Any], reference: str) -> SystemPromptDocument:
        with self._as_unavailable():
            found: SystemPromptDocument | None = await self._prompts.find_one(query)
        if found is None:
            raise UnknownPrompt(reference)
        return found

    async def _require_prompt(self, prompt_id: str | None) -> None:
        if prompt_id is not None:
            await self.get_prompt(prompt_id)

    async def _require_new_digest(self, digest: str) -> None:
        if await self.find_by_digest(digest):
            raise DuplicateKey

    async def _page(self, model: type[Any], after: str, limit: int) -> list[Any]:
        if after and object_id(after) is None:
            return []
        query = {"_id": {"$gt": object_id(after)}} if after else {}
        with self._as_unavailable():
            found = await model.find(query).sort("_id").limit(limit).to_list()
        return [document.record() for document in found]

    async def _keep_version(self, prompt: SystemPrompt) -> None:
        """Keep what a prompt is before it changes; another process may just have done the same."""
        document = {"_id": f"{prompt.id}:{prompt.revision}", "prompt_id": _id(prompt.id), **prompt_fields(prompt)}
        with contextlib.suppress(DuplicateKeyError):
            await self._versions.get_pymongo_collection().insert_one(document)


def _address(settings: Mongodb) -> str:
    """Where the server is, without the login and options of a connection string."""
    if settings.uri:
        return re.split(r"[/?]", settings.uri.partition("://")[2].rpartition("@")[2])[0]
    return f"{settings.host}:{settings.port}"


def _id(text: str) -> Any:
    """The value of ``_id`` to look for; what is no id is looked for as it stands, and never found."""
    return object_id(text) or text


def _either(text: str) -> dict[str, Any]:
    """A reference to a record, as an id or (written by other tools) as text."""
    return {"$in": [_id(text), text]}


def _session(key_id: str, session_id: str) -> dict[str, Any]:
    """The turns of a session."""
    return {"key_id": {"$eq": key_id}, "session_id": {"$eq": session_id}}


def _storable(text: str) -> bool:
    """Whether a text can be sent to MongoDB at all."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _upgrade(digest: str, hint: str) -> dict[str, Any]:
    return {"$set": {"digest": digest, "hint": hint}, "$unset": {"api_key": ""}}
