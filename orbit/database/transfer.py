"""Copies all records from one database to another."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import msgspec

from orbit.database.base import Database
from orbit.database.keys import ApiKey
from orbit.database.prompts import SystemPrompt
from orbit.errors import OrbitError

MILLISECOND = 0.001


class CopyFailed(OrbitError):
    """The target does not hold what was copied."""


class Copied(msgspec.Struct):
    """Numbers of records that were copied, read back and found equal."""

    prompts: int = 0
    versions: int = 0
    keys: int = 0
    conversations: int = 0
    turns: int = 0
    quotas: int = 0
    budgets: int = 0


async def copy_records(source: Database, target: Database, progress: Callable[[Copied], None]) -> Copied:
    """Copy every record, and read it back. Raises CopyFailed, DuplicatePrompt, DuplicateKey or DatabaseUnavailable.

    An interrupted copy is resumed by another one: records that the target already holds are written again. Records that
    only the target holds stay.
    """
    copied = Copied()
    async for prompt in source.all_prompts():
        versions = await source.prompt_versions(prompt.id)
        await target.put_prompt(versions)
        written = await target.prompt_versions(prompt.id)
        _require(_prompts(written) == _prompts(versions), f"the prompt '{prompt.name}'")
        copied.prompts += 1
        copied.versions += len(versions)
        progress(copied)
    async for key in source.all_keys():
        await target.put_key(key)
        _require(_equal(await target.get_key(key.id), key), f"the key {key.id} of {key.client_name}")
        copied.keys += 1
        counts = await source.request_counts(key.id)
        if counts and await target.put_request_counts(key.id, counts):
            _require(await target.request_counts(key.id) == counts, f"the request counts of {key.client_name}")
            copied.quotas += 1
        if used := await source.day_counts(key.id):
            await target.put_day_counts(key.id, used)
            _require(await target.day_counts(key.id) == used, f"what {key.client_name} has used of its budgets")
            copied.budgets += 1
        await _copy_conversations(source, target, key.id, copied, progress)
        progress(copied)
    target.changed()
    return copied


async def _copy_conversations(
    source: Database, target: Database, key_id: str, copied: Copied, progress: Callable[[Copied], None]
) -> None:
    after = ""
    while page := await source.session_ids(key_id, after=after):
        for session_id in page:
            turns = await source.conversation_turns(key_id, session_id, -1.0)
            await target.put_conversation(key_id, session_id, turns)
            _require(await target.conversation_turns(key_id, session_id, -1.0) == turns, "a conversation")
            copied.conversations += 1
            copied.turns += len(turns)
        progress(copied)
        after = page[-1]


def _require(right: bool, what: str) -> None:
    if not right:
        sentence = f"{what} changed while it was copied, or the target stored it wrongly; run the command again."
        raise CopyFailed(sentence)


def _prompts(versions: Sequence[SystemPrompt]) -> list[tuple[object, ...]]:
    return [(one.id, one.name, one.prompt, one.version, one.revision) for one in versions]


def _equal(written: ApiKey, key: ApiKey) -> bool:
    """Compare all that a copy keeps. MongoDB's dates hold whole milliseconds, so times may differ by one."""
    times = zip(_times(written), _times(key), strict=True)
    return _rest(written) == _rest(key) and all(abs(one - other) <= MILLISECOND for one, other in times)


def _times(key: ApiKey) -> tuple[float, float]:
    return key.created_at, 0.0 if key.expires_at is None else key.expires_at


def _rest(key: ApiKey) -> dict[str, object]:
    fields = msgspec.structs.asdict(key)
    del fields["created_at"], fields["expires_at"]
    return fields | {"former": {secret.digest for secret in key.former}}
