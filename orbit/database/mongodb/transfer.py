"""Writing records as they are to MongoDB, and reading what only a copy needs."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence

import msgspec
from beanie.odm.utils.dump import get_dict
from pymongo.errors import DuplicateKeyError, WriteError
from typing_extensions import override

from orbit.database.budgets import DayCounts, month_of
from orbit.database.conversations import ConversationTurn
from orbit.database.keys import ApiKey, DuplicateKey
from orbit.database.mongodb.collections import MongoCollections, reference_to
from orbit.database.mongodb.documents import D, DayUse
from orbit.database.prompts import DuplicatePrompt, SystemPrompt
from orbit.database.transferable import SESSIONS

_BAD_VALUE = 2
"""MongoDB's code of a value that it cannot store."""


class MongoTransfer(MongoCollections):
    """The part of a MongoDB database that a copy uses."""

    @override
    async def put_prompt(self, versions: Sequence[SystemPrompt]) -> None:
        present, *earlier = versions
        with self._as_unavailable(), self._announced():
            try:
                await self._put(self._prompts, self._prompts.of(present))
            except DuplicateKeyError as error:
                raise DuplicatePrompt(present.name) from error
            await self._versions.find({"prompt_id": reference_to(present.id)}).delete()
            for version in earlier:
                fields = msgspec.structs.asdict(version)
                fields |= {"id": f"{version.id}:{version.revision}", "prompt_id": version.id}
                await self._versions(**fields).insert()

    @override
    async def put_key(self, key: ApiKey) -> None:
        with self._as_unavailable(), self._announced():
            try:
                await self._put(self._keys, self._keys.of(key))
            except DuplicateKeyError as error:
                raise DuplicateKey from error

    @override
    async def session_ids(self, key_id: str, *, after: str = "") -> list[str]:
        found: list[str] = []
        with self._as_unavailable():
            while len(found) < SESSIONS:
                query = {"key_id": {"$eq": key_id}, "session_id": {"$gt": after}}
                turn = await self._turns.find(query).sort("session_id").first_or_none()
                if turn is None:
                    break
                after = turn.session_id
                found.append(after)
        return found

    @override
    async def put_conversation(self, key_id: str, session_id: str, turns: Sequence[ConversationTurn]) -> None:
        with self._as_unavailable():
            await self._turns.find({"key_id": {"$eq": key_id}, "session_id": {"$eq": session_id}}).delete()
            for turn in turns:
                await self._turns(key_id=key_id, session_id=session_id, **msgspec.to_builtins(turn)).insert()

    @override
    async def request_counts(self, key_id: str) -> dict[int, int]:
        with self._as_unavailable():
            document = await self._counts.find_one({"_id": key_id})
        return {second: number for second, number in document.counts if number} if document else {}

    @override
    async def put_request_counts(self, key_id: str, counts: Mapping[int, int]) -> bool:
        with self._as_unavailable():
            try:
                await self._put(self._counts, self._counts(id=key_id, revision=1, counts=sorted(counts.items())))
            except WriteError as error:
                if error.code != _BAD_VALUE:
                    raise
                return False  # FerretDB 1 has no arrays of arrays
        return True

    @override
    async def day_counts(self, key_id: str) -> DayCounts:
        with self._as_unavailable():
            months = await self._uses.find({"key_id": {"$eq": key_id}}).to_list()
        return {day: (use.requests, use.tokens) for month in months for day, use in month.days.items()}

    @override
    async def put_day_counts(self, key_id: str, counts: DayCounts) -> None:
        months: defaultdict[str, dict[str, DayUse]] = defaultdict(dict)
        for day, (requests, tokens) in counts.items():
            months[month_of(day)][day] = DayUse(requests=requests, tokens=tokens)
        with self._as_unavailable():
            await self._uses.find({"key_id": {"$eq": key_id}}).delete()
            for month, days in months.items():
                document = self._uses(
                    id=f"{key_id}:{month}",
                    key_id=key_id,
                    month=month,
                    days=days,
                    requests=sum(use.requests for use in days.values()),
                    tokens=sum(use.tokens for use in days.values()),
                )
                await document.insert()

    async def _put(self, model: type[D], document: D) -> None:
        """Insert a document, or change the one that has its id; Beanie's own ``save`` needs more of the server."""
        fields = get_dict(document, to_db=True)
        identity = {"_id": fields.pop("_id")}
        if await self._changed(model, identity, {"$set": fields}) is None:
            await document.insert()
