"""System prompts in MongoDB."""

from __future__ import annotations

import contextlib
from typing import Any

import msgspec
from pymongo.errors import DuplicateKeyError
from pymongo.results import UpdateResult
from typing_extensions import override

from orbit.database.mongodb.collections import ATTEMPTS, MongoCollections, id_of, naming_duplicates, reference_to
from orbit.database.mongodb.documents import SystemPromptDocument
from orbit.database.prompts import (
    DuplicatePrompt,
    PromptChanges,
    PromptInUse,
    SystemPrompt,
    UnknownPrompt,
    changed_prompt,
)
from orbit.database.records import PAGE, new_id, now


class MongoPrompts(MongoCollections):
    """The system prompts of a MongoDB database."""

    @override
    async def create_prompt(self, name: str, prompt: str, version: str = "1.0") -> SystemPrompt:
        at = now()
        created = SystemPrompt(new_id(), name, prompt, version, at, at)
        with self._as_unavailable():
            try:
                await self._prompts.of(created).insert()
            except DuplicateKeyError as error:
                raise DuplicatePrompt(name) from error
        return created

    @override
    async def get_prompt(self, prompt_id: str) -> SystemPrompt:
        return (await self._find_prompt({"_id": id_of(prompt_id)}, prompt_id)).record()

    @override
    async def get_prompt_by_name(self, name: str) -> SystemPrompt:
        return (await self._find_prompt({"name": {"$eq": name}}, name)).record()

    @override
    async def list_prompts(self, *, after: str = "", limit: int = PAGE) -> list[SystemPrompt]:
        return [document.record() for document in await self._page(self._prompts, after, limit)]

    @override
    async def update_prompt(self, prompt_id: str, changes: PromptChanges) -> SystemPrompt:
        with self._as_unavailable(), self._announced():
            for _ in range(ATTEMPTS):
                document = await self._find_prompt({"_id": id_of(prompt_id)}, prompt_id)
                present = document.record()
                updated = changed_prompt(present, changes, now())
                if updated is present:
                    return present
                await self._keep_version(present)
                unchanged = {"_id": document.id, "revision": document.revision}
                fields = self._prompts.of(updated).model_dump(exclude={"id"})
                try:
                    with naming_duplicates():
                        result = await self._prompts.find_one(unchanged).update({"$set": fields})
                except DuplicateKeyError as error:
                    raise DuplicatePrompt(updated.name) from error
                if isinstance(result, UpdateResult) and result.matched_count:
                    return updated
        raise self._too_busy()

    @override
    async def prompt_versions(self, prompt_id: str) -> list[SystemPrompt]:
        present = await self.get_prompt(prompt_id)
        with self._as_unavailable():
            earlier = await self._versions.find({"prompt_id": reference_to(prompt_id)}).sort("-revision").to_list()
        return [present, *(item.record() for item in earlier if (item.revision or 0) < present.revision)]

    @override
    async def delete_prompt(self, prompt_id: str, *, force: bool = False) -> None:
        await self.get_prompt(prompt_id)
        keys = await self.keys_with_prompt(prompt_id)
        if keys and not force:
            raise PromptInUse(keys)
        with self._as_unavailable(), self._announced():
            await self._keys.find({"system_prompt_id": reference_to(prompt_id)}).set({"system_prompt_id": None})
            await self._prompts.find_one({"_id": id_of(prompt_id)}).delete()
            await self._versions.find({"prompt_id": reference_to(prompt_id)}).delete()

    async def _find_prompt(self, query: dict[str, Any], reference: str) -> SystemPromptDocument:
        with self._as_unavailable():
            found = await self._prompts.find_one(query)
        if found is None:
            raise UnknownPrompt(reference)
        return found

    async def _keep_version(self, prompt: SystemPrompt) -> None:
        """Keep what a prompt is before it changes; another process may just have done the same."""
        fields = msgspec.structs.asdict(prompt) | {"id": f"{prompt.id}:{prompt.revision}", "prompt_id": prompt.id}
        with contextlib.suppress(DuplicateKeyError):
            await self._versions(**fields).insert()
