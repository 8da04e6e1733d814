"""API keys in MongoDB, those in clear of earlier servers included, and the count of their requests."""

from __future__ import annotations

import asyncio
import time
from collections import defaultdict
from pathlib import Path
from typing import Any

from pymongo.errors import DuplicateKeyError
from typing_extensions import override

from orbit.config.model import Mongodb
from orbit.database.keys import ApiKey, DuplicateKey, FormerSecret, KeyChanges, UnknownKey
from orbit.database.mongodb.collections import ATTEMPTS, MongoCollections, id_of, reference_to
from orbit.database.mongodb.documents import ApiKeyDocument, key_fields, moment, object_id
from orbit.database.quota import Quota, quota, window_start
from orbit.database.records import PAGE, set_fields
from orbit.database.secrets import digest_of, hint_of


class MongoKeys(MongoCollections):
    """The part of the database that keeps keys."""

    def __init__(self, settings: Mongodb, signal_file: Path) -> None:
        super().__init__(settings, signal_file)
        self._counting: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)

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
            found = await self._keys.find({"system_prompt_id": reference_to(prompt_id)}).sort("_id").to_list()
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
                    await self._keys.get_pymongo_collection().update_one({"_id": id_of(key_id)}, {"$set": values})
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
                unchanged = {
                    "_id": id_of(key_id),
                    "$or": [{"digest": present.digest}, {"api_key": {"$type": "string"}}],
                }
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
            result = await self._keys.get_pymongo_collection().delete_one({"_id": id_of(key_id)})
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
                        {at: number for at, number in document.counts if at >= window_start(now)} if document else {}
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

    @override
    async def uncount_request(self, key_id: str, second: int) -> None:
        collection = self._counts.get_pymongo_collection()
        async with self._counting[key_id]:
            for _ in range(ATTEMPTS):
                with self._as_unavailable():
                    document = await self._counts.find_one({"_id": key_id})
                    counts = dict(document.counts) if document else {}
                    if document is None or not counts.get(second):
                        return
                    counts[second] -= 1
                    left = [[at, number] for at, number in sorted(counts.items()) if number]
                    changed = {"counts": left, "revision": document.revision + 1}
                    unchanged = {"_id": key_id, "revision": document.revision}
                    result = await collection.update_one(unchanged, {"$set": changed})
                if result.matched_count:
                    return
        raise self._too_busy()

    async def _find_key(self, query: dict[str, Any]) -> ApiKeyDocument | None:
        with self._as_unavailable():
            found: ApiKeyDocument | None = await self._keys.find_one(query)
        return found

    async def _get_key(self, key_id: str) -> ApiKeyDocument:
        found = await self._find_key({"_id": id_of(key_id)})
        if found is None:
            raise UnknownKey
        return found

    async def _require_prompt(self, prompt_id: str | None) -> None:
        if prompt_id is not None:
            await self.get_prompt(prompt_id)

    async def _require_new_digest(self, digest: str) -> None:
        if await self.find_by_digest(digest):
            raise DuplicateKey


def _storable(text: str) -> bool:
    """Whether a text can be sent to MongoDB at all."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _upgrade(digest: str, hint: str) -> dict[str, Any]:
    return {"$set": {"digest": digest, "hint": hint}, "$unset": {"api_key": ""}}
