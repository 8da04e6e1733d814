"""System prompts in MongoDB."""

from __future__ import annotations

import contextlib
import time
from typing import Any

from pymongo.errors import DuplicateKeyError
from typing_extensions import override

from orbit.database.mongodb.collections import ATTEMPTS, MongoCollections, id_of, reference_to
from orbit.database.mongodb.documents import SystemPromptDocument, object_id, prompt_fields
from orbit.database.prompts import (
    DuplicatePrompt,
    PromptChanges,
    PromptInUse,
    SystemPrompt,
    UnknownPrompt,
    changed_prompt,
)
from orbit.database.records import PAGE, new_id


class MongoPrompts(MongoCollections):
    """The part of the database that keeps system prompts."""

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
        return (await self._find_prompt({"_id": id_of(prompt_id)}, prompt_id)).record()

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
                document = await self._find_prompt({"_id": id_of(prompt_id)}, prompt_id)
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
            earlier = await self._versions.find({"prompt_id": reference_to(prompt_id)}).sort("-revision").to_list()
        return [present, *(item.record() for item in earlier if item.revision < present.revision)]

    @override
    async def delete_prompt(self, prompt_id: str, *, force: bool = False) -> None:
        await self.get_prompt(prompt_id)
        keys = await self.keys_with_prompt(prompt_id)
        if keys and not force:
            raise PromptInUse(keys)
        with self._as_unavailable(), self._announced():
            await self._keys.get_pymongo_collection().update_many(
                {"system_prompt_id": reference_to(prompt_id)}, {"$set": {"system_prompt_id": None}}
            )
            await self._prompts.get_pymongo_collection().delete_one({"_id": id_of(prompt_id)})
            await self._versions.get_pymongo_collection().delete_many({"prompt_id": reference_to(prompt_id)})

    async def _find_prompt(self, query: dict[str, Any], reference: str) -> SystemPromptDocument:
        with self._as_unavailable():
            found: SystemPromptDocument | None = await self._prompts.find_one(query)
        if found is None:
            raise UnknownPrompt(reference)
        return found

    async def _keep_version(self, prompt: SystemPrompt) -> None:
        """Keep what a prompt is before it changes; another process may just have done the same."""
        document = {"_id": f"{prompt.id}:{prompt.revision}", "prompt_id": id_of(prompt.id), **prompt_fields(prompt)}
        with contextlib.suppress(DuplicateKeyError):
            await self._versions.get_pymongo_collection().insert_one(document)
