"""API keys in MongoDB, those in clear of earlier servers included, and the counts of their requests and tokens."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections import defaultdict
from pathlib import Path
from typing import Any

from pymongo.errors import DuplicateKeyError
from typing_extensions import override

from orbit.config.model import Mongodb
from orbit.database.budgets import Budgets, Use, month_before, month_of
from orbit.database.keys import ApiKey, DuplicateKey, FormerSecret, KeyChanges, UnknownKey
from orbit.database.mongodb.collections import ATTEMPTS, MongoCollections, id_of, reference_to
from orbit.database.mongodb.documents import (
    ApiKeyDocument,
    FormerSecretDocument,
    RequestCountDocument,
    moment,
    object_id,
)
from orbit.database.quota import Quota, quota, window_start
from orbit.database.records import PAGE, set_fields
from orbit.database.secrets import digest_of, hint_of
from orbit.system.unicode import is_utf8


class MongoKeys(MongoCollections):
    """The keys of a MongoDB database."""

    def __init__(self, settings: Mongodb, signal_file: Path) -> None:
        super().__init__(settings, signal_file)
        self._swept_day = ""
        self._counting: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)

    @override
    async def create_key(self, key: ApiKey) -> ApiKey:
        with self._as_unavailable():
            await self._require_prompt(key.system_prompt_id)
            await self._require_new_digest(key.digest)
            try:
                await self._keys.of(key).insert()
            except DuplicateKeyError as error:
                raise DuplicateKey from error
        return key

    @override
    async def find_by_digest(self, digest: str) -> ApiKey | None:
        equal = {"$eq": digest}
        # The last two mean the same, but not every server of MongoDB's wire (FerretDB among them) knows both.
        within = {"former": {"$elemMatch": {"digest": equal}}}
        found = await self._find_key({"$or": [{"digest": equal}, {"former.digest": equal}, within]})
        return found.record() if found else None

    @override
    async def find_clear(self, secret: str) -> ApiKey | None:
        if not is_utf8(secret):  # MongoDB cannot store it
            return None
        # Also by digest: somebody may have migrated the key since it was not found by that.
        clear = {"api_key": {"$eq": secret, "$ne": ""}}
        found = await self._find_key({"$or": [clear, {"digest": {"$eq": digest_of(secret)}}]})
        return found.record() if found else None

    @override
    async def migrate(self) -> int:
        number = 0
        with self._as_unavailable():
            async for document in self._keys.find({"api_key": {"$type": "string"}}):
                secret = document.api_key or ""
                unchanged = {"_id": document.id, "api_key": {"$eq": secret}}
                change = _upgrade(digest_of(secret), hint_of(secret))
                number += await self._changed(self._keys, unchanged, change) is not None
        return number

    @override
    async def get_key(self, key_id: str) -> ApiKey:
        return (await self._get_key(key_id)).record()

    @override
    async def list_keys(self, *, after: str = "", limit: int = PAGE) -> list[ApiKey]:
        return [document.record() for document in await self._page(self._keys, after, limit)]

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
            if not values:
                return await self.get_key(key_id)
            with self._announced():
                changed = await self._changed(self._keys, {"_id": id_of(key_id)}, {"$set": values})
        if changed is None:
            raise UnknownKey
        return changed.record()

    @override
    async def rotate_key(self, key_id: str, digest: str, hint: str, former_until: float) -> ApiKey:
        with self._as_unavailable(), self._announced():
            for _ in range(ATTEMPTS):
                present = (await self._get_key(key_id)).record()
                await self._require_new_digest(digest)
                kept = [secret for secret in present.former if secret.expires_at > time.time()]
                kept.append(FormerSecret(present.digest, present.hint, former_until))
                former = [FormerSecretDocument.model_validate(secret) for secret in kept]
                unchanged = {
                    "_id": id_of(key_id),
                    "$or": [{"digest": present.digest}, {"api_key": {"$type": "string"}}],
                }
                try:
                    if changed := await self._changed(self._keys, unchanged, _upgrade(digest, hint, former=former)):
                        return changed.record()
                except DuplicateKeyError as error:
                    raise DuplicateKey from error
        raise self._too_busy()

    @override
    async def delete_key(self, key_id: str) -> None:
        with self._as_unavailable(), self._announced():
            deleted = await self._keys.find_one({"_id": id_of(key_id)}).delete()
            await self._counts.find_one({"_id": key_id}).delete()
            await self._uses.find({"key_id": {"$eq": key_id}}).delete()
            await self._turns.find({"key_id": {"$eq": key_id}}).delete()
        if not deleted or not deleted.deleted_count:
            raise UnknownKey

    @override
    async def count_request(self, key_id: str, limit: int, now: float) -> Quota:
        second = int(now)
        # One request of a key at a time in this process, so that only processes have to try again.
        async with self._counting[key_id]:
            for _ in range(ATTEMPTS):
                with self._as_unavailable():
                    document = await self._counts.find_one({"_id": key_id})
                    counted = document.counts if document else []
                    counts = {at: number for at, number in counted if at >= window_start(now)}
                    if sum(counts.values()) >= limit:
                        return quota(limit, sorted(counts.items()), now, allowed=False)
                    counts[second] = counts.get(second, 0) + 1
                    if await self._keep_counts(key_id, document, counts):
                        return quota(limit, sorted(counts.items()), now, allowed=True)
        raise self._too_busy()

    @override
    async def uncount_request(self, key_id: str, second: int) -> None:
        async with self._counting[key_id]:
            for _ in range(ATTEMPTS):
                with self._as_unavailable():
                    document = await self._counts.find_one({"_id": key_id})
                    counts = dict(document.counts) if document else {}
                    if not counts.get(second):
                        return
                    counts[second] -= 1
                    if await self._keep_counts(key_id, document, counts):
                        return
        raise self._too_busy()

    @override
    async def count_use(self, key_id: str, budgets: Budgets, day: str) -> tuple[bool, Use]:
        left = {"$and": [_left(_place(name, day), limit) for name, limit in budgets.limits().items()]}
        with self._as_unavailable():
            await self._forget_earlier_months(day)
            for _ in range(ATTEMPTS):
                if counted := await self._changed(self._uses, _month(key_id, day) | left, _increment(day, 1, 0)):
                    return True, counted.use(day)
                if (document := await self._uses.find_one(_month(key_id, day))) is None:
                    await self._begin_month(key_id, day)
                elif budgets.used_up(use := document.use(day)):
                    return False, use
        raise self._too_busy()

    @override
    async def add_use(self, key_id: str, day: str, requests: int, tokens: int) -> None:
        with self._as_unavailable():
            await self._forget_earlier_months(day)
            for _ in range(ATTEMPTS):
                if await self._changed(self._uses, _month(key_id, day), _increment(day, requests, tokens)):
                    return
                await self._begin_month(key_id, day)
        raise self._too_busy()

    @override
    async def use_of(self, key_id: str, day: str) -> Use:
        with self._as_unavailable():
            document = await self._uses.find_one(_month(key_id, day))
        return document.use(day) if document else Use()

    async def _begin_month(self, key_id: str, day: str) -> None:
        with contextlib.suppress(DuplicateKeyError):  # another process was quicker
            await self._uses(id=f"{key_id}:{month_of(day)}", key_id=key_id, month=month_of(day)).insert()

    async def _forget_earlier_months(self, day: str) -> None:
        if self._swept_day < day:
            self._swept_day = day
            await self._uses.find({"month": {"$lt": month_before(day)}}).delete()

    async def _keep_counts(self, key_id: str, read: RequestCountDocument | None, counts: dict[int, int]) -> bool:
        """Write the counts of a key; False if they have changed since they were read."""
        ordered = [[at, number] for at, number in sorted(counts.items()) if number]
        if read is None:
            try:
                await self._counts(id=key_id, revision=1, counts=ordered).insert()
            except DuplicateKeyError:
                return False
            return True
        unchanged, change = (
            {"_id": key_id, "revision": read.revision},
            {"counts": ordered, "revision": read.revision + 1},
        )
        return await self._changed(self._counts, unchanged, {"$set": change}) is not None

    async def _find_key(self, query: dict[str, Any]) -> ApiKeyDocument | None:
        with self._as_unavailable():
            return await self._keys.find_one(query)

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


def _month(key_id: str, day: str) -> dict[str, Any]:
    return {"_id": f"{key_id}:{month_of(day)}"}


def _place(budget: str, day: str) -> str:
    """Return where a document has what is used of a budget."""
    what, _, window = budget.partition("_per_")
    return what if window == "month" else f"days.{day}.{what}"


def _left(place: str, limit: int) -> dict[str, Any]:
    """Return the condition that something is left of a budget; on a new day there is no number yet."""
    return {"$or": [{place: {"$lt": limit}}, {place: {"$exists": False}}]}


def _increment(day: str, requests: int, tokens: int) -> dict[str, Any]:
    added = {"requests": requests, "tokens": tokens}
    days = {f"days.{day}.{what}": number for what, number in added.items()}
    return {"$inc": added | days}


def _upgrade(digest: str, hint: str, **fields: Any) -> dict[str, Any]:
    """Return the update that gives a key a secret and takes a clear one away."""
    return {"$set": {"digest": digest, "hint": hint, **fields}, "$unset": {"api_key": ""}}
